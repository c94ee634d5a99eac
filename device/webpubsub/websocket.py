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
from .memory import tidy_up
from .stream import DONE, default_tls_context, open_stream, sleep_ms, words
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
    if secure and ssl is None:
        ssl = default_tls_context()
    handshake = Handshake(protocols)
    request = handshake.request(target, host_header(secure, host, port), headers)
    tidy_up()
    ws = WebSocket(Receiver(buffer_size, max_size, not secure), Transmitter(buffer_size))
    ws._close_timeout = close_timeout
    try:
        opening = ws._open(host, port, ssl if secure else None, handshake, request)
        await asyncio.wait_for(opening, timeout)
    except BaseException as error:
        ws.abort()
        if isinstance(error, asyncio.TimeoutError):
            raise DeadlineError("no WebSocket connection within %s s" % timeout)
        raise
    if ping_interval or silence_timeout:
        ws._keeper = asyncio.create_task(ws._keep(ping_interval, silence_timeout))
    return ws


class WebSocket:
    """An open connection. One task at a time may receive; any number may send."""

    def __init__(self, receiver, transmitter):
        self.protocol = None  # the subprotocol in use, or None
        self.close_code = None  # after the close: its code, 1006 without a Close frame
        self.close_reason = ""
        self._stream = None
        self._rx = receiver
        self._tx = transmitter
        receiver.relieve = transmitter.trim
        self._busy = False  # a frame is on its way out: nothing may come between its pieces
        self._blocked = False  # busy, closing or closed: one look instead of three
        self._free = asyncio.Event()
        self._pong = None  # the payload of the pong that is due
        self._close_sent = False
        self._failure = None
        self._ended = asyncio.Event()
        self._keeper = None

    @property
    def bytes_received(self):
        """Bytes from the server since the connection was there."""
        return self._rx.received

    @property
    def bytes_sent(self):
        """Bytes of frames to the server."""
        return self._tx.sent

    @property
    def closed(self):
        """Whether the connection is closed or closing."""
        return self._close_sent or self.close_code is not None

    # opening

    async def _open(self, host, port, ssl, handshake, request):
        rx = self._rx
        try:
            self._stream = stream = await open_stream(host, port, ssl)
            await stream.write_first(request)
            head = rx.head()
            while head is None:
                await self._fill()
                head = rx.head()
            length = handshake.answer(head)
            body = ""
            if handshake.status != 101:
                body = await self._reason(min(length, _REASON))
            self.protocol = handshake.result(body)
        except ProtocolError as error:
            raise HandshakeError(str(error), handshake.status)
        except TransportError:
            raise
        except (OSError, ValueError) as error:
            # A certificate that does not verify is a ValueError in MicroPython.
            what = "TLS" if ssl else "TCP"
            raise TransportError("%s with %s failed: %s" % (what, host, words(error, ssl)))

    async def _fill(self):
        stream = self._stream
        while True:
            count = self._rx.fill(stream.read_now)
            if count:
                return
            if count == 0:
                raise HandshakeError("the server closed the connection during the handshake")
            await stream.readable()

    async def _reason(self, length):
        body = b""
        try:
            while True:
                body += self._rx.take(length - len(body))
                if len(body) == length:
                    return str(body, "utf-8").strip()
                await asyncio.wait_for(self._fill(), 2)
        except (OSError, ValueError, asyncio.TimeoutError):
            return ""  # the status is what counts

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
        # The hot path: no call that can be spared, no look at the clock, and few variables, for
        # they are on the heap with the coroutine.
        if self._failure:
            raise self._failure
        rx = self._rx
        try:
            while True:
                if rx.wait:
                    rx.wait = False
                    opcode = 0
                else:
                    opcode = rx.next(self._stream.read_now)
                if not opcode:
                    if self._stream.reading:
                        break
                    self._stream.reading = True
                    await self._stream.readable()
                    self._stream.reading = False
                elif opcode <= _BINARY:
                    if not _copy:
                        return opcode
                    return WSMessage(opcode, rx.text() if opcode == _TEXT else rx.copy())
                elif await self._control(opcode):
                    return WSMessage(opcode, self.close_code) if _copy else opcode
        except BaseException as error:
            await self._failed(error)
            raise
        # Another task receives already.
        if not self._close_sent:
            raise RuntimeError("another task receives already")
        await self._ended.wait()
        raise self._failure

    async def _control(self, opcode):
        # What is no data message. Whether it is the server's Close frame.
        if opcode == PING:
            self._answer(bytes(self._rx.view()))
        elif opcode == PAUSE:
            await sleep_ms(0)
        elif opcode == END:
            raise ConnectionClosed()
        elif opcode == CLOSE:
            await self._shut()
        return opcode == CLOSE

    async def _failed(self, error):
        # What becomes of an error that a reader met.
        if isinstance(error, ProtocolError):
            await self._shut(error)
        elif isinstance(error, OSError):
            raise self._broken(error)
        elif isinstance(error, asyncio.CancelledError):
            self._stream.reading = False
            if self._busy:
                # MicroPython takes the drainer, too, out of the queue of those who wait.
                self._drainer.cancel()
                self._drainer = asyncio.create_task(self._drain())

    def receive_view(self):
        """Receive without a copy: the type; the payload is in `view`, until the next call."""
        return self.receive(False)

    def poll_view(self):
        """The type of a message that has come already, its payload in `view`; 0 when none has.

        It never reads, waits or allocates: `ws.poll_view() or await ws.receive_view()`.
        """
        return 0 if self._failure else self._rx.next(None)

    @property
    def view(self):
        """The payload of the message that `receive_view` or `poll_view` announced, bytes-like."""
        return self._rx.view()

    def view_holds(self, part):
        """Whether the payload in `view` holds some bytes, without a copy of it."""
        return self._rx.holds(part)

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

    # sending

    def send_str(self, text):
        """Send a text message. The frame goes out whole, or the connection ends."""
        return self.send_frame(text.encode(), _TEXT)

    def send_bytes(self, data):
        """Send a binary message of a bytes-like object, unchanged until the call is over."""
        if isinstance(data, str):  # MicroPython would take it, counting characters
            raise TypeError("send_bytes needs bytes, send_str sends text")
        return self.send_frame(data, _BINARY)

    def send_json(self, value):
        """Send a value as JSON text."""
        return self.send_str(json.dumps(value))

    def ping(self, data=b""):
        """Send a ping of at most 125 bytes; pongs only count as a sign of life."""
        if len(data) > 125:
            raise ValueError("a ping holds at most 125 bytes")
        return self.send_frame(data, PING)

    def send_frame(self, data, opcode):
        """Send a message of type TEXT or BINARY whose bytes (UTF-8 for text) are there already."""
        # Not a coroutine: what goes out at once costs no object.
        if self._blocked:
            if not self._busy:
                self._check_open()
            return self._send_later(data, opcode)
        try:
            if self._tx.send(opcode, data, len(data), self._stream.write_now):
                return DONE
        except (OSError, MemoryError) as error:  # the frame may be out in part
            raise self._broken(error)
        # A task of its own brings out the rest: a cancelled sender leaves no half frame behind.
        self._busy = self._blocked = True
        self._free.clear()
        self._drainer = asyncio.create_task(self._drain())
        return self._send_later()

    async def _send_later(self, data=None, opcode=0):
        # Waits until no frame is on its way out; then sends another one.
        while self._busy:
            await self._free.wait()
        if opcode:
            self._check_open()
            await self.send_frame(data, opcode)
        elif self._failure:
            raise self._failure

    def _check_open(self):
        if self._failure:
            raise self._failure
        if self.closed:
            raise ConnectionClosed(self.close_code or 1000, self.close_reason)

    async def _drain(self):
        try:
            while not self._tx.flush(self._stream.write_now):
                await self._stream.writable()
            self._busy = False
            self._blocked = self._close_sent
            pong, self._pong = self._pong, None
            if pong is not None:
                self._answer(pong)
            if not self._busy:
                self._free.set()
        except (OSError, MemoryError) as error:
            self._broken(error)

    def post_frame(self, data, opcode):
        """The same from a place that cannot wait; False when it is not possible now.

        Once it is taken, the frame goes out whole, or the connection ends.
        """
        if self._blocked:
            return False
        rest = self.send_frame(data, opcode)
        if rest is not DONE:
            rest.close()  # nobody waits here for what the drainer does
        return True

    def free(self):
        """Awaitable: until no frame is on its way out."""
        return self._free.wait()

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
        rx, tx = self._rx, self._tx
        limit = int(1000 * (silence_timeout or 0))
        interval = due = int(1000 * (ping_interval or 0))
        step = limit >> 3 or interval
        received = sent = silent = stuck = 0
        while not self._failure:
            wait = min(step, due) if interval else step
            await sleep_ms(wait)
            # What is seen now may have begun anywhere in the last step: dead is what was silent
            # for seven of eight steps at least, so that it is found within the limit.
            reading = self._stream.reading
            moved = tx.sent != sent
            # The answer to a ping that waits behind a long frame cannot be there yet.
            waiting = reading and rx.received == received and not (self._busy and moved)
            silent = silent + wait if waiting else 0
            stuck = stuck + wait if self._busy and not moved else 0
            received, sent = rx.received, tx.sent
            if limit and max(silent, stuck) > limit - step:
                what = "a write did not move" if stuck > silent else "the server was silent"
                self._broken(DeadlineError("%s for %s s" % (what, silence_timeout)))
            elif interval:
                due -= wait
                if due <= 0:
                    due = interval
                    try:
                        # A frame that is on its way out is as good: its bytes must be
                        # acknowledged.
                        self.post_frame(b"", PING)
                    except OSError:
                        pass  # the reader meets it too
            if reading:
                rx.trim()
            tx.trim()

    # closing

    async def close(self, code=1000, reason=""):
        """Close in an orderly way (section 7.1.2), within close_timeout seconds. Never raises.

        After it, `close_code` is the server's answer, or 1006 when there was none in time.
        """
        try:
            if not self.closed:
                closing = self._close(close_payload(code, reason))
                await asyncio.wait_for(closing, self._close_timeout)
        except (OSError, ProtocolError, asyncio.TimeoutError):
            pass
        finally:
            self.abort()

    async def _close(self, payload):
        await self._send_close(payload)
        if self._stream.reading:
            await self._ended.wait()
        else:
            while await self.receive_view() != CLOSE:
                pass

    async def _send_close(self, payload):
        while self._busy:
            await self._free.wait()
        if not self.closed:
            self._close_sent = True  # from here on nothing else may go out
            rest = self.send_frame(payload, CLOSE)
            self._blocked = True
            await rest

    async def _shut(self, error=None):
        # Answers the server's Close frame, or says what it did wrong (section 7.1.7), unless our
        # own Close frame is out. Then waits for the end of the stream.
        if error:
            code, reason = error.code, str(error)
            payload = close_payload(code, reason)
            seconds = 1
        else:
            view = self._rx.view()
            code, reason = parse_close(view)
            payload = bytes(view[:2])
            # Some servers (asyncio's) do not end TLS before the client does: both would wait.
            seconds = 0 if self._stream.tls else self._close_timeout
        try:
            await asyncio.wait_for(self._send_close(payload), self._close_timeout)
            if seconds:
                await asyncio.wait_for(self._until_eof(), seconds)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self.close_code = code
            self.close_reason = reason
            self._failure = None
            self.abort()

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
                error = ConnectionClosed(1006, words(error))
            self._failure = error
            self.abort()
        return self._failure

    def abort(self):
        """Drop the connection without a closing handshake. Never raises."""
        if self.close_code is None:
            self.close_code = 1006
        if self._failure is None:
            self._failure = ConnectionClosed(self.close_code, self.close_reason)
        self._blocked = True
        self._busy = False  # whoever sends from now on must not wait for the drainer
        keeper, self._keeper = self._keeper, None
        # A task of MicroPython cannot cancel itself.
        if keeper is not None and keeper is not asyncio.current_task():
            keeper.cancel()
        if self._stream is not None:
            self._stream.close()
        self._rx.drop()
        self._tx.trim()
        self._free.set()
        self._ended.set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.close()
