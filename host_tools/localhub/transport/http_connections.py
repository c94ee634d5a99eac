"""TCP connections that are no WebSockets yet: how many there may be, and how long they may idle.

A peer that opens a connection and says nothing, or never ends its TLS handshake, costs memory
and a descriptor for as long as it is borne. So it gets a deadline; and when there are too many,
the one that has been idle for the longest makes room for the next.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.typedefs import Handler

from . import http_log

_log = logging.getLogger("localhub")

# Between two requests of an application server.
_KEEP_ALIVE = 75.0
# For the rest of a body that nobody wanted, after the answer.
_LINGER = 10.0
# Between two lines of the log about peers that are turned away.
_QUIET = 10.0


class HttpConnection(web.RequestHandler):
    """aiohttp's side of one connection, which tells of its beginning and its end."""

    __slots__ = ("peers",)

    def __init__(self, peers: Peers, server: web.Server, timeout: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=min(timeout, _LINGER),
            access_log=None,  # type: ignore[arg-type]
            logger=http_log.logger,
        )
        self.peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, TLS included."""
        super().connection_made(transport)
        self.peers.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is over, or has become a WebSocket."""
        super().connection_lost(exc)
        self.peers.closed(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be read. aiohttp would quote it, and it may be a token."""
        if isinstance(exc, LineTooLong):
            message = "The request line or a header is longer than 8190 bytes.\n"
        elif status == 400:
            message = "This is no HTTP request, or a broken one.\n"
        return super().handle_error(request, status, exc, message)


class _Opening:
    """A connection on its way through the TLS handshake, if it has one."""

    __slots__ = ("_connected", "_started", "_task")

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected
        self._started = False
        self._task: asyncio.Task[None] | None = None

    def start(
        self, handler: HttpConnection, context: ssl.SSLContext | None, timeout: float
    ) -> asyncio.Task[None]:
        """Begin; the handler tells when it is through."""
        self._task = asyncio.create_task(self._open(handler, context, timeout))
        return self._task

    async def _open(
        self, handler: HttpConnection, context: ssl.SSLContext | None, timeout: float
    ) -> None:
        self._started = True
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: handler,
                self._connected,
                ssl=context,
                ssl_handshake_timeout=None if context is None else timeout,
            )
        except OSError as error:
            http_log.logger.debug("A connection failed: %s", type(error).__name__)

    def cancel(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()
        if not self._started:
            # There is no transport that would do it.
            self._connected.close()


class Peers:
    """All connections of a service that are no WebSockets.

    Args:
        server: gets their requests.
        limit: how many there may be.
        timeout: seconds for the TLS handshake, again for the first request's head, and twice as
            many for a request's body.
    """

    def __init__(self, server: web.Server, limit: int, timeout: float) -> None:
        self._server = server
        self._limit = limit
        self._timeout = timeout
        # In the order in which they came, so the first one is the oldest.
        self._opening: dict[HttpConnection, _Opening] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[HttpConnection, asyncio.TimerHandle | None] = {}
        self._busy: set[HttpConnection] = set()
        self._complain_at = 0.0

    def __len__(self) -> int:
        return len(self._opening) + len(self._idle) + len(self._busy)

    def admit(self, connected: socket.socket, context: ssl.SSLContext | None) -> None:
        """Serve a connection that was accepted; `context` makes it speak TLS."""
        if len(self) >= self._limit and not self.make_room():
            connected.close()
            self.complain("all HTTP connections are busy (service.limits.http_connections)")
            return
        handler = HttpConnection(self, self._server, self._timeout)
        opening = self._opening[handler] = _Opening(connected)
        task = opening.start(handler, context, self._timeout)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._opening.pop(handler, None)

        task.add_done_callback(done)

    def make_room(self) -> bool:
        """End the connection that has been idle for the longest; tell whether there was one."""
        handler = next(iter(self._idle), None)
        if handler is not None:
            self._abort(handler)
            return True
        opening = next(iter(self._opening), None)
        if opening is not None:
            self._opening.pop(opening).cancel()
        return opening is not None

    def complain(self, what: str) -> None:
        """Say in the log that peers are turned away; not for each of them."""
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + _QUIET
            _log.warning("Connections are refused: %s.", what)

    async def close(self) -> None:
        """Give handshakes up that are under way."""
        for opening in tuple(self._opening.values()):
            opening.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- from the connections --------------------------------------------------------------

    def opened(self, handler: HttpConnection) -> None:
        """A connection is through its TLS handshake, if it has one."""
        if self._opening.pop(handler, None) is None:
            # It was given up when its transport was on its way already.
            self._abort(handler)
            return
        loop = asyncio.get_running_loop()
        self._idle[handler] = loop.call_later(self._timeout, self._abort, handler)

    def closed(self, handler: HttpConnection) -> None:
        """A connection is over, or a WebSocket from now on."""
        self._no_longer_idle(handler)
        self._busy.discard(handler)

    def _abort(self, handler: HttpConnection) -> None:
        self._no_longer_idle(handler)
        # Not closed: over TLS that would wait for a peer that says nothing.
        if isinstance(handler.transport, asyncio.Transport):
            handler.transport.abort()

    def _no_longer_idle(self, handler: HttpConnection) -> None:
        timer = self._idle.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def begins(self, handler: HttpConnection) -> None:
        """The head of a request has come."""
        self._no_longer_idle(handler)
        self._busy.add(handler)

    def limit_body(self, handler: HttpConnection) -> asyncio.TimerHandle:
        """What ends a connection when the body of its request takes for ever.

        The data plane, which answers a late body, comes first.
        """
        loop = asyncio.get_running_loop()
        return loop.call_later(2 * self._timeout, self._abort, handler)

    def ends(self, handler: HttpConnection) -> None:
        """A request is answered."""
        if handler in self._busy:
            self._busy.remove(handler)
            self._idle[handler] = None


@web.middleware
async def busy(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: tells which connections are in the middle of a request."""
    connection = request.protocol
    if not isinstance(connection, HttpConnection):
        return await handler(request)
    peers = connection.peers
    peers.begins(connection)
    deadline = None
    if not request.content.is_eof():
        deadline = peers.limit_body(connection)
        request.content.on_eof(deadline.cancel)
    try:
        return await handler(request)
    finally:
        if deadline is not None:
            deadline.cancel()
        peers.ends(connection)
