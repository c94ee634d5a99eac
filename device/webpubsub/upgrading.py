"""Reads the answer to an upgrade (RFC 6455, section 4.1). Loaded for it and let go; see `once`."""

import asyncio

from .errors import DeadlineError, HandshakeError, ProtocolError, TransportError
from .memory import once
from .stream import good_addresses


async def take(ws, host, accept, protocols, timeout, left):
    """Read the answer to an upgrade from a Connection, up to its first frame.

    ws: that Connection. host, timeout: for errors. accept, protocols: see `decision.protocol_of`.
    left: seconds that are left of timeout. Returns the subprotocol. Raises DeadlineError,
    HandshakeError and TransportError, as `ws_connect`.
    """
    rx = ws.rx
    try:
        await asyncio.wait_for(_read(ws, False), left)
        status, due, body, fields = once("webpubsub.answer").parse(rx.unread(), 0)
        if due:
            try:
                await asyncio.wait_for(_read(ws, True), 2)
            except (OSError, asyncio.TimeoutError):
                pass  # the status is what counts
            _, _, body, _ = once("webpubsub.answer").parse(rx.unread(), 0)
    except TransportError:
        raise
    except asyncio.TimeoutError:
        raise DeadlineError("no WebSocket connection within %s s" % timeout)
    except (OSError, ProtocolError) as error:
        raise once("webpubsub.failing").failure(error, host, ws.stream.tls)
    tools = once("webpubsub.decision")
    if status != 101:
        raise tools.refusal(status, fields, tools.reason_of(body))
    protocol = tools.protocol_of(fields, accept, protocols)
    rx.skip(body)
    name, address = ws.stream.address
    good_addresses[name] = address
    del ws.stream.address
    return protocol


async def _read(ws, body):
    # Until the head of the answer is there; with `body`, until there is what is worth showing of
    # that. What it leaves behind must not keep a module.
    parse = once("webpubsub.answer").parse
    while True:
        status, left, _, _ = parse(ws.rx.unread(), 0)
        if not left or (status and not body):
            break
        count = ws.rx.fill(ws.stream.read_now)
        if count == 0:
            if status:
                break
            raise HandshakeError("the server closed the connection during the handshake")
        if count is None:
            await ws.stream.readable()
    parse = None
