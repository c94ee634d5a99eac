"""A WebSocket client (RFC 6455): any server, any subprotocol.

ws = await ws_connect("wss://host/path", protocols=("ocpp1.6",), ssl=context)
await ws.send_str("hi")
message = await ws.receive()
"""

import asyncio
import json

# As globals: MicroPython searches its builtins one by one.
from builtins import isinstance, len, str
from collections import namedtuple

from .compat import const
from .errors import ConnectionClosed, DeadlineError, HandshakeError, ProtocolError, TransportError
from .frames import (
    BINARY,
    CLOSE,
    END,
    PAUSE,
    PING,
    PONG,
    TEXT,
    Receiver,
    Transmitter,
    close_payload,
    parse_close,
)
from .handshake import Handshake
from .stream import DONE, default_tls_context, open_stream, sleep_ms
from .url import host_header, parse_url

_TEXT = const(1)
_BINARY = const(2)
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
    if not secure:
        receiver.expect_all()
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
            count = stream.write_now(request, done, len(request) - done)
            done += count or 0
            if not count:
                await stream.writable()
        stream.established()
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
        self._stream = stream
        self._rx = receiver
        self._tx = transmitter
        receiver.relieve = transmitter.trim
        self._busy = False  # a frame is on its way out: nothing may come between its pieces
        self._blocked = False  # busy, closing or closed: one look instead of three
        self._free = asyncio.Event()
        self._drainer = None
        self._pong = None  # the payload of the pong that is due
        self._close_sent = False
        self._failure = None
        self._close_timeout = close_timeout
        self._ended = asyncio.Event()
        self._keeper = None
        if ping_interval or silence_timeout:
            self._keeper = asyncio.create_task(self._keep(ping_interval, silence_timeout))

    @property
    def bytes_received(self):
        """Bytes from the server since the handshake."""
        return self._rx.received

    @property
    def bytes_sent(self):
        """Bytes to the server since the handshake."""
        return self._tx.sent

    @property
    def closed(self):
        """Whether the connection is closed or closing."""
        return self._close_sent or self.close_code is not None

    # receiving

    async def receive(self, _copy=True):
        """The next message, a WSMessage.

        Its type is TEXT (data is a str), BINARY (a bytearray, the caller's) or CLOSED (the
        server's close code).

        Raises:
            ConnectionClosed: the connection broke, or was closed before.
            ProtocolError: the server broke the protocol; it was told so.
            DeadlineError: the link was silent for too long.
        """
        # The hot path: no call that can be spared, no look at the clock.
        if self._failure:
            raise self._failure
        rx = self._rx
        stream = self._stream
        try:
            while True:
                if rx.wait:
                    rx.wait = False
                    opcode = 0
                else:
                    opcode = rx.next(stream.read_now)
                if not opcode:
                    if stream.reading:
                        await self._other_reader()
                    stream.reading = True
                    try:
                        await stream.readable()
                    finally:
                        stream.reading = False
                elif opcode <= _BINARY:
                    break
                elif opcode == PAUSE:
                    await sleep_ms(0)
                elif opcode == PING:
                    self._answer(bytes(rx.view()))
                elif opcode == CLOSE:
                    await self._closed_by_peer()
                    return WSMessage(CLOSE, self.close_code) if _copy else CLOSE
                elif opcode == END:
                    raise ConnectionClosed()
        except ProtocolError as error:
            await self._fail(error)
            raise
        except OSError as error:
            raise self._broken(error)
        if not _copy:
            return opcode
        return WSMessage(opcode, rx.text() if opcode == _TEXT else rx.copy())

    def receive_view(self):
        """Receive without a copy: the type; the payload is in `view`, until the next call."""
        # A bound method is one block of the heap: only after such does MicroPython's allocator
        # go on from where it was, and not search from the start for each coroutine.
        receive = self.receive
        return receive(False)

    def poll_view(self):
        """The type of a message that has come already, its payload in `view`; 0 when none has.

        It never reads, waits or allocates: `ws.poll_view() or await ws.receive_view()`.
        """
        return 0 if self._failure else self._rx.ready()

    async def _other_reader(self):
        if not self._close_sent:
            raise RuntimeError("another task receives already")
        await self._ended.wait()
        raise self._failure

    @property
    def view(self):
        """The payload of the message that `receive_view` or `poll_view` announced, bytes-like."""
        return self._rx.view()

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

    # sending

    def send_str(self, text):
        """Send a text message. The frame goes out whole, or the connection ends."""
        return self._send(_TEXT, text.encode())

    def send_bytes(self, data):
        """Send a binary message of a bytes-like object, unchanged until the call is over."""
        if isinstance(data, str):  # MicroPython would take it, counting characters
            raise TypeError("send_bytes needs bytes, send_str sends text")
        return self._send(_BINARY, data)

    def send_json(self, value):
        """Send a value as JSON text."""
        return self.send_str(json.dumps(value))

    def send_frame(self, data, opcode):
        """Send a message of type TEXT or BINARY whose bytes (UTF-8 for text) are there already."""
        return self._send(opcode, data)

    def post_frame(self, data, opcode):
        """The same from a place that cannot wait; False when it is not possible now.

        Once it is taken, the frame goes out whole, or the connection ends.
        """
        if self._blocked:
            return False
        rest = self._send(opcode, data)
        if rest is not DONE:
            rest.close()  # nobody waits here for what the drainer does
        return True

    def free(self):
        """Awaitable: until no frame is on its way out."""
        return self._free.wait()

    def ping(self, data=b""):
        """Send a ping of at most 125 bytes; pongs only count as a sign of life."""
        if len(data) > 125:
            raise ValueError("a ping holds at most 125 bytes")
        return self._send(PING, data)

    def _send(self, opcode, data):
        # Not a coroutine: what goes out at once costs no object.
        if not self._blocked:
            try:
                if self._tx.send(opcode, data, len(data), self._stream.write_now):
                    return DONE
                self._start_drain()
            except (OSError, MemoryError) as error:  # the frame may be out in part
                raise self._broken(error)
            return self._wait_out()
        if not self._busy:
            self._check_open()
        return self._send_later(opcode, data)

    async def _send_later(self, opcode, data):
        while self._busy:
            await self._free.wait()
        self._check_open()
        await self._send(opcode, data)

    def _check_open(self):
        if self._failure:
            raise self._failure
        if self.closed:
            raise ConnectionClosed(self.close_code or 1000, self.close_reason)

    def _start_drain(self):
        # A task of its own brings out the rest: a cancelled sender leaves no half frame behind.
        self._busy = self._blocked = True
        self._free.clear()
        self._drainer = asyncio.create_task(self._drain())

    async def _drain(self):
        try:
            while not self._tx.flush(self._stream.write_now):
                await self._stream.writable()
            self._busy = False
            self._blocked = self._close_sent
            self._free.set()
            if self._pong is not None:
                pong, self._pong = self._pong, None
                self._answer(pong)
        except (OSError, MemoryError) as error:
            self._broken(error)
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
        else:
            self.post_frame(payload, PONG)

    # keeping alive

    async def _keep(self, ping_interval, silence_timeout):
        # Looks at the counters now and then, so that messages need no look at the clock. Silence
        # counts only while somebody reads: a slow program is not a dead link. Pings go out by
        # the clock, whatever comes in: a busy link keeps them.
        stream = self._stream
        limit = int(1000 * (silence_timeout or 0))
        interval = due = int(1000 * (ping_interval or 0))
        step = limit >> 3 or interval
        received = sent = silent = stuck = 0
        while not self._failure:
            wait = min(step, due) if interval else step
            await sleep_ms(wait)
            # What is seen now may have begun anywhere in the last step: dead is what was silent
            # for seven of eight steps at least, so that it is found within the limit.
            silent = silent + wait if stream.reading and self.bytes_received == received else 0
            stuck = stuck + wait if self._busy and self.bytes_sent == sent else 0
            received, sent = self.bytes_received, self.bytes_sent
            if limit and max(silent, stuck) > limit - step:
                what = "a write did not move" if stuck > silent else "the server was silent"
                self._broken(DeadlineError("%s for %s s" % (what, silence_timeout)))
            elif interval:
                due -= wait
                if due <= 0:
                    due = interval
                    self._try_ping()
            self._rx.trim()
            self._tx.trim()

    def _try_ping(self):
        # A frame that is on its way out is as good as a ping: its bytes must be acknowledged.
        try:
            self.post_frame(b"", PING)
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
        if self._stream.reading:
            await self._ended.wait()
        else:
            while await self.receive_view() != CLOSE:
                pass

    async def _send_close(self, code, reason=""):
        while self._busy:
            await self._free.wait()
        self._check_open()
        self._close_sent = True  # from here on nothing else may go out
        rest = self._send(CLOSE, close_payload(code, reason))
        self._blocked = True
        await rest

    async def _closed_by_peer(self):
        # The server's Close frame is in: answer it, unless it is the answer.
        code, reason = parse_close(self._rx.view())
        # Some servers (asyncio's) do not end TLS before the client does: both would wait.
        seconds = 0 if self._stream.secure else self._close_timeout
        await self._shut(code, reason, None if code == 1005 else code, "", seconds)

    async def _fail(self, error):
        # Section 7.1.7: tell the server why, and read no more.
        await self._shut(error.code, str(error), error.code, str(error), 1)

    async def _shut(self, code, reason, sent_code, sent_reason, seconds):
        try:
            if not self._close_sent:
                closing = self._send_close(sent_code, sent_reason)
                await asyncio.wait_for(closing, self._close_timeout)
            if seconds:
                await asyncio.wait_for(self._until_eof(), seconds)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self.close_code = code
            self.close_reason = reason
            self._failure = None
            self._finish()

    async def _until_eof(self):
        # Section 7.1.1: the server closes TCP first. If we did with bytes unread, the reset
        # would overtake our Close frame.
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
        self._blocked = True
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            # A task of MicroPython cannot cancel itself.
            if keeper is not asyncio.current_task():
                keeper.cancel()
        self._stream.close()
        self._rx.drop()
        self._tx.trim()
        self._free.set()
        self._ended.set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.close()
