"""A WebSocket client (RFC 6455): any server, any subprotocol.

ws = await ws_connect("wss://host/path", protocols=("ocpp1.6",), ssl=context)
await ws.send_str("hi")
message = await ws.receive()
"""

import asyncio
import json

from .errors import ConnectionClosed, DeadlineError, HandshakeError, ProtocolError, TransportError
from .frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Receiver,
    Transmitter,
    close_payload,
    parse_close,
)
from .handshake import Handshake
from .stream import default_tls_context, open_stream, sleep_ms, ticks_diff, ticks_ms
from .url import host_header, parse_url

try:
    from collections import namedtuple
except ImportError:
    from ucollections import namedtuple

try:
    from micropython import const
except ImportError:  # CPython

    def const(number):
        return number


# Work that never blocks still lets other tasks run, after so many messages.
_FAIR = const(32)
# How much of a refusal's body is worth showing.
_REASON = const(160)


class WSMsgType:
    """The type of a message, as in aiohttp."""

    TEXT = TEXT
    BINARY = BINARY
    PING = PING
    PONG = PONG
    CLOSED = CLOSE


WSMessage = namedtuple("WSMessage", ("type", "data"))


class _Done:
    """An awaitable that is over: a send that went out at once makes no coroutine."""

    def __iter__(self):
        return self

    __await__ = __iter__

    def __next__(self):
        raise StopIteration

    def send(self, _value):
        """What a coroutine has, so that MicroPython's wait_for and create_task take it."""
        raise StopIteration

    def close(self):
        """See `send`."""


_DONE = _Done()


async def ws_connect(
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
    buffer_size=2048,
):
    """Open a WebSocket connection and return a WebSocket.

    url: ws, wss, http or https. protocols: subprotocols to offer, in order of preference.
    headers: extra request headers, a dict or pairs. ssl: an SSL context, for wss (CPython:
    None verifies with the system's CA store). timeout: seconds for the whole opening.
    max_size: largest message to receive, in bytes. ping_interval: seconds between own pings,
    None for none. silence_timeout: seconds without any byte from a server that we are reading
    from, or of a write that does not move, until the connection counts as dead; None for ever.
    close_timeout: seconds for the closing handshake. buffer_size: bytes of each of the two
    kept buffers.

    Raises:
        HandshakeError: the server refused, with `.status` and `.reason`.
        DeadlineError: it did not answer within `timeout`.
        TransportError: no such host, nobody listening, or TLS failed.
        ValueError: the URL is wrong, or wss without a context on MicroPython.
    """
    secure, host, port, target = parse_url(url)
    if not secure:
        ssl = None
    elif ssl is None:
        ssl = default_tls_context()
    handshake = Handshake(protocols)
    request = handshake.request(target, host_header(secure, host, port), headers)
    receiver = Receiver(buffer_size, max_size)
    opened = []  # the stream: however this ends, its descriptor must not stay behind
    try:
        await asyncio.wait_for(
            _open(opened, host, port, ssl, handshake, request, receiver), timeout
        )
        return WebSocket(
            opened[0],
            receiver,
            Transmitter(buffer_size),
            handshake.protocol,
            ping_interval,
            silence_timeout,
            close_timeout,
        )
    except BaseException as error:
        for stream in opened:
            stream.close()
        if isinstance(error, asyncio.TimeoutError):
            raise DeadlineError("no WebSocket connection within %s s" % timeout)
        raise


async def _open(opened, host, port, ssl, handshake, request, receiver):
    try:
        stream = await open_stream(host, port, ssl)
        opened.append(stream)
        done = 0
        while done < len(request):
            count = stream.write_now(request, done, len(request))
            done += count
            if not count:
                await stream.writable()
        while True:
            line = receiver.line()
            if line is None:
                await _fill(stream, receiver)
            elif handshake.line(line):
                break
        body = ""
        if handshake.status != 101:
            body = await _reason(stream, receiver, handshake.length)
        handshake.result(body)
    except ProtocolError as error:
        raise HandshakeError(str(error), handshake.status)
    except TransportError:
        raise
    except (OSError, ValueError) as error:
        # A certificate that does not verify is a ValueError in MicroPython, from the first write.
        text = " ".join(str(error).split())  # mbedTLS ends each reason with a line break
        raise TransportError("%s with %s failed: %s" % ("TLS" if ssl else "TCP", host, text))


async def _fill(stream, receiver):
    while True:
        count = stream.read_now(receiver.space())
        if count:
            receiver.filled(count)
            return
        if count == 0:
            raise HandshakeError("the server closed the connection during the handshake")
        await stream.readable()


async def _reason(stream, receiver, length):
    body = b""
    length = min(length, _REASON)
    try:
        while len(body) < length:
            body += receiver.take(length - len(body))
            if len(body) < length:
                await asyncio.wait_for(_fill(stream, receiver), 2)
        return str(body, "utf-8").strip()
    except (OSError, ValueError, asyncio.TimeoutError):
        return ""  # the status is what counts


class WebSocket:
    """An open connection. One task at a time may receive; any number may send."""

    def __init__(
        self,
        stream,
        receiver,
        transmitter,
        protocol,
        ping_interval,
        silence_timeout,
        close_timeout,
    ):
        self.protocol = protocol  # the subprotocol in use, or None
        self.close_code = None  # after the close: its code, 1006 without a Close frame
        self.close_reason = ""
        self.bytes_received = 0
        self.bytes_sent = 0
        self._stream = stream
        self._rx = receiver
        self._tx = transmitter
        self._busy = False  # a frame is on its way out: nothing may come between its pieces
        self._free = asyncio.Event()
        self._drainer = None
        self._pong = None  # the payload of the pong that is due
        self._close_sent = False
        self._failure = None
        self._turns = 0
        self._reading = False
        self._read_since = self._heard = self._write_since = ticks_ms()
        self._close_timeout = close_timeout
        self._ended = asyncio.Event()
        self._keeper = None
        if ping_interval or silence_timeout:
            self._keeper = asyncio.create_task(self._keep(ping_interval, silence_timeout))

    @property
    def closed(self):
        """Whether the connection is closed or closing."""
        return self._close_sent or self.close_code is not None

    # receiving

    async def receive(self):
        """The next message: a WSMessage of type TEXT (str), BINARY (bytes) or CLOSED (int).

        A CLOSED message says that the server closed; its data is the close code.

        Raises:
            ConnectionClosed: the connection broke, or was closed before.
            ProtocolError: the server broke the protocol; it was told so.
            DeadlineError: the link was silent for too long.
        """
        opcode = await self.receive_view()
        data = self._rx.data
        if opcode == TEXT:
            return WSMessage(TEXT, str(data, "utf-8"))
        if opcode == BINARY:
            return WSMessage(BINARY, bytes(data))
        return WSMessage(CLOSE, self.close_code)

    async def receive_view(self):
        """Receive without a copy: the type; the payload is in `view`, until the next call."""
        rx = self._rx
        while True:
            if self.close_code is not None:
                raise self._failure
            if self._turns >= _FAIR:
                # Before a message is taken: a cancelled wait must not lose one.
                self._turns = 0
                await sleep_ms(0)
            try:
                opcode = rx.parse()
                if not opcode:
                    count = self._stream.read_now(rx.space())
                    if count:
                        rx.filled(count)
                        self.bytes_received += count
                        self._heard = ticks_ms()
                        continue
                    if count == 0:
                        raise ConnectionClosed()
                    await self._readable()
                    continue
                if opcode <= BINARY:
                    self._turns += 1
                    return opcode
                if opcode == PING:
                    self._answer(bytes(rx.data))
                elif opcode == CLOSE:
                    await self._closed_by_peer()
                    return CLOSE
            except ProtocolError as error:
                await self._fail(error)
                raise
            except OSError as error:
                raise self._broken(error)

    @property
    def view(self):
        """The payload of the message that `receive_view` returned, bytes-like."""
        return self._rx.data

    def view_holds(self, part):
        """Whether the payload in `view` holds some bytes, without a copy of it."""
        return self._rx.holds(part)

    async def receive_str(self):
        """The next message, which must be text.

        Raises:
            TypeError: it is binary. Otherwise as `receive`, and ConnectionClosed on a close.
        """
        return (await self._receive_kind(TEXT)).data

    async def receive_bytes(self):
        """The next message, which must be binary; see `receive_str`."""
        return (await self._receive_kind(BINARY)).data

    async def receive_json(self):
        """The next message, which must be text, parsed as JSON; see `receive_str`."""
        return json.loads((await self._receive_kind(TEXT)).data)

    async def _receive_kind(self, kind):
        message = await self.receive()
        if message.type == CLOSE:
            raise ConnectionClosed(self.close_code, self.close_reason)
        if message.type != kind:
            raise TypeError("the server sent %s" % ("text" if kind == BINARY else "binary"))
        return message

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.close_code is None:
            message = await self.receive()
            if message.type != CLOSE:
                return message
        raise StopAsyncIteration

    async def _readable(self):
        if self._reading:
            if not self._close_sent:
                raise RuntimeError("another task receives already")
            await self._ended.wait()
            return
        self._turns = 0
        self._read_since = ticks_ms()
        self._reading = True
        try:
            await self._stream.readable()
        finally:
            self._reading = False

    # sending

    def send_str(self, text):
        """Send a text message. The frame goes out whole, or the connection ends."""
        data = text.encode()
        return self._send(TEXT, data, len(data))

    def send_bytes(self, data):
        """Send a binary message of a bytes-like object, unchanged until the call is over."""
        if isinstance(data, str):  # MicroPython would take it, counting characters
            raise TypeError("send_bytes needs bytes, send_str sends text")
        return self._send(BINARY, data, len(data))

    def send_json(self, value):
        """Send a value as JSON text."""
        return self.send_str(json.dumps(value))

    def send_text(self, data):
        """Send a text message whose UTF-8 bytes are there already."""
        return self._send(TEXT, data, len(data))

    def post_text(self, data):
        """Send UTF-8 bytes as text from a place that cannot wait; False when that is not possible.

        Once it is taken, the frame goes out whole, or the connection ends.
        """
        if self._busy or self._failure or self.closed:
            return False
        self._tx.begin(TEXT, data, len(data))
        self._push()
        return True

    def ping(self, data=b""):
        """Send a ping of at most 125 bytes; pongs only count as a sign of life."""
        if len(data) > 125:
            raise ValueError("a ping holds at most 125 bytes")
        return self._send(PING, data, len(data))

    def _send(self, opcode, data, size):
        # Not a coroutine: what goes out at once costs no object.
        if self._busy:
            return self._send_later(opcode, data, size)
        self._check_open()
        self._tx.begin(opcode, data, size)
        return _DONE if self._push() else self._wait_out()

    async def _send_later(self, opcode, data, size):
        while self._busy:
            await self._free.wait()
        await self._send(opcode, data, size)

    def _check_open(self):
        if self._failure:
            raise self._failure
        if self.closed:
            raise ConnectionClosed(self.close_code or 1000, self.close_reason)

    def _push(self):
        # Writes what the socket takes now; True when the frame is out. Otherwise a task of its
        # own brings out the rest, so that a cancelled sender leaves no half frame behind.
        tx = self._tx
        try:
            while True:
                while tx.start < tx.end:
                    count = self._stream.write_now(tx.buffer, tx.start, tx.end)
                    if not count:
                        if not self._busy:
                            self._busy = True
                            self._free.clear()
                            self._write_since = ticks_ms()
                            self._drainer = asyncio.create_task(self._drain())
                        return False
                    tx.start += count
                    self.bytes_sent += count
                    self._write_since = ticks_ms() if self._busy else self._write_since
                if not tx.more():
                    return True
        except (OSError, MemoryError) as error:  # the frame may be out in part
            raise self._broken(error)

    async def _drain(self):
        try:
            while not self._push():
                await self._stream.writable()
            self._busy = False
            self._free.set()
            if self._pong is not None:
                pong, self._pong = self._pong, None
                self._answer(pong)
        except OSError:
            pass  # self._failure has it
        finally:
            if self._failure:
                self._busy = False
                self._free.set()

    async def _wait_out(self):
        await self._free.wait()
        if self._failure:
            raise self._failure

    def _answer(self, payload):
        # Section 5.5.3: only the most recent ping needs its pong. The reader never waits here.
        if self._busy:
            self._pong = payload
        elif not self._close_sent:
            self._tx.begin(PONG, payload, len(payload))
            self._push()

    # keeping alive

    async def _keep(self, ping_interval, silence_timeout):
        # Silence counts only while somebody reads: a slow program is not a dead link.
        # Pings go out by the clock, whatever comes in: a busy link keeps them.
        interval = int(1000 * (ping_interval or 0))
        limit = int(1000 * (silence_timeout or 0))
        pinged = ticks_ms()
        while not self._failure and self.close_code is None:
            now = ticks_ms()
            wait = (limit >> 2) or interval
            if limit and self._reading:
                wait = limit - self._silence(now)
                if wait <= 0:
                    self._broken(DeadlineError("the server was silent for %s s" % silence_timeout))
                    return
            if limit and self._busy:
                left = limit - ticks_diff(now, self._write_since)
                if left <= 0:
                    self._broken(DeadlineError("a write did not move for %s s" % silence_timeout))
                    return
                wait = min(wait, left)
            if interval:
                left = interval - ticks_diff(now, pinged)
                if left <= 0:
                    pinged = now
                    left = interval
                    self._try_ping()
                wait = min(wait, left)
            await sleep_ms(wait)

    def _silence(self, now):
        start = self._read_since
        if ticks_diff(self._heard, start) > 0:
            start = self._heard
        return ticks_diff(now, start)

    def _try_ping(self):
        # A frame that is on its way out is as good as a ping: its bytes must be acknowledged.
        if not self._busy and not self.closed:
            try:
                self._tx.begin(PING, b"", 0)
                self._push()
            except OSError:
                pass  # the reader meets it too

    # closing

    async def close(self, code=1000, reason=""):
        """Close in an orderly way (section 7.1.2), within close_timeout seconds. Never raises.

        After it, `close_code` is the server's answer, or 1006 when there was none in time.
        """
        try:
            if not self.closed and not self._failure:
                await asyncio.wait_for(self._close(code, reason), self._close_timeout)
        except (OSError, ProtocolError, asyncio.TimeoutError):
            pass
        finally:
            self._finish()

    def abort(self):
        """Drop the connection without a closing handshake. Never raises."""
        self._finish()

    async def _close(self, code, reason):
        await self._send_close(code, reason)
        if self._reading:
            await self._ended.wait()
        else:
            while await self.receive_view() != CLOSE:
                pass

    async def _send_close(self, code, reason=""):
        while self._busy:
            await self._free.wait()
        self._check_open()
        payload = close_payload(code, reason)
        self._tx.begin(CLOSE, payload, len(payload))
        self._close_sent = True  # from here on nothing else may go out
        if not self._push():
            await self._wait_out()

    async def _closed_by_peer(self):
        # The server's Close frame is in: answer it, unless it is the answer.
        code, reason = parse_close(self._rx.data)
        await self._shut(code, reason, None if code == 1005 else code, "")

    async def _fail(self, error):
        # Section 7.1.7: tell the server why, and read no more.
        await self._shut(error.code, str(error), error.code, str(error))

    async def _shut(self, code, reason, sent_code, sent_reason):
        try:
            await asyncio.wait_for(self._farewell(sent_code, sent_reason), self._close_timeout)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self.close_code = code
            self.close_reason = reason
            self._failure = None
            self._finish()

    async def _farewell(self, code, reason):
        if not self._close_sent:
            await self._send_close(code, reason)
        # Section 7.1.1: the server closes TCP first.
        waste = memoryview(bytearray(64))
        while True:
            count = self._stream.read_now(waste)
            if count == 0:
                return
            if count is None:
                await self._stream.readable()

    def _broken(self, error):
        # Once broken, always the same error; the first one knows the cause.
        if self._failure is None:
            if not isinstance(error, TransportError):
                error = ConnectionClosed(1006, str(error))
            self._failure = error
            self._finish()
        return self._failure

    def _finish(self):
        if self.close_code is None:
            self.close_code = 1006
        if self._failure is None:
            self._failure = ConnectionClosed(self.close_code, self.close_reason)
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            # A task of MicroPython cannot cancel itself.
            if keeper is not asyncio.current_task():
                keeper.cancel()
        self._stream.close()
        self._free.set()
        self._ended.set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.close()
