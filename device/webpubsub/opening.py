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

# As answer.LONGEST_REASON.
_REASON = const(160)
_LONGEST_HEAD = const(8192)
# ms to wait for the memory of TLS: lwIP keeps that of a dropped connection for up to 30 s.
_PATIENCE = const(20000)
# Bytes more than TLS needs at least: chains of long certificates take that, too.
_DOUBT = const(6000)


async def open_connection(ws, secure, host, port, request, ssl, timeout):
    """Open `ws`, a Connection that was just made, and send the opening handshake.

    secure, host, port: where to. request: bytes. ssl, timeout, and what is raised, DeadlineError
    included: as for `ws_connect`. Returns the head of the answer, bytes without the empty line,
    and the beginning of its body if it is a refusal. This module is gone when they are looked at.
    """
    if not secure:
        ssl = None
    elif ssl is None:
        ssl = once("webpubsub.sockets").default_tls_context()
    ws.rx.begin(not secure)
    ws.tx.begin()
    tidy_up()
    try:
        return await asyncio.wait_for(_open(ws, host, port, ssl, request), timeout)
    except asyncio.TimeoutError:
        raise DeadlineError("no WebSocket connection within %s s" % timeout)


async def _open(ws, host, port, ssl, request):
    scarce = False
    try:
        if ssl:
            await _wait_for_room()
            scarce = not is_room_for_tls(_DOUBT)
        ws.stream = stream = await once("webpubsub.sockets").open_stream(host, port, ssl)
        await write_first(stream, request)
        head = take_head(ws.rx)
        while head is None:
            await _fill(ws)
            head = take_head(ws.rx)
        return head, b"" if head[9:12] == b"101" else await _body(ws, head)
    except ProtocolError as error:
        raise HandshakeError(str(error))
    except TransportError:
        raise
    except (OSError, ValueError) as error:
        tools = once("webpubsub.strerror")
        # mbedTLS says that a certificate is wrong when it has no memory to check one, or that
        # the handshake failed when it has none for its arithmetic.
        if scarce or tools.is_shortage(error):
            raise OutOfMemory("no memory for TLS with %s: %s" % (host, tools.error_text(error)))
        # A certificate that does not verify is a ValueError in MicroPython.
        what = "TLS" if ssl else "TCP"
        raise TransportError("%s with %s failed: %s" % (what, host, tools.error_text(error, ssl)))


async def _wait_for_room():
    # The connection before this one may not have given all back yet.
    end = ticks_add(ticks_ms(), _PATIENCE)
    while not is_room_for_tls() and ticks_diff(end, ticks_ms()) > 0:
        gc.collect()
        await sleep_ms(500)


async def write_first(stream, data):
    """Write the first bytes of a connection, all of them; the TLS handshake is over then.

    stream: a Stream. data: bytes-like."""
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

    rx: that Receiver.
    """
    head = rx.unread()
    at = head.find(b"\r\n\r\n")
    if head[:5] != b"HTTP/"[: len(head)]:
        raise HandshakeError("the server's answer is not HTTP")
    if (len(head) if at < 0 else at) > _LONGEST_HEAD:
        raise HandshakeError("the head of the server's answer is too long")
    if at < 0:
        return None
    rx.skip(at + 4)
    return head[:at]


async def _fill(ws):
    while True:
        count = ws.rx.fill(ws.stream.read_now)
        if count:
            return
        if count == 0:
            raise HandshakeError("the server closed the connection during the handshake")
        await ws.stream.readable()


async def _body(ws, head):
    # The beginning of a refusal's body; in part when the rest does not come.
    _, _, length = bytes(head).lower().partition(b"\r\ncontent-length:")
    length = length.partition(b"\r\n")[0].strip()
    length = min(int(length), _REASON) if length.isdigit() else 0
    try:
        while len(ws.rx.unread()) < length:
            await asyncio.wait_for(_fill(ws), 2)
    except (OSError, asyncio.TimeoutError):
        pass  # the status is what counts
    return bytes(ws.rx.unread()[:length])
