"""Turns an HTTP connection into a WebSocket (RFC 6455 section 4.2.2).

aiohttp parses the upgrade request. Then its transport gets a `ServerWebSocket` as its protocol,
and aiohttp forgets the connection. That costs less memory and time than a WebSocketResponse with
its task, and lets the service refuse unmasked frames, which aiohttp's reader accepts.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from .websocket import ServerWebSocket


class ConnectionGone(Exception):
    """The client hung up while its handshake was being decided."""


def take_over(
    request: web.Request, websocket: ServerWebSocket, head: bytes, on_upgraded: Callable[[], None]
) -> web.StreamResponse:
    """Make a WebSocket the protocol of a request's transport, and answer 101.

    Args:
        request: the upgrade request.
        websocket: gets everything that arrives from now on.
        head: the head of the 101 answer; leaves in one write with the WebSocket's first frames.
        on_upgraded: called when the WebSocket can be written to, before anything is read from it.

    Returns:
        What the aiohttp handler has to return; nothing of it is sent.

    Raises:
        ConnectionGone: there is no transport any more.
    """
    handler = request.protocol
    transport = handler.transport
    if transport is None or transport.is_closing():
        raise ConnectionGone
    # A client has to wait for the 101 (RFC 6455 section 4.1). What one sends too early has
    # been read by aiohttp already and must not get lost.
    early = getattr(handler, "_message_tail", b"")
    # Without a transport, aiohttp takes the connection for lost and cleans up without closing.
    handler.transport = None
    handler.connection_lost(None)
    transport.set_protocol(websocket)
    transport.resume_reading()
    websocket.connection_made(transport)
    websocket.write(head)
    on_upgraded()
    if early:
        websocket.data_received(early)
    return web.Response(status=101)
