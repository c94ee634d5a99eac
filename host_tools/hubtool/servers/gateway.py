"""Devices behind a hub, each with a WebSocket of its own to its central system (OCPP-J).

A device's frames come as events, and go on in the order of the events. The central system's
frames go to the device by the service's REST API, one after the other. When a frame cannot be
handed over both sides are closed: the charging point comes back and repeats what is open.

One process: what it knows of its devices is in its memory.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from .gateway_core import Counts, Routes, answer_to
from .gateway_service import HubService, Undelivered

# Frames of a central system that wait for the service; then it is read no further.
_QUEUE = 64
# Seconds between pings to a central system: frames must not go on into a dead connection.
HEARTBEAT = 30.0
# Bytes of one frame: as the service's.
LARGEST_FRAME = 1024 * 1024
# Seconds: for a central system to take a frame, for the device's `connected` to come, to close.
_SEND = 10.0
_ENTER = 30.0
_CLOSE = 3.0


class Refused(Exception):
    """The device may not come in.

    Attributes:
        status: for the answer to the `connect` event.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Central:
    """Where a device is carried to.

    Attributes:
        url: ws or wss, with everything filled in.
        subprotocol: that is offered and must be chosen.
        authorization: header field, or None.
        context: for wss; None trusts the system's certificates.
    """

    url: str = field(repr=False)
    subprotocol: str
    authorization: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None


def basic(user: str, key: str) -> str:
    """The value of `Authorization` (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


class _Link:
    def __init__(
        self, hub: str, connection: str, user: str, upstream: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.hub, self.connection, self.user = hub, connection, user
        self.upstream = upstream
        self.entered = asyncio.Event()
        self.frames: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        self.sending = asyncio.Lock()
        self.tasks: list[asyncio.Task[None]] = []
        # Whether its end is somebody's already.
        self.ended = False


class Gateway:
    """Carries frames between devices and central systems.

    Args:
        service: the service's REST API.
        report: gets one line for each thing that happens.
        shown: makes what a device said fit for the log.
        limit: of devices.
        timeout: seconds for a central system to accept a connection.
    """

    def __init__(
        self,
        service: HubService,
        report: Callable[[str], None],
        shown: Callable[[str], str],
        *,
        limit: int,
        timeout: float,
    ) -> None:
        self._service = service
        self._report = report
        self._shown = shown
        self._timeout = timeout
        self._routes = Routes(limit)
        self._links: dict[str, _Link] = {}
        self._session: aiohttp.ClientSession | None = None
        self._endings: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.counts = Counts()

    def __contains__(self, connection: str) -> bool:
        return connection in self._links

    # -- the device's side -----------------------------------------------------------------

    async def connect(self, hub: str, connection: str, user: str, central: Central) -> None:
        """Open the WebSocket for a device; an older connection of its identity is closed.

        Raises:
            Refused: the central system does not let it in, or cannot be reached.
        """
        identity = hub, user
        if self._stopping or not self._routes.has_room(identity):
            self.counts.refused += 1
            raise Refused(503, "there are too many devices")
        try:
            upstream = await self._open(central)
        except Refused:
            self.counts.refused += 1
            raise
        # Others may have come meanwhile.
        if self._stopping or not self._routes.has_room(identity):
            self.counts.refused += 1
            self._later(_closed(upstream))
            raise Refused(503, "there are too many devices")
        older = self._routes.enter(connection, identity)
        if older is not None:
            link = self._links.pop(older)
            if older != connection:
                self.counts.replaced += 1
                self._report(f"{self._shown(user)} came back: its older connection is closed")
            self._end(link, "a newer connection", tell=older != connection)
        self.counts.opened += 1
        link = _Link(hub, connection, user, upstream)
        self._links[connection] = link
        link.tasks = [
            asyncio.create_task(self._read(link)),
            asyncio.create_task(self._deliver(link)),
        ]

    def connected(self, hub: str, connection: str) -> None:
        """The device is there: frames may go to it. One that is not known is dropped."""
        link = self._links.get(connection)
        if link is not None:
            link.entered.set()
            return
        self.counts.unknown += 1
        self._later(self._tell(hub, connection, "unknown to the gateway"))

    async def frame(self, connection: str, event_id: str, kind: str, body: bytes) -> int:
        """Hand a frame of a device over.

        Args:
            connection: its id.
            event_id: of the event, which may be a repetition.
            kind: media type of the body.
            body: the frame.

        Returns:
            The status for the event: 204, or one that makes the service drop the device. None
            is one that the service would repeat.
        """
        link = self._links.get(connection)
        if link is None:
            self.counts.unknown += 1
            return 410
        link.entered.set()
        if kind != "text/plain":
            self._drop(link, "it sent a frame that is no text")
            return 415
        if len(body) > LARGEST_FRAME:
            self._drop(link, "its frame is too large")
            return 413
        try:
            text = body.decode()
        except UnicodeDecodeError:
            self._drop(link, "it sent a frame that is no UTF-8")
            return 400
        async with link.sending:
            if self._routes.is_repeat(connection, event_id):
                return 204
            try:
                async with asyncio.timeout(_SEND):
                    if link.ended or link.upstream.closed:
                        raise ConnectionResetError
                    self._routes.handed_over(connection, event_id)
                    await link.upstream.send_str(text)
            except (OSError, TimeoutError, aiohttp.ClientError):
                self._drop(link, "the central system does not take its frame")
                return 410
        self.counts.to_central += 1
        return 204

    def disconnected(self, connection: str) -> None:
        """The device is gone: so is its WebSocket."""
        link = self._links.get(connection)
        if link is not None:
            self._leave(link, "the device is gone", tell=False)

    async def close(self) -> None:
        """Close all sides."""
        self._stopping = True
        self._report(str(self.counts))
        for link in list(self._links.values()):
            self._leave(link, "the gateway ends", tell=True)
        if self._endings:
            await asyncio.wait(self._endings, timeout=2 * _CLOSE)
        for task in list(self._endings):
            task.cancel()
        await asyncio.gather(*self._endings, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        await self._service.close()

    # -- the central system's side ---------------------------------------------------------

    async def _open(self, central: Central) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            # A device's answers must not decide what is sent for the next one.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        headers: Mapping[str, str] = (
            {} if central.authorization is None else {"Authorization": central.authorization}
        )
        try:
            async with asyncio.timeout(self._timeout):
                upstream = await self._session.ws_connect(
                    URL(central.url, encoded=True),
                    protocols=(central.subprotocol,),
                    headers=headers,
                    ssl=True if central.context is None else central.context,
                    max_msg_size=LARGEST_FRAME + 1,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE),
                    compress=0,
                    heartbeat=HEARTBEAT,
                )
        except aiohttp.WSServerHandshakeError as error:
            # aiohttp gives what comes with 101 and is wrong the status 101.
            status = answer_to(error.status)
            raise Refused(status, f"the central system answered {error.status}") from None
        except TimeoutError:
            raise Refused(503, "the central system does not answer in time") from None
        except aiohttp.ClientConnectorCertificateError:
            raise Refused(503, "the central system's certificate is not trusted") from None
        except aiohttp.ClientConnectorError:
            raise Refused(503, "the central system cannot be reached") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = type(error).__name__
            raise Refused(502, f"the central system's answer is no handshake ({kind})") from None
        if upstream.protocol != central.subprotocol:
            self._later(_closed(upstream))
            raise Refused(502, f"the central system does not choose {central.subprotocol}")
        return upstream

    async def _read(self, link: _Link) -> None:
        """Take frames of the central system, as fast as the service takes them."""
        async for message in link.upstream:
            if message.type is aiohttp.WSMsgType.ERROR:
                if isinstance(message.data, aiohttp.ServerTimeoutError):
                    self._drop(link, "the central system does not answer pings")
                    return
                large = link.upstream.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
                what = "too large" if large else "broken"
                self._drop(link, f"a frame of the central system is {what}")
                return
            if message.type is not aiohttp.WSMsgType.TEXT:
                self._drop(link, "the central system sent a frame that is no text")
                return
            await link.frames.put(message.data)
        await link.frames.put(None)

    async def _deliver(self, link: _Link) -> None:
        """Hand the central system's frames to the device, in order, and then its end."""
        try:
            async with asyncio.timeout(_ENTER):
                await link.entered.wait()
        except TimeoutError:
            self._leave(link, "the device did not come", tell=True)
            return
        while (text := await link.frames.get()) is not None:
            try:
                await self._service.send(link.hub, link.connection, text)
            except Undelivered as error:
                self._drop(link, f"a frame does not reach it: {error}")
                return
            self.counts.to_device += 1
        self._leave(link, "the central system closed the connection", tell=True)

    # -- the end of a connection -----------------------------------------------------------

    def _drop(self, link: _Link, why: str) -> None:
        if not link.ended:
            self.counts.dropped += 1
            self._report(f"dropped {self._shown(link.user)}: {why}")
        self._leave(link, why, tell=True)

    def _leave(self, link: _Link, why: str, *, tell: bool) -> None:
        if self._links.get(link.connection) is link:
            del self._links[link.connection]
            self._routes.leave(link.connection)
        self._end(link, why, tell=tell)

    def _end(self, link: _Link, why: str, *, tell: bool) -> None:
        """Close both sides, in a task of its own: it may be a task of the link that asks."""
        if link.ended:
            return
        link.ended = True
        self._later(self._finish(link, why, tell))

    async def _finish(self, link: _Link, why: str, tell: bool) -> None:
        for task in link.tasks:
            task.cancel()
        await asyncio.gather(*link.tasks, return_exceptions=True)
        await asyncio.gather(
            _closed(link.upstream),
            *([self._tell(link.hub, link.connection, why)] if tell else []),
        )

    async def _tell(self, hub: str, connection: str, why: str) -> None:
        try:
            await self._service.close_connection(hub, connection, why)
        except Undelivered as error:
            # Its next frame is refused, which drops it all the same.
            self._report(f"cannot close connection {self._shown(connection)}: {error}")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


async def _closed(upstream: aiohttp.ClientWebSocketResponse) -> None:
    try:
        async with asyncio.timeout(_CLOSE):
            await upstream.close()
    except (OSError, TimeoutError, aiohttp.ClientError):
        pass  # it is gone
