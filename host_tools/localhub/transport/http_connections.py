"""HTTP connections: limits for TCP connections that are not, or not yet, WebSockets.

A peer that opens a connection and sends nothing, or never completes its TLS handshake, costs
memory and a file descriptor for as long as the connection stays. So each phase has a deadline,
and the number of connections has a limit (`service.limits.http_connections`): the one that has
been idle for the longest is closed for the next that comes.
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

# Seconds between two requests of an application server; aiohttp's own default.
_KEEP_ALIVE = 75.0
# Seconds in which the rest of a request's body is read and dropped, after the answer.
_LINGER = 10.0
# Seconds between two warnings that connections are refused.
_WARN_INTERVAL = 10.0


class HttpConnection(web.RequestHandler):
    """aiohttp's protocol of one connection, which reports when that is made and lost.

    Args:
        connections: gets the reports.
        server: gets the requests.
        timeout: seconds, see `HttpConnections`.
    """

    __slots__ = ("connections",)

    def __init__(self, connections: HttpConnections, server: web.Server, timeout: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=min(timeout, _LINGER),
            access_log=None,  # type: ignore[arg-type]
            logger=http_log.logger,
        )
        self.connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, TLS included."""
        super().connection_made(transport)
        self.connections.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is over, or has become a WebSocket."""
        super().connection_lost(exc)
        self.connections.closed(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP request.

        aiohttp would quote it in the answer, and it may hold a token.
        """
        if isinstance(exc, LineTooLong):
            message = "The request line or a header is longer than 8190 bytes.\n"
        elif status == 400:
            message = "This is no HTTP request, or a broken one.\n"
        return super().handle_error(request, status, exc, message)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer. aiohttp would quote what stands in Expect, which may be a secret."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp.text = "Expect may only say 100-continue.\n"
        return await super().finish_response(request, resp, start_time)


class _Opening:
    """A connection that was accepted and has no transport yet: its TLS handshake may go on."""

    __slots__ = ("_connected", "_started", "_task")

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected
        self._started = False
        self._task: asyncio.Task[None] | None = None

    def start(
        self, handler: HttpConnection, context: ssl.SSLContext | None, timeout: float
    ) -> asyncio.Task[None]:
        """Begin; `HttpConnection.connection_made` is called when it is done."""
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
        """Abandon it, and close its socket."""
        if self._task is not None:
            self._task.cancel()
        if not self._started:
            # `connect_accepted_socket` has not taken it over.
            self._connected.close()


class HttpConnections:
    """The TCP connections of a service that are not, or not yet, WebSockets.

    Each is either opening (accepted, without a transport), idle (between requests), or busy (in
    the middle of a request).

    Args:
        server: gets their requests.
        limit: how many there may be.
        timeout: seconds for the TLS handshake, again for the head of the first request, and twice
            as many for a request's body.
        remedy: said in the log when connections are refused.
    """

    def __init__(
        self,
        server: web.Server,
        limit: int,
        timeout: float,
        remedy: str = "service.limits.http_connections",
    ) -> None:
        self._server = server
        self._remedy = remedy
        self._limit = limit
        self._timeout = timeout
        # In the order in which they came, so the first one is the oldest.
        self._opening: dict[HttpConnection, _Opening] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: dict[HttpConnection, asyncio.TimerHandle | None] = {}
        self._busy: set[HttpConnection] = set()
        self._warn_at = 0.0

    def __len__(self) -> int:
        return len(self._opening) + len(self._idle) + len(self._busy)

    @property
    def unsent_bytes(self) -> int:
        """Bytes of answers, and of the page's live feeds, that wait in their transports."""
        transports = [handler.transport for handler in (*self._idle, *self._busy)]
        return sum(
            one.get_write_buffer_size() for one in transports if isinstance(one, asyncio.Transport)
        )

    def admit(self, connected: socket.socket, context: ssl.SSLContext | None) -> None:
        """Serve a connection, or close it when all that there may be are busy.

        Args:
            connected: the socket as it was accepted.
            context: makes it speak TLS; None for plain HTTP.
        """
        if len(self) >= self._limit and not self.evict_idle():
            connected.close()
            self.warn(f"all HTTP connections are busy ({self._remedy})")
            return
        handler = HttpConnection(self, self._server, self._timeout)
        opening = self._opening[handler] = _Opening(connected)
        task = opening.start(handler, context, self._timeout)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._opening.pop(handler, None)

        task.add_done_callback(done)

    def evict_idle(self) -> bool:
        """Close the connection that has been idle, or else opening, for the longest.

        Returns:
            Whether there was one.
        """
        handler = next(iter(self._idle), None)
        if handler is not None:
            self._abort(handler)
            return True
        opening = next(iter(self._opening), None)
        if opening is not None:
            self._opening.pop(opening).cancel()
        return opening is not None

    def warn(self, what: str) -> None:
        """Log that connections are refused, at most once in `_WARN_INTERVAL`."""
        now = time.monotonic()
        if now >= self._warn_at:
            self._warn_at = now + _WARN_INTERVAL
            _log.warning("Connections are refused: %s.", what)

    async def close(self) -> None:
        """Abandon the connections that are opening."""
        for opening in tuple(self._opening.values()):
            opening.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- from the connections --------------------------------------------------------------

    def opened(self, handler: HttpConnection) -> None:
        """A connection has its transport, TLS handshake included."""
        if self._opening.pop(handler, None) is None:
            # It was abandoned when its transport was under way already.
            self._abort(handler)
            return
        loop = asyncio.get_running_loop()
        self._idle[handler] = loop.call_later(self._timeout, self._abort, handler)

    def closed(self, handler: HttpConnection) -> None:
        """A connection is closed, or is a WebSocket from now on."""
        self._no_longer_idle(handler)
        self._busy.discard(handler)

    def _abort(self, handler: HttpConnection) -> None:
        self._no_longer_idle(handler)
        # Not close(): over TLS it waits for the peer's close_notify.
        if isinstance(handler.transport, asyncio.Transport):
            handler.transport.abort()

    def _no_longer_idle(self, handler: HttpConnection) -> None:
        timer = self._idle.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def request_started(self, handler: HttpConnection) -> None:
        """The head of a request has come."""
        self._no_longer_idle(handler)
        self._busy.add(handler)

    def limit_body(self, handler: HttpConnection) -> asyncio.TimerHandle:
        """A timer that closes a connection whose request's body does not arrive.

        It is longer than that of the data plane, which answers a late body with 408.
        """
        loop = asyncio.get_running_loop()
        return loop.call_later(2 * self._timeout, self._abort, handler)

    def request_ended(self, handler: HttpConnection) -> None:
        """A request is answered."""
        if handler in self._busy:
            self._busy.remove(handler)
            self._idle[handler] = None


@web.middleware
async def track_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: reports which connections are in the middle of a request."""
    connection = request.protocol
    if not isinstance(connection, HttpConnection):
        return await handler(request)
    connections = connection.connections
    connections.request_started(connection)
    deadline = None
    if not request.content.is_eof():
        deadline = connections.limit_body(connection)
        request.content.on_eof(deadline.cancel)
    try:
        return await handler(request)
    finally:
        if deadline is not None:
            deadline.cancel()
        connections.request_ended(connection)
