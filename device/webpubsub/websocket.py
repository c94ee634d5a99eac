"""A WebSocket client (RFC 6455): any server, any subprotocol.

ws = await ws_connect("wss://host/path", protocols=("ocpp1.6",), ssl=context)
await ws.send_str("hi")
message = await ws.receive()
"""

import sys
from collections import namedtuple

from .compat import const
from .connection import Connection
from .errors import ConnectionClosed
from .frames import BINARY, CLOSE, PING, PONG, TEXT, Receiver, Transmitter
from .kernels import utf8, utf8_check
from .memory import once, tidy_up, usual_buffer
from .stream import hand_over

_TEXT = const(1)
_BINARY = const(2)
_MICROPYTHON = sys.implementation.name == "micropython"
_BYTES = (bytes, bytearray)
# Control frames are this package's own, and pings.
_OPCODES = (BINARY, PING, PONG, CLOSE)


class WSMsgType:
    """The type of a message, as in aiohttp."""

    TEXT = TEXT
    BINARY = BINARY
    PING = PING
    PONG = PONG
    CLOSED = CLOSE


WSMessage = namedtuple("WSMessage", ("type", "data"))


def ws_connect(url, **options):
    """Open a WebSocket connection: `ws = await ws_connect(...)`, a WebSocket.

    Or `async with ws_connect(...) as ws`, which closes it on the way out.

    url: ws, wss, http or https. Options, all of them with a name:
    protocols: subprotocols to offer, in order of preference.
    headers: extra request headers, a dict or pairs; a Host replaces that of the URL. ssl: an SSL
    context, for wss (CPython: None verifies with the system's CA store). timeout: seconds for the
    whole opening.
    max_size: largest message to receive, in bytes. ping_interval: seconds between own pings,
    None for none; no second one while the first is not answered. silence_timeout: seconds
    without any byte from a server that we are reading from, or of a write that does not move,
    until the connection counts as dead; None for ever. close_timeout: seconds for the closing
    handshake. buffer_size: bytes of each of the two kept buffers; None for 1024 on a
    chip without PSRAM, 2048 elsewhere.

    Raises:
        HandshakeError: the server refused, with `.status` and `.reason`.
        DeadlineError: it did not answer within `timeout`.
        OutOfMemory: the board has no memory for a connection.
        TransportError: no such host, nobody listening, or TLS failed.
        ValueError: the URL is wrong, or wss without a context on MicroPython.
    """
    return Opening(_opened(url, **options))


class Opening:
    """A connection that opens when it is awaited or entered; see `ws_connect`."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    # What a task wants of a coroutine.

    def send(self, value):
        """Go on with it.

        value: what it waited for."""
        return self._coroutine.send(value)

    def throw(self, *error):
        """Raise an exception in it.

        error: that exception."""
        return self._coroutine.throw(*error)

    def close(self):
        """End it."""
        self._coroutine.close()

    if not _MICROPYTHON:

        def __await__(self):
            return self._coroutine.__await__()

    def __iter__(self):  # MicroPython's __await__
        return self._coroutine

    async def __aenter__(self):
        self._ws = await self._coroutine
        return self._ws

    def __aexit__(self, *exc):
        return self._ws.close()


if sys.implementation.name != "micropython":
    # asyncio asks for the type, too.
    from collections.abc import Coroutine

    Coroutine.register(Opening)


async def _opened(
    url,
    *,
    protocols=(),
    headers=None,
    ssl=None,
    timeout=30,
    max_size=65536,
    ping_interval=20,
    silence_timeout=60,
    close_timeout=5,
    buffer_size=None,
):
    once("webpubsub.arguments").check(
        "websocket",
        url,
        protocols,
        headers,
        ssl,
        timeout,
        max_size,
        ping_interval,
        silence_timeout,
        close_timeout,
        buffer_size,
    )
    buffer_size = buffer_size or usual_buffer()
    ws = WebSocket(Receiver(buffer_size, max_size), Transmitter(buffer_size), close_timeout)
    await ws.open(
        ping_interval,
        silence_timeout,
        url,
        protocols=protocols,
        headers=headers,
        ssl=ssl,
        timeout=timeout,
    )
    return ws


class WebSocket(Connection):
    """An open connection. One task at a time may receive; any number may send."""

    def receive(self):
        """The next message, a WSMessage.

        Its type is TEXT (data is a str), BINARY (a bytearray, the caller's) or CLOSED (the
        server's close code).

        Raises:
            ConnectionClosed: the connection broke, or was closed before.
            ProtocolError: the server broke the protocol, or there is no memory for its message;
                a Close frame says so.
            DeadlineError: the link was silent for too long.
        """
        return self._receive(True)

    def _message(self, opcode):
        hand_over()
        if opcode == _TEXT:
            return WSMessage(_TEXT, self.rx.text())
        return WSMessage(opcode, self.close_code if opcode == CLOSE else self.rx.copy())

    async def receive_str(self, _kind=TEXT):
        """The next message, which must be text.

        Raises:
            TypeError: it is binary. Otherwise as `receive`, and ConnectionClosed on a close.
        """
        message = await self.receive()
        if message.type == CLOSE:
            raise ConnectionClosed(self.close_code, self.close_reason)
        if message.type != _kind:
            raise TypeError("the server sent %s" % ("text" if _kind == BINARY else "binary"))
        return message.data

    def receive_bytes(self):
        """The next message, which must be binary; see `receive_str`."""
        return self.receive_str(BINARY)

    async def receive_json(self):
        """The next message, which must be text, parsed as JSON; see `receive_str`."""
        from .content import loads

        return loads((await self.receive_str()).encode(), True)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.close_code is None:
            message = await self.receive()
            if message.type != CLOSE:
                return message
        raise StopAsyncIteration

    def send_str(self, text):
        """Send a text message. All of the frame goes out, or the connection ends.

        text: str; anything else raises TypeError. A pair of surrogates goes out as its character,
        half a pair as U+FFFD.
        """
        return Connection.send_frame(self, utf8(text, "text"), _TEXT)

    def send_bytes(self, data):
        """Send a binary message of a bytes-like object, unchanged until the call is over.

        data: that object; anything else raises TypeError.
        """
        if type(data) not in _BYTES:
            data = _whole(data)
        return Connection.send_frame(self, data, _BINARY)

    def send_frame(self, data, opcode):
        """Send a message whose bytes are there already.

        data: bytes-like, UTF-8 for text. opcode: TEXT or BINARY.

        Raises:
            TypeError: data is not bytes-like. ValueError: it is not UTF-8, or another opcode.
        """
        if type(data) not in _BYTES:
            data = _whole(data)
        if opcode == _TEXT:
            if utf8_check(data, 0, len(data), 0):
                raise ValueError("data of a text message must be UTF-8")
        elif opcode not in _OPCODES:
            raise ValueError("opcode is WSMsgType.TEXT or BINARY")
        return Connection.send_frame(self, data, opcode)

    def send_json(self, value):
        """Send a value as JSON text.

        value: see `webpubsub.content.dumps`, also for its errors.
        """
        from .content import dumps

        return self.send_str(dumps(value))

    def ping(self, data=b""):
        """Send a ping of at most 125 bytes; pongs only count as a sign of life.

        data: its payload, bytes-like (otherwise TypeError); a longer one raises ValueError.
        """
        data = _whole(data)
        if len(data) > 125:
            raise ValueError("data of a ping is at most 125 bytes")
        return self.send_frame(data, PING)

    def close(self, code=1000, reason=""):
        """Close in an orderly way (section 7.1.2), within close_timeout seconds.

        code, reason: what to tell the server; those that cannot be sent raise TypeError or
        ValueError, and nothing else does. After it, `close_code` is the server's answer, or 1006
        when there was none in time.
        """
        if code != 1000 or reason:
            try:
                once("webpubsub.closing").close_payload(code, reason)
            except MemoryError:
                pass
        return Connection.close(self, code, reason)

    async def __aenter__(self):
        return self

    def __aexit__(self, *exc):
        return self.close()


def _whole(data):
    # bytes-like of as many items as bytes: of what has larger ones, only so many would go out.
    if not _MICROPYTHON and not isinstance(data, str):
        data = memoryview(data)
        return data.cast("B") if data.c_contiguous and data.nbytes else bytes(data)
    try:
        # MicroPython would take a str, counting characters.
        bytearray()[0:0] = isinstance(data, str) or data[0:0]
    except ValueError:
        data = bytes(data)
    except (TypeError, NotImplementedError):
        raise TypeError("data must be bytes-like; send_str sends text")
    return data


tidy_up()  # loading leaves garbage behind
