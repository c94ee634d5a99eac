"""A WebSocket client (RFC 6455): any server, any subprotocol.

ws = await ws_connect("wss://host/path", protocols=("ocpp1.6",), ssl=context)
await ws.send_str("hi")
message = await ws.receive()
"""

import json
import sys
from collections import namedtuple

from .compat import const
from .connection import Connection
from .errors import ConnectionClosed
from .frames import BINARY, CLOSE, PING, PONG, TEXT, Receiver, Transmitter
from .memory import tidy_up, usual_buffer

_TEXT = const(1)
_BINARY = const(2)


def whole(data):
    """All bytes of a bytes-like object, as one whose `len` counts them and not larger items.

    data: that object; anything else raises TypeError."""
    if isinstance(data, bytes) or isinstance(data, bytearray):
        return data
    if isinstance(data, str):  # MicroPython would take it, counting characters
        raise TypeError("bytes are needed; send_str sends text")
    data = memoryview(data)
    return bytes(data) if len(bytes(data[:1])) > 1 else data


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
        self.send = coroutine.send
        self.throw = coroutine.throw

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
                it was told so.
            DeadlineError: the link was silent for too long.
        """
        return self._receive(True)

    def _message(self, opcode):
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
        return json.loads(await self.receive_str())

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.close_code is None:
            message = await self.receive()
            if message.type != CLOSE:
                return message
        raise StopAsyncIteration

    # What is sent is in bytes already.
    _send = Connection.send_frame

    def send_frame(self, data, opcode):
        """Send a message of a bytes-like object; anything else raises TypeError.

        data: that object, for text in UTF-8. opcode: TEXT or BINARY."""
        return self._send(whole(data), opcode)

    def send_str(self, text):
        """Send a text message. The frame goes out whole, or the connection ends.

        text: str."""
        return self._send(text.encode(), _TEXT)

    def send_bytes(self, data):
        """Send a binary message of a bytes-like object, unchanged until the call is over.

        data: that object, of items of any size; anything else raises TypeError."""
        return self._send(data if isinstance(data, bytes) else whole(data), _BINARY)

    def send_json(self, value):
        """Send a value as JSON text.

        value: see `webpubsub.content.dumps`."""
        return self.send_str(json.dumps(value))

    def ping(self, data=b""):
        """Send a ping of at most 125 bytes; pongs only count as a sign of life.

        data: its payload, bytes-like; a longer one raises ValueError."""
        data = whole(data)
        if len(data) > 125:
            raise ValueError("a ping holds at most 125 bytes")
        return self._send(data, PING)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.close()


tidy_up()  # loading leaves garbage behind
