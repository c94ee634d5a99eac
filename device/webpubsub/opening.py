"""Opens a WebSocket connection: TCP, TLS, the opening handshake (RFC 6455, section 4.1).

Loaded for each connection, and let go when it is there; see `once`. What is needed only before
or after the TLS handshake is in modules of its own, so that it is not there meanwhile.
"""

import asyncio
import gc

from .compat import const
from .errors import DeadlineError, HandshakeError, OutOfMemory, ProtocolError, TransportError
from .memory import is_room_for_tls, once, tidy_up
from .stream import sleep_ms, ticks_add, ticks_diff, ticks_ms

# How much of a refusal's body is worth showing.
_REASON = const(160)
_LONGEST_HEAD = const(8192)
# ms to wait for the memory of TLS: lwIP keeps that of a dropped connection for up to 30 s.
_PATIENCE = const(20000)


async def open_connection(ws, url, protocols=(), headers=None, ssl=None, timeout=30):
    """Open `ws`, a Connection that was just made; see `ws_connect` for arguments and errors."""
    secure, host, port, request, accept = once("webpubsub.handshake").request(
        url, protocols, headers
    )
    if not secure:
        ssl = None
    elif ssl is None:
        ssl = once("webpubsub.sockets").default_tls_context()
    ws.rx.begin(not secure)
    ws.tx.begin()
    tidy_up()
    try:
        opening = _open(ws, host, port, ssl, request, accept, protocols)
        await asyncio.wait_for(opening, timeout)
    except BaseException as error:
        ws.abort()
        if isinstance(error, asyncio.TimeoutError):
            raise DeadlineError("no WebSocket connection within %s s" % timeout)
        if isinstance(error, MemoryError):
            raise OutOfMemory("no memory for a connection to %s" % host)
        raise


async def _open(ws, host, port, ssl, request, accept, protocols):
    scarce = False
    try:
        if ssl:
            scarce = not await _room_for_tls()
        ws.stream = stream = await once("webpubsub.sockets").open_stream(host, port, ssl)
        await write_first(stream, request)
        head = take_head(ws.rx)
        while head is None:
            await _fill(ws)
            head = take_head(ws.rx)
        answer = once("webpubsub.answer")
        status, fields = answer.fields_of(head)
        if status != 101:
            body = await _reason(ws, answer.number(fields, b"content-length") or 0)
            raise answer.refusal(status, fields, body)
        ws.protocol = answer.protocol_of(fields, accept, protocols)
    except ProtocolError as error:
        raise HandshakeError(str(error))
    except TransportError:
        raise
    except (OSError, ValueError) as error:
        tools = once("webpubsub.words")
        # mbedTLS says that a certificate is wrong when it has no memory to check one.
        if scarce or tools.is_shortage(error):
            raise OutOfMemory("no memory for TLS with %s: %s" % (host, tools.words(error)))
        # A certificate that does not verify is a ValueError in MicroPython.
        what = "TLS" if ssl else "TCP"
        raise TransportError("%s with %s failed: %s" % (what, host, tools.words(error, ssl)))


async def _room_for_tls():
    # Waits until there is room; False when there is none. The connection before this one may
    # not have given all back yet.
    end = ticks_add(ticks_ms(), _PATIENCE)
    while not is_room_for_tls():
        if ticks_diff(end, ticks_ms()) <= 0:
            return False
        gc.collect()
        await sleep_ms(500)
    return True


async def write_first(stream, data):
    """Write the first bytes of a connection, all of them; the TLS handshake is over then."""
    done = 0
    while done < len(data):
        count = stream.write_now(data, done, len(data) - done)
        done += count or 0
        if not count:
            await stream.writable()
    stream.handshaking = False


def take_head(rx):
    """Take the head of an HTTP answer from a Receiver; None when it is not all there.

    Returns bytes without the empty line. Raises HandshakeError: not HTTP, or more than 8 KiB.
    """
    at = rx.find(b"\r\n\r\n")
    have = rx.unread()
    if have and rx.find(b"HTTP/"[:have]):
        raise HandshakeError("the server's answer is not HTTP")
    if (have if at < 0 else at) > _LONGEST_HEAD:
        raise HandshakeError("the head of the server's answer is too long")
    return None if at < 0 else rx.take(at + 4)[:at]


async def _fill(ws):
    while True:
        count = ws.rx.fill(ws.stream.read_now)
        if count:
            return
        if count == 0:
            raise HandshakeError("the server closed the connection during the handshake")
        await ws.stream.readable()


async def _reason(ws, length):
    # The beginning of a refusal's body.
    length = min(length, _REASON)
    body = b""
    try:
        while True:
            body += ws.rx.take(length - len(body))
            if len(body) == length:
                return str(body, "utf-8").strip()
            await asyncio.wait_for(_fill(ws), 2)
    except (OSError, ValueError, asyncio.TimeoutError):
        return ""  # the status is what counts
