"""The closing handshake of a WebSocket connection (RFC 6455, section 7).

Loaded when a connection ends, by `Connection`, whose other half this is; see `once`.
"""

import asyncio

from .errors import ProtocolError
from .frames import CLOSE
from .kernels import utf8, utf8_check


def close_payload(code, reason=""):
    """The payload of a Close frame (section 5.5.1); the reason is cut to what fits.

    code: int; None for a frame without code and reason. reason: str, cut to 123 bytes of UTF-8.

    Raises:
        TypeError, ValueError: a code that must not be sent (section 7.4), a reason that is no str.
    """
    text = utf8(reason, "reason")
    if code is None:
        return b""
    if not isinstance(code, int):
        raise TypeError("code must be an int")
    if not _is_valid(code):
        raise ValueError("code is one of 1000 to 1014 that may be sent, or from 3000 to 4999")
    if len(text) > 123:
        text = text[:123]
        while text and utf8_check(text, 0, len(text), 0):
            text = text[:-1]
    return bytes((code >> 8, code & 255)) + text


def _is_valid(code):
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


def parse_close(data):
    """The (code, reason) of a received Close frame; 1005 when it has none.

    Raises:
        ProtocolError: one byte, a code that must not be sent (section 7.4), or bad UTF-8.

    data: the payload, bytes-like.
    """
    size = len(data)
    if not size:
        return 1005, ""
    code = data[0] << 8 | data[1] if size > 1 else 0
    if not _is_valid(code):
        raise ProtocolError(1002, "a close code is not valid")
    if utf8_check(data, 2, size, 0):
        raise ProtocolError(1007, "a close reason is not UTF-8")
    return code, str(bytes(data[2:]), "utf-8")


async def close(ws, code, reason):
    """Close in an orderly way (section 7.1.2), within ws.close_timeout seconds. Never raises.

    ws: a Connection. code: int (section 7.4). reason: str."""
    try:
        if not ws.closed:
            closing = _close(ws, close_payload(code, reason))
            await asyncio.wait_for(closing, ws.close_timeout)
    except (OSError, ProtocolError, asyncio.TimeoutError):
        pass
    finally:
        ws.abort()


async def _close(ws, payload):
    await _send_close(ws, payload)
    if ws.stream.reading:
        await ws.ended.wait()
    else:
        while await ws.receive_view() != CLOSE:
            pass


async def _send_close(ws, payload):
    while ws.busy:
        await ws.free()
    if not ws.closed:
        ws.close_sent = True  # from here on nothing else may go out
        rest = ws.send_frame(payload, CLOSE)
        ws.blocked = True
        await rest


async def shut(ws, error=None):
    """End a connection: answer the server's Close frame, or say what it did wrong.

    ws: a Connection. error: ProtocolError (section 7.1.7), or None when a Close frame is in the
    receiver. Nothing is sent when our own Close frame is out. Waits for the end of the stream.

    Raises:
        ProtocolError: the Close frame itself is wrong.
    """
    if error:
        code, reason = error.code, str(error)
        payload = close_payload(code, reason)
        seconds = 1
    else:
        view = ws.rx.view()
        code, reason = parse_close(view)
        payload = bytes(view[:2])
        # Some servers (asyncio's) do not end TLS before the client does: both would wait.
        seconds = 0 if ws.stream.tls else ws.close_timeout
    try:
        await asyncio.wait_for(_send_close(ws, payload), ws.close_timeout)
        if seconds:
            await asyncio.wait_for(_until_eof(ws.stream), seconds)
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        ws.close_code = code
        ws.close_reason = reason
        ws.failure = None
        ws.abort()


async def _until_eof(stream):
    # Section 7.1.1: the server closes TCP first. If we did with bytes unread, the reset would
    # overtake our Close frame.
    waste = memoryview(bytearray(64))
    while True:
        count = stream.read_now(waste)
        if count == 0:
            return
        if count is None:
            await stream.readable()
