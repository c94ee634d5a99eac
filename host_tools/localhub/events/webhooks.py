"""HTTP calls to event handlers: time limits, retries, cookies (cloud events, 2 and 7).

Nothing here knows what an event means; `cloud_events` does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from ..errors import HandlerError
from ..names import is_header_value
from ..protocol.metadata import Metadata, from_headers
from .validation import Origin, RetriableError, Validations

_log = logging.getLogger("localhub.events")

MAX_ANSWER = 16 * 1024 * 1024
VALIDATION_TIMEOUT = 10.0
_CHUNK = 64 * 1024
# More connections at once would only eat descriptors: each client has one event under way.
_MAX_CONNECTIONS = 512
# As many as a browser keeps for a domain. A handler that sets a new one with each answer must
# not fill the memory.
_MAX_COOKIES = 50
_VERSION = {"ce-awpsversion": "1.0"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers with.

    Attributes:
        status: HTTP status, always 2xx or 4xx.
        content_type: lower case, without parameters; empty when there is none.
        body: at most 16 MiB.
        state: value of `ce-connectionState`; None when the header is absent.
        metadata: what its X-WebPubSub-Metadata-* headers say.
        cookies: what to send with the next event of the same connection.
    """

    status: int
    content_type: str
    body: bytes
    state: str | None
    metadata: Metadata = ()
    cookies: aiohttp.CookieJar | None = None


@dataclass(frozen=True, slots=True)
class _WebhookRequest:
    """One event on its way: what each attempt needs."""

    url: URL
    origin: Origin
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
        timeout: seconds for one event, all its retries included.
        retry_delays: seconds before the second and each further attempt.
    """

    def __init__(self, timeout: float, retry_delays: Iterable[float]) -> None:
        self._timeout = timeout
        self._retry_delays = tuple(retry_delays)
        self._session: aiohttp.ClientSession | None = None
        self._validations = Validations(self._ask, _place, self._retry_delays)

    @property
    def validations(self) -> int:
        """How many validations of event handlers are remembered."""
        return len(self._validations)

    async def close(self) -> None:
        """Close all connections to handlers."""
        await self._validations.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(
        self,
        template: str,
        origin: Origin,
        hub: str,
        event: str,
        headers: Mapping[str, str],
        body: bytes,
        cookies: aiohttp.CookieJar | None = None,
    ) -> Answer:
        """Deliver one event.

        Args:
            template: URL template of the handler.
            origin: what goes into WebHook-Request-Origin.
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
        delivery = _WebhookRequest(
            URL(url, encoded=True), origin, validation, headers, body, cookies
        )
        try:
            return await asyncio.wait_for(self._deliver(delivery), self._timeout)
        except TimeoutError:
            raise HandlerError(
                f"{_place(url)} did not answer within {self._timeout:g} s"
            ) from None

    async def _deliver(self, delivery: _WebhookRequest) -> Answer:
        await self._validations.check(delivery.validation, delivery.origin)
        for delay in self._retry_delays:
            try:
                return await self._attempt(delivery)
            except RetriableError as error:
                _log.info("Event handler: %s; next try in %g s", error, delay)
                await asyncio.sleep(delay)
        return await self._attempt(delivery)

    async def _attempt(self, delivery: _WebhookRequest) -> Answer:
        place = _place(str(delivery.url))
        headers = {**_common(delivery.origin), **delivery.headers, **_cookie_header(delivery)}
        async with (
            _failures(place),
            self._client().post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as response,
        ):
            answer = await _read(response, place)
            cookies = _kept_cookies(delivery, response)
            return replace(answer, cookies=cookies) if cookies else answer

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    async def _ask(self, method: str, url: str, origin: Origin) -> int:
        """Ask a handler whether it wants events, see `Validations`."""
        place = _place(url)
        try:
            async with asyncio.timeout(VALIDATION_TIMEOUT):
                return await self._validation(method, url, origin, place)
        except TimeoutError:
            raise HandlerError(
                f"{place} did not answer the validation within {VALIDATION_TIMEOUT:g} s"
            ) from None

    async def _validation(self, method: str, url: str, origin: Origin, place: str) -> int:
        async with (
            _failures(place),
            self._client().request(
                method, URL(url, encoded=True), headers=_common(origin), allow_redirects=False
            ) as response,
        ):
            status = response.status
            if status == 408 or status >= 500:
                raise RetriableError(f"{place} answered the validation with {status}")
            lines = response.headers.getall("WebHook-Allowed-Origin", [])
            if 200 <= status < 300 and not origin.is_among(lines):
                raise HandlerError(
                    f"{place} does not allow this service: "
                    f"answer with 'WebHook-Allowed-Origin: {origin.name}' or '*'"
                )
            return status


def _common(origin: Origin) -> dict[str, str]:
    return {"WebHook-Request-Origin": origin.name, **_VERSION}


@asynccontextmanager
async def _failures(place: str) -> AsyncIterator[None]:
    """Turn what goes wrong with a request into a HandlerError."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise RetriableError(f"{place} cannot be reached: {reason}") from None
    except ValueError:
        raise HandlerError(f"{place}: a header value cannot be sent") from None


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


async def _read(response: aiohttp.ClientResponse, place: str) -> Answer:
    status = response.status
    if status == 408 or status >= 500:
        raise RetriableError(f"{place} answered {status}", status)
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
    try:
        metadata = from_headers(response.headers.items())
    except ValueError as error:
        raise HandlerError(f"{place} answered illegal metadata: {error}", status) from None
    return Answer(status, content_type, bytes(body), state, metadata)
