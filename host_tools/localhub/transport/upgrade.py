"""Takes a connection over from aiohttp once the opening handshake is settled.

aiohttp parses the HTTP request; after that the link is the transport's protocol and aiohttp
forgets the connection. That costs less memory and time than a WebSocketResponse with its task,
and lets the service refuse unmasked frames, which aiohttp's reader accepts.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from .websocket import WebSocketLink


class ConnectionGone(Exception):
    """The client hung up while its handshake was being decided."""


def take_over(
    request: web.Request, link: WebSocketLink, head: bytes, greet: Callable[[], None]
) -> web.StreamResponse:
    """Make a link the protocol of a request's transport, and answer 101.

    Args:
        request: the upgrade request.
        link: gets everything that arrives from now on.
        head: the head of the 101 answer; leaves in one write with the link's first frames.
        greet: called when the link can be written to, before anything is read from it.

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
    transport.set_protocol(link)
    transport.resume_reading()
    link.connection_made(transport)
    link.write(head)
    greet()
    if early:
        link.data_received(early)
    return web.Response(status=101)
