"""Abuse protection: whether a handler wants our events (CloudEvents HTTP webhook, section 4).

A handler is asked before its first event, and again each minute in which there are events: so it
may start late, and withdraw. Source for the times: Microsoft's emulator (Azure/azure-webpubsub,
tools/emulator), AbuseProtector.cs and README.md, "Handler validation and retries".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from micropython_webpubsub.hosts import Host, parse_host

from ..errors import HandlerError

_log = logging.getLogger("localhub.events")

# Seconds for which an answer counts.
RENEW_AFTER = 60.0
# Seconds that an event waits for a renewal; then the last answer counts until there is a new one.
RENEWAL_PATIENCE = 2.0
# A client chooses by which of the service's names it comes, so there are several for a handler.
MOST = 256


class RetriableError(HandlerError):
    """A failure that may pass: 408, 5xx, or no answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who the events come from: the endpoint by which a client came.

    Attributes:
        name: its host without the port, which is what handlers get. Microsoft's SDKs for
            .NET look up their key by it.
        authority: `host:port`; handlers that were made for earlier versions answer with it.
    """

    name: str
    authority: str

    @classmethod
    def of(cls, host: Host) -> Origin:
        """The origin of an endpoint's host."""
        return cls(host.name, str(host))

    def is_among(self, lines: Iterable[str]) -> bool:
        """Whether lines of `WebHook-Allowed-Origin` allow it, with or without its port.

        The Express SDK sends one line for each endpoint that it allows.
        """
        allowed = {entry.strip() for line in lines for entry in line.split(",")}
        hosts = {str(host) for entry in allowed if (host := parse_host(entry)) is not None}
        return "*" in allowed or not hosts.isdisjoint({self.name, self.authority})


Ask = Callable[[str, str, Origin], Awaitable[int]]


@dataclass(slots=True)
class _Record:
    """What is known of one handler.

    Attributes:
        failure: why it gets no events; None when it wants them.
        due: when it is to be asked again, in seconds of `time.monotonic`.
        task: asks at the moment.
        asked_at: when that began.
    """

    failure: HandlerError | None
    due: float = 0.0
    task: asyncio.Task[None] | None = None
    asked_at: float = 0.0


class Validations:
    """Remembers which handlers want our events.

    Args:
        ask: asks by a method, at a URL, for an origin; gives the HTTP status. It raises
            RetriableError for what may pass, HandlerError for what does not.
        place: what of a URL may stand in a log.
        retry_delays: seconds before the second and each further attempt.
    """

    def __init__(
        self, ask: Ask, place: Callable[[str], str], retry_delays: Iterable[float]
    ) -> None:
        self._ask = ask
        self._place = place
        self._retry_delays = tuple(retry_delays)
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()

    def __len__(self) -> int:
        """How many answers of handlers are remembered."""
        return len(self._records)

    async def check(self, url: str, origin: Origin) -> None:
        """Return when the handler wants our events.

        Raises:
            HandlerError: it does not, or it cannot be asked.
        """
        record, now = self._record(url, origin), time.monotonic()
        refused = record.failure is not None
        if (refused or now >= record.due) and record.task is None:
            record.asked_at = now
            record.task = asyncio.create_task(self._renew(record, url, origin))
        if record.task is not None:
            # Others may wait for the same answer: who gives up leaves the task alone.
            patience = max(0.0, record.asked_at + RENEWAL_PATIENCE - now)
            await asyncio.wait({record.task}, timeout=None if refused else patience)
        if record.failure is not None:
            raise HandlerError(str(record.failure), record.failure.status)

    async def close(self) -> None:
        """Ask no more."""
        tasks = [one.task for one in self._records.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _record(self, url: str, origin: Origin) -> _Record:
        key = url, origin.authority
        unasked = HandlerError(f"{self._place(url)} could not be asked whether it wants events")
        record = self._records.setdefault(key, _Record(unasked))
        self._records.move_to_end(key)
        if len(self._records) > MOST:
            idle = (one for one, other in self._records.items() if other.task is None)
            self._records.pop(next(idle, key))
        return record

    async def _renew(self, record: _Record, url: str, origin: Origin) -> None:
        try:
            record.failure = await self._ask_with_retries(url, origin)
            record.due = time.monotonic() + RENEW_AFTER
        finally:
            record.task = None

    async def _ask_with_retries(self, url: str, origin: Origin) -> HandlerError | None:
        """Why the handler gets no events; None when it wants them."""
        for delay in self._retry_delays:
            try:
                return await self._ask_once(url, origin)
            except RetriableError as error:
                _log.info("Event handler: %s; next try in %g s", error, delay)
                await asyncio.sleep(delay)
        try:
            return await self._ask_once(url, origin)
        except RetriableError as error:
            return error

    async def _ask_once(self, url: str, origin: Origin) -> HandlerError | None:
        try:
            status = await self._ask("OPTIONS", url, origin)
            if status == 404:
                status = await self._ask("GET", url, origin)
        except RetriableError:
            raise
        except HandlerError as error:
            return error
        if not 200 <= status < 300:
            return HandlerError(f"{self._place(url)} answered the validation with {status}")
        return None
