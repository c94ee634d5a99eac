"""Serves an aiohttp application as the service itself is served: with deadlines and limits.

For servers beside the service, which stand on the internet as it may: `hubtool handler` and
`hubtool negotiate`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from . import http_log
from .http_connections import HttpConnections, track_requests
from .listener import Listener, allow_descriptors, descriptors

# Descriptors that are left for the log, for files, and for connections of the application's own.
_SPARE = 40


@asynccontextmanager
async def serving(
    app: web.Application,
    listening: socket.socket,
    *,
    context: ssl.SSLContext | None = None,
    connections: int,
    request_timeout: float,
    shutdown_timeout: float = 1.0,
) -> AsyncIterator[None]:
    """Serve an application as long as the context lasts.

    Args:
        app: not set up yet.
        listening: a socket as `listener.open_socket` makes it; closed at the end.
        context: makes it speak TLS; None for plain HTTP.
        connections: how many there may be at once; the one that has been idle for the longest is
            closed for the next. Fewer where the system allows fewer open files.
        request_timeout: seconds, see `HttpConnections`.
        shutdown_timeout: seconds that requests have at the end.
    """
    app.middlewares.insert(0, track_requests)
    runner = web.AppRunner(
        app, access_log=None, logger=http_log.logger, shutdown_timeout=shutdown_timeout
    )
    await runner.setup()
    assert runner.server is not None
    allow_descriptors(connections + _SPARE)
    most = max(1, min(connections, descriptors() - _SPARE))
    accepted = HttpConnections(runner.server, most, request_timeout, "there are too many")
    listener = Listener(listening, accepted, context)
    try:
        yield
    finally:
        await listener.stop()
        await accepted.close()
        await cleanup(runner)


async def cleanup(runner: web.AppRunner) -> None:
    """Close all HTTP connections, and abort those over TLS.

    A closed TLS connection waits for the peer's close_notify, which may come after the event
    loop has ended.
    """
    open_now = () if runner.server is None else tuple(runner.server.connections)
    over_tls = [
        one.transport
        for one in open_now
        if one.transport is not None and one.transport.get_extra_info("ssl_object") is not None
    ]
    for transport in over_tls:
        # After a second close() asyncio's TLS transports cannot be aborted any more.
        if transport.is_closing():
            transport.abort()
    await runner.cleanup()
    for transport in over_tls:
        transport.abort()
    await asyncio.sleep(0)
