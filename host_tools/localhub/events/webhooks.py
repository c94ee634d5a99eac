"""HTTP calls to event handlers: abuse protection, time limits, retries (cloud events, 2 and 7).

Nothing here knows what an event means; `cloud_events` does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from ..errors import HandlerError
from ..names import is_header_value

_log = logging.getLogger("localhub.events")

MAX_ANSWER = 16 * 1024 * 1024
_VALIDATION_TIMEOUT = 10.0
_CHUNK = 64 * 1024
# More connections at once would only eat descriptors: each client has one event under way.
_MAX_CONNECTIONS = 512
# As many as a browser keeps for a domain. A handler that sets a new one with each answer must
# not fill the memory.
_MAX_COOKIES = 50
_VERSION = {"ce-awpsversion": "1.0"}


class _Retriable(HandlerError):
    """A failure that may pass: 408, 5xx, or no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers with.

    Attributes:
        status: HTTP status, always 2xx or 4xx.
        content_type: lower case, without parameters; empty when there is none.
        body: at most 16 MiB.
        state: value of `ce-connectionState`; None when the header is absent.
        cookies: what to send with the next event of the same connection.
    """

    status: int
    content_type: str
    body: bytes
    state: str | None
    cookies: aiohttp.CookieJar | None = None


@dataclass(frozen=True, slots=True)
class _WebhookRequest:
    """One event on its way: what each attempt needs."""

    url: URL
    validation: str
    headers: Mapping[str, str]
    body: bytes
    cookies: aiohttp.CookieJar | None


def fill_template(template: str, hub: str, event: str) -> str:
    """A URL template with the percent-encoded names of hub and event."""
    return template.replace("{hub}", quote(hub, safe="")).replace("{event}", quote(event, safe=""))


def _place(url: str) -> str:
    """Scheme, host and path of a URL: its query may hold a shared secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Webhooks:
    """Calls event handlers.

    Args:
        origin: gives what goes into WebHook-Request-Origin: the service's `host[:port]`.
        timeout: seconds for one event, all its retries included.
        retry_delays: seconds before the second and each further attempt.
    """

    def __init__(
        self, origin: Callable[[], str], timeout: float, retry_delays: Iterable[float]
    ) -> None:
        self._origin = origin
        self._timeout = timeout
        self._retry_delays = tuple(retry_delays)
        self._session: aiohttp.ClientSession | None = None
        self._validated: set[str] = set()
        self._validating: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Close all connections to handlers."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(
        self,
        template: str,
        hub: str,
        event: str,
        headers: Mapping[str, str],
        body: bytes,
        cookies: aiohttp.CookieJar | None = None,
    ) -> Answer:
        """Deliver one event.

        Args:
            template: URL template of the handler.
            hub: for the template.
            event: for the template.
            headers: what is particular to the event.
            body: the event's data.
            cookies: of the connection's last answer; a handler behind a load balancer finds
                its way by them.

        Raises:
            HandlerError: no usable answer in time.
        """
        url = fill_template(template, hub, event)
        validation = fill_template(template, hub, "validate")
        delivery = _WebhookRequest(URL(url, encoded=True), validation, headers, body, cookies)
        try:
            return await asyncio.wait_for(self._post_with_retries(delivery), self._timeout)
        except TimeoutError:
            raise HandlerError(
                f"{_place(url)} did not answer within {self._timeout:g} s"
            ) from None
        except HandlerError as error:
            _log.warning("Event handler: %s", error)
            raise

    async def _post_with_retries(self, delivery: _WebhookRequest) -> Answer:
        for delay in self._retry_delays:
            try:
                return await self._attempt(delivery)
            except _Retriable as error:
                _log.info("Event handler: %s; next try in %g s", error, delay)
                await asyncio.sleep(delay)
        return await self._attempt(delivery)

    async def _attempt(self, delivery: _WebhookRequest) -> Answer:
        common = {"WebHook-Request-Origin": self._origin(), **_VERSION}
        place = _place(str(delivery.url))
        try:
            await self._validate(delivery.validation, common)
            async with self._client().post(
                delivery.url,
                data=delivery.body,
                headers={**common, **delivery.headers, **_cookie_header(delivery)},
                allow_redirects=False,
            ) as response:
                answer = await _read(response, place)
                cookies = _kept_cookies(delivery, response)
                return replace(answer, cookies=cookies) if cookies else answer
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise _Retriable(f"{place} cannot be reached: {reason}") from None
        except ValueError:
            raise HandlerError(f"{place}: a header value cannot be sent") from None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    # -- abuse protection ------------------------------------------------------------------

    async def _validate(self, url: str, headers: Mapping[str, str]) -> None:
        """Ask once per URL whether the handler wants our events."""
        if url in self._validated:
            return
        async with self._validating.setdefault(url, asyncio.Lock()):
            if url in self._validated:
                return
            status = await self._ask("OPTIONS", url, headers)
            if status == 404:
                status = await self._ask("GET", url, headers)
            if not 200 <= status < 300:
                raise HandlerError(f"{_place(url)} answered the validation with {status}")
            self._validated.add(url)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> int:
        timeout = aiohttp.ClientTimeout(total=_VALIDATION_TIMEOUT)
        async with self._client().request(
            method,
            URL(url, encoded=True),
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            if 200 <= response.status < 300:
                # The Express SDK sends one header line per allowed endpoint.
                lines = response.headers.getall("WebHook-Allowed-Origin", [])
                if not _allows(lines, headers["WebHook-Request-Origin"]):
                    raise HandlerError(
                        f"{_place(url)} does not allow this service: "
                        "answer with 'WebHook-Allowed-Origin: *'"
                    )
            return response.status


def _cookie_header(delivery: _WebhookRequest) -> dict[str, str]:
    if delivery.cookies is None:
        return {}
    fitting = delivery.cookies.filter_cookies(delivery.url).values()
    text = "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in fitting)
    return {"Cookie": text} if text else {}


def _kept_cookies(
    delivery: _WebhookRequest, response: aiohttp.ClientResponse
) -> aiohttp.CookieJar | None:
    """The connection's cookies after an answer; hardly any handler sets one."""
    cookies = delivery.cookies
    if response.cookies:
        # Handlers on this computer are addressed by number, which needs `unsafe`.
        cookies = cookies or aiohttp.CookieJar(unsafe=True)
        if len(cookies) < _MAX_COOKIES:
            cookies.update_cookies(response.cookies, delivery.url)
    return cookies


def _allows(lines: Iterable[str], origin: str) -> bool:
    allowed = {entry.strip().lower() for line in lines for entry in line.split(",")}
    host = origin.lower().rpartition(":")[0] or origin.lower()
    return bool(allowed & {"*", origin.lower(), host})


async def _read(response: aiohttp.ClientResponse, place: str) -> Answer:
    status = response.status
    if status == 408 or status >= 500:
        raise _Retriable(f"{place} answered {status}", status)
    if not (200 <= status < 300 or 400 <= status < 500):
        raise HandlerError(f"{place} answered {status}: redirects are not followed", status)
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise HandlerError(f"{place} answered with more than 16 MiB", status)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    state = response.headers.get("ce-connectionState")
    if state is not None and not is_header_value(state):
        raise HandlerError(f"{place} answered a ce-connectionState that is not UTF-8", status)
    return Answer(status, content_type, bytes(body), state)
