"""A WebSocket connection (RFC 6455): frames both ways, one writer, pings, and a look for silence.

What programs use is `websocket`, on top of it. How a connection opens and closes is in `opening`
and `closing`, which are loaded for it.
"""

import asyncio

# As globals: MicroPython searches its builtins one by one.
from builtins import isinstance, len

from .compat import const
from .errors import ConnectionClosed, DeadlineError, OutOfMemory, ProtocolError, TransportError
from .frames import CLOSE, END, PAUSE, PING, PONG
from .memory import idf_heap, once
from .stream import DONE, sleep_ms

_BINARY = const(2)
# lwIP needs a block of the ESP-IDF heap for each packet that comes. Where the largest free block
# has fewer bytes than this, nothing is received any more, not even a TCP reset; and after how many
# looks, one a second, that counts.
_STARVED = const(1800)
_LOOKS = const(3)


class Connection:
    """One connection, before it opens, while it is open, and after. One task may receive.

    receiver, transmitter: of `frames`; they may serve one connection after the other.
    close_timeout: seconds for the closing handshake.

    `opening` and `closing` share its state: rx and tx, which are receiver and transmitter; stream,
    a Stream; busy, whether a frame is on its way out, so that nothing may come between its pieces;
    blocked, whether it is busy, closing or closed (one look instead of three); close_sent; ended,
    an Event; failure, the error of all further use.
    """

    protocol = None  # the subprotocol in use, or None
    close_code = None  # after the close: its code, 1006 without a Close frame
    close_reason = ""
    close_sent = False
    _pong = None  # the payload of the pong that is due
    _keeper = None

    def __init__(self, receiver, transmitter, close_timeout=5):
        self.rx = receiver
        self.tx = transmitter
        # Of the object and not of the class, where they would be looked for last: the hot path.
        self.stream = self.failure = None
        self.busy = self.blocked = False
        self.close_timeout = close_timeout
        receiver.free_memory = transmitter.trim
        self._free = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def bytes_received(self):
        """Bytes from the server since the connection was there."""
        return self.rx.received

    @property
    def bytes_sent(self):
        """Bytes of frames to the server."""
        return self.tx.sent

    @property
    def closed(self):
        """Whether the connection is closed or closing."""
        return self.close_sent or self.close_code is not None

    async def open(
        self,
        ping_interval,
        silence_timeout,
        url,
        protocols=(),
        headers=None,
        ssl=None,
        timeout=30,
    ):
        """Open it; see `ws_connect` for arguments and errors (OutOfMemory is one).

        url, protocols, headers, ssl, timeout, ping_interval, silence_timeout: as there."""
        # One after the other, so that never more than one of them is there.
        secure, host, port, name, url = once("webpubsub.url").request_parts(url)
        name, accept = once("webpubsub.handshake").request(name, url, protocols, headers)
        url = None  # may be long
        try:
            secure = await once("webpubsub.opening").open_connection(
                self, secure, host, port, name, ssl, timeout
            )
            name = None
            self.protocol = await once("webpubsub.upgrading").take(
                self, host, accept, protocols, timeout, secure
            )
        except BaseException as error:
            self.abort()
            if isinstance(error, MemoryError):
                raise OutOfMemory("no memory for a connection to %s" % host)
            raise
        self.keep_alive(ping_interval, silence_timeout, True)

    # receiving

    async def _receive(self, as_message):
        # The opcode of the next message, or what `_message` of the subclass makes of it. The hot
        # path: no call that can be spared, no look at the clock, and few variables, for they are
        # on the heap with the coroutine.
        if self.failure:
            raise self.failure
        rx = self.rx
        try:
            while True:
                if rx.wait:
                    rx.wait = False
                    opcode = 0
                else:
                    opcode = rx.next(self.stream.read_now)
                if not opcode:
                    if self.stream.reading:
                        break
                    self.stream.reading = True
                    await self.stream.readable()
                    self.stream.reading = False
                elif opcode <= _BINARY or await self._control(opcode):
                    return self._message(opcode) if as_message else opcode
        except BaseException as error:
            await self._failed(error)
            raise
        # Here only when another task is in `readable` already: a mistake of the program, unless
        # that task is the closing handshake, which reads to the end.
        if not self.close_sent:
            raise RuntimeError("another task receives already")
        await self.ended.wait()
        raise self.failure

    async def _control(self, opcode):
        # What is no data message. Whether it is the server's Close frame.
        if opcode == PING:
            self._answer(bytes(self.rx.view()))
        elif opcode == PAUSE:
            await sleep_ms(0)
        elif opcode == END:
            raise ConnectionClosed()
        elif opcode == CLOSE:
            await self._shut()
        return opcode == CLOSE

    async def _shut(self, error=None):
        try:
            await once("webpubsub.closing").shut(self, error)
        except MemoryError:
            self.close_code = getattr(error, "code", 1006)
            self.abort()

    async def _failed(self, error):
        # What becomes of an error that a reader met.
        if isinstance(error, MemoryError):
            error = ProtocolError(1009, "no memory for a message")
            await self._shut(error)
            raise error
        if isinstance(error, ProtocolError):
            await self._shut(error)
        elif isinstance(error, OSError):
            raise self._broken(error)
        elif isinstance(error, asyncio.CancelledError):
            self.stream.reading = False
            if self.busy:
                # In MicroPython's poll queue one entry serves both directions of a socket: with
                # the cancelled reader the task that waits to write (`_drain`) is taken out, too.
                self._drainer.cancel()
                self._drainer = asyncio.create_task(self._drain())

    def receive_view(self):
        """Receive without a copy: the type; the payload is in `view`, until the next call.

        Not within `wait_for` on MicroPython: what comes at its deadline is lost there.
        """
        return self._receive(False)

    def poll_view(self):
        """The type of a message that has come already, its payload in `view`; 0 when none has.

        It never reads, waits or allocates: `ws.poll_view() or await ws.receive_view()`.
        """
        return 0 if self.failure else self.rx.next(None)

    @property
    def view(self):
        """The payload of the message that `receive_view` or `poll_view` announced, bytes-like."""
        return self.rx.view()

    def view_holds(self, part):
        """Whether the payload in `view` holds some bytes, without a copy of it.

        part: bytes."""
        return self.rx.holds(part)

    # sending

    def send_frame(self, data, opcode):
        """Send a message of type TEXT or BINARY whose bytes (UTF-8 for text) are there already.

        data: bytes-like, unchanged until the call is over. opcode: TEXT or BINARY."""
        # Not a coroutine: what goes out at once costs no object.
        if self.blocked:
            if not self.busy:
                self._check_open()
            return self._send_later(data, opcode)
        try:
            if self.tx.send(opcode, data, len(data), self.stream.write_now):
                return DONE
        except (OSError, MemoryError) as error:  # the frame may be out in part
            raise self._broken(error)
        # A task of its own brings out the rest: a cancelled sender leaves no half frame behind.
        self.busy = self.blocked = True
        self._free.clear()
        self._drainer = asyncio.create_task(self._drain())
        return self._send_later()

    async def _send_later(self, data=None, opcode=0):
        # Waits until no frame is on its way out; then sends another one.
        while self.busy:
            await self._free.wait()
        if opcode:
            self._check_open()
            await self.send_frame(data, opcode)
        elif self.failure:
            raise self.failure

    def _check_open(self):
        if self.failure:
            raise self.failure
        if self.closed:
            raise ConnectionClosed(self.close_code or 1000, self.close_reason)

    async def _drain(self):
        try:
            while not self.tx.flush(self.stream.write_now):
                await self.stream.writable()
                if self.failure:
                    return  # the transmitter may serve the next connection already
            self.busy = False
            self.blocked = self.close_sent
            pong, self._pong = self._pong, None
            if pong is not None:
                self._answer(pong)
            if not self.busy:
                self._free.set()
        except (OSError, MemoryError) as error:
            self._broken(error)

    def post_frame(self, data, opcode):
        """The same from a place that cannot wait; False when it is not possible now.

        Once it is taken, all of the frame goes out, or the connection ends.

        data, opcode: as for `send_frame`.
        """
        if self.blocked:
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
        if self.busy:
            self._pong = payload
        else:
            self.post_frame(payload, PONG)

    # keeping alive

    def keep_alive(self, ping_interval, silence_timeout, *_checked):
        """Ping and look for silence so from now on; the counting begins anew.

        ping_interval, silence_timeout: as for `ws_connect`, with the same errors."""
        if not _checked:
            once("webpubsub.arguments").check("time", ping_interval, silence_timeout)
        if self._keeper:
            self._keeper.cancel()
        if not self.failure and (ping_interval or silence_timeout or idf_heap()):
            self._keeper = asyncio.create_task(self._keep(ping_interval, silence_timeout))

    async def _keep(self, ping_interval, silence_timeout):
        # Looks at the counters now and then, so that messages need no look at the clock. Silence
        # counts only while somebody reads: a slow program is not a dead link. Pings go out by
        # the clock, whatever comes in: a busy link keeps them; but the last one must have been
        # answered, for on a link that is gone each costs lwIP memory until it is acknowledged.
        rx, tx = self.rx, self.tx
        limit = int(1000 * (silence_timeout or 0))
        interval = due = int(1000 * (ping_interval or 0))
        step = limit >> 3 or interval or 1000
        if idf_heap():
            step = min(step, 1000)
        received = sent = silent = stuck = starved = 0
        answered = -1
        while not self.failure:
            wait = min(step, due) if interval else step
            await sleep_ms(wait)
            # What is seen now may have begun anywhere in the last step: dead is what was silent
            # for seven of eight steps at least, so that it is found within the limit.
            reading = self.stream.reading
            moved = tx.sent != sent
            # The answer to a ping that waits behind a long frame cannot be there yet.
            waiting = reading and rx.received == received and not (self.busy and moved)
            silent = silent + wait if waiting else 0
            stuck = stuck + wait if self.busy and not moved else 0
            received, sent = rx.received, tx.sent
            idf = idf_heap()
            starved = starved + 1 if idf and idf[1] < _STARVED else 0
            due -= wait
            if limit and max(silent, stuck) > limit - step:
                what = "a write did not move" if stuck > silent else "the server was silent"
                self._broken(DeadlineError("%s for %s s" % (what, silence_timeout)))
            elif starved == _LOOKS:
                # Neither a message nor a reset gets in: nothing else would end this.
                self._broken(OutOfMemory("no memory to receive: %d bytes left" % idf[0]))
            elif interval and due <= 0:
                due = interval
                if answered != received:
                    answered = received
                    try:
                        # A frame that is on its way out is as good: its bytes must be
                        # acknowledged.
                        self.post_frame(b"", PING)
                    except OSError:
                        pass  # the reader meets it too
            if reading:
                rx.trim()
            tx.trim()

    # the end

    async def close(self, code=1000, reason=""):
        """Close in an orderly way (section 7.1.2), within close_timeout seconds. Never raises.

        After it, `close_code` is the server's answer, or 1006 when there was none in time.

        code: int (section 7.4). reason: str, at most 123 bytes of its UTF-8 are sent.
        """
        try:
            await once("webpubsub.closing").close(self, code, reason)
        except MemoryError:
            pass  # then without a handshake
        finally:
            self.abort()

    def _broken(self, error):
        # Once broken, always the same error; the first one knows the cause.
        if self.failure is None:
            if not isinstance(error, TransportError):
                tools = once("webpubsub.strerror")
                if tools.is_shortage(error):
                    error = OutOfMemory("no memory for the connection")
                else:
                    error = ConnectionClosed(1006, tools.error_text(error))
            self.failure = error
            self.abort()
        return self.failure

    def abort(self):
        """Drop the connection without a closing handshake. Never raises."""
        if self.close_code is None:
            self.close_code = 1006
        if self.failure is None:
            self.failure = ConnectionClosed(self.close_code, self.close_reason)
        self.blocked = True
        self.busy = False  # whoever sends from now on must not wait for the drainer
        keeper, self._keeper = self._keeper, None
        # A task of MicroPython cannot cancel itself.
        if keeper and keeper is not asyncio.current_task():
            keeper.cancel()
        if self.stream:
            self.stream.close()
        self.rx.drop()
        self.tx.trim()
        self._free.set()
        self.ended.set()
