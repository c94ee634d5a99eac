"""Keeps a transport connection under a session: sends what waits, reads, and sees to the next one.

How a connection comes about is in `connecting`, what is done about a lost one in `recovery`.
"""

import asyncio
import gc

from .compat import const

# With what else stays, before anything is loaded for a connection and let go.
from .connection import Connection
from .errors import (
    UNKNOWN,
    ConnectionClosed,
    OutOfMemory,
    ProtocolError,
    TransportError,
    WebPubSubError,
)
from .frames import Receiver, Transmitter
from .memory import idf_heap, once, usual_buffer
from .messages import ACK, CONNECTED, Message
from .session import Request
from .stream import sleep_ms, ticks_add, ticks_diff, ticks_ms

_CLOSED = const(8)  # the type of a Close frame
# On a chip each frame that TCP has not acknowledged takes 1.5 KB of the memory that Wi-Fi and TLS
# need: so many go out until something is heard, and the others wait.
_WINDOW = const(8)
_NO_WINDOW = const(1 << 29)
_TICKS = const((1 << 30) - 1)


class Keeper:
    """The connection of one client, and what becomes of it when it ends.

    client: gives the parts that outlive a connection (session, inbox, stats, codec), `emit`,
    `spawn` (runs a coroutine as a task) and `wants_messages`.

    For `connecting`, `recovery` and `reconnecting`, whose state this is: credential, options (of
    Connection.open), ready, backoff (None: the usual one), attempt (how many failed in a row),
    delay (s, before the last of them), longest (ms, the longest connection since; _TICKS if
    something was acknowledged), lasted (the last one, likewise), recovery_timeout, url (of the
    session, without a token), connections (how many there have been), wait_first (whether
    the next attempt waits for its delay), retry_after (seconds that the service asked for),
    pause (seconds before the session was taken up again last), stalled (whether the consumer
    lets a whole recovery pass), reason (why the connection ended, until that is seen to), closing.
    """

    state = "closed"
    ws = url = reason = None
    connections = attempt = delay = longest = lasted = retry_after = pause = 0
    wait_first = stalled = closing = False
    _sender = None  # the task that sends what had to wait
    _timing = _made = None

    def __init__(self, client, credential, options, buffer_size, max_message_size):
        # First, and for one connection after the other: pieces of this size are rare in a small
        # heap in which other things have come and gone.
        size = buffer_size or usual_buffer()
        self._receiver = Receiver(size, max_message_size)
        self._transmitter = Transmitter(size)
        self.client = client
        self.session = client.session
        self.inbox = client.inbox
        self.stats = client.stats
        self.codec = client.codec
        self.credential = credential
        self.options = options

    def new_connection(self):
        """A Connection to be opened; the one before must have ended."""
        self._made = ws = Connection(self._receiver, self._transmitter)
        return ws

    def begin(self, ws):
        """Use a connection that has just been made.

        ws: that Connection."""
        self.ws = self.stats.ws = ws
        self.connections += 1
        self._since = ticks_ms()
        self.lasted = 0
        self._window = _WINDOW if idf_heap() else _NO_WINDOW
        self._heard = self._unheard = 0
        # The last acknowledgement may have been lost with the last connection: say it again.
        self.session.acknowledged = 0
        self.send_sequence_ack()
        if self._sender is None and self.session.waiting:
            self._sender = self.client.spawn(self._send_waiting())
        self.state = "connected"

    def drop(self):
        """Let the connection go."""
        # Not `close`: after a code of 1000 the service would not keep the session.
        ws, self.ws = self.ws, None
        if self._made:  # maybe one that has yet to open
            self._made.abort()
            self._made = None
        if ws:
            self.stats.count(ws)

    def end(self):
        """Stop sending and timing: the client closes. Its tasks are ended by the client."""
        self.closing = True
        self.wait_first = False
        self._sender = None

    def ended(self):
        """The client has closed."""
        self.state = "closed"
        self.connections = 0
        self._timing = self.reason = None

    # sending

    def request(self, ack_id, frame, done, timeout, *place):
        """Take a request into the session's care; `submit` sends it. timeout: ms. place: an index.

        ack_id: int or None. frame: bytes. done: called without arguments once it has ended."""
        request = Request(ack_id, frame, ticks_add(ticks_ms(), timeout), done)
        self.session.add(request, *place)
        self.watch_time()
        return request

    def submit(self, request):
        """Send a request now, or in its turn as soon as a connection takes it.

        request: a Request of the session."""
        if self._sender is None and not self._put(request):
            self._sender = self.client.spawn(self._send_waiting())

    def _is_silent(self):
        # Whether the link has answered none of the last frames. Another one is counted.
        heard = self.ws.bytes_received
        if heard != self._heard:
            self._heard = heard
            self._unheard = 0
        self._unheard += 1
        return self._unheard > self._window

    def _put(self, request):
        # Hands a request to the connection; False when that has another frame on its way out,
        # or does not answer.
        ws = self.ws
        if ws is None or ws.closed:
            return True  # the next connection gets it
        if request.ack_id is not None and self._is_silent():
            return False
        try:
            if not ws.post_frame(request.frame, self.codec.OPCODE):
                return False
        except OSError:
            pass  # it may be out in part; the reader sees the end, too
        request.connection = self.connections
        request.outcome = UNKNOWN
        if request.ack_id is None:
            self.session.finish(request)
        return True

    async def _send_waiting(self):
        # Sends what waits, in its order, until all is out or the connection ends.
        try:
            while self.ws and not self.ws.closed:
                for request in self.session.waiting:
                    if request.connection != self.connections:
                        break
                else:
                    return
                if not self._put(request):
                    if self._unheard > self._window:
                        await sleep_ms(20)
                    else:
                        await self.ws.free()
        finally:
            self._sender = None

    def send_sequence_ack(self):
        """Tell the service what was consumed."""
        # When it is not possible now, it is worth nothing later: then more has been consumed.
        session, ws = self.session, self.ws
        if ws and session.consumed > session.acknowledged and not self._is_silent():
            try:
                if ws.post_frame(self.codec.sequence_ack(session.consumed), self.codec.OPCODE):
                    session.acknowledged = session.consumed
            except OSError:
                pass  # the reader sees it too

    def release(self):
        """The program is done with its message; many of them are acknowledged at once."""
        if self.session.release():
            self.send_sequence_ack()

    def watch_time(self):
        """Time what waits: one task for all timers, there as long as there is something."""
        if not self._timing or self._timing.done():
            self._timing = self.client.spawn(self._timer())

    async def _timer(self):
        session = self.session
        while session.is_due():
            # What comes together is acknowledged together, a second later.
            await sleep_ms(min(session.expire(ticks_ms()) or 1000, 1000))
            # A program that works on one message for long is no reason to keep it unacknowledged.
            if session.handed is not None and ticks_diff(ticks_ms(), session.handed_at) >= 900:
                self.release()
            self.send_sequence_ack()

    # keeping

    async def keep(self):
        """Read and keep the connection up until the client closes or gives up."""
        client = self.client
        closes = client.closes
        try:
            while closes == client.closes:
                try:
                    if self.ws or self.reason:
                        await self._read(closes)
                    elif not await once("webpubsub.reconnecting").reconnect(self, closes):
                        return
                except MemoryError as error:
                    # What deals with a lost connection is loaded for it: collect, and try again.
                    self.stats.last_reason = error
                    gc.collect()
                    await sleep_ms(1000)
        except Exception as error:  # noqa: BLE001 nobody else would notice that this task is over
            if closes == client.closes:
                once("webpubsub.reconnecting").give_up(self, error)

    async def _read(self, closes):
        # Reads until the connection ends, and sees to what follows.
        if not self.reason:
            ws = self.ws
            try:
                while await self.read_one(ws):
                    pass
                reason = ConnectionClosed(ws.close_code, ws.close_reason)
            except MemoryError:
                # A replay would need as much again.
                reason = OutOfMemory("out of memory")
                reason.code = 1009
            except (OSError, ProtocolError) as error:
                reason = error
            if ws is not self.ws:
                return  # closed, and maybe open again
            self.reason = reason
            # Ticks wrap: that of weeks looks negative, and is no short one.
            lasted = ticks_diff(ticks_ms(), self._since) & _TICKS
            self.lasted = max(self.lasted, lasted)
        if isinstance(self.reason, ProtocolError) and self.ws:
            # A replay would bring the same frame again: its code rules out a recovery.
            await self.ws.close(self.reason.code, str(self.reason))
        # All that waits may find that the client was closed meanwhile, and even opened again:
        # `wait_for` swallows a cancellation that comes with a result.
        recovered = (
            closes == self.client.closes
            and once("webpubsub.ending").is_recoverable(self)
            and await once("webpubsub.recovery").recover(self, closes)
        )
        if closes == self.client.closes:
            if not recovered:
                once("webpubsub.ending").lost(self)
            self.reason = None

    async def read_one(self, ws):
        """Take one frame in; False when it was the service's close.

        ws: the Connection. Raises ProtocolError, and TransportError when it is lost."""
        kind = ws.poll_view() or await ws.receive_view()
        if kind == _CLOSED:
            return False
        if kind != self.codec.OPCODE:
            raise ProtocolError(1003, "the service sent a frame of the wrong type")
        session, inbox = self.session, self.inbox
        data = ws.view
        size = len(data)
        frame = self.codec.decode(data, ws.view_holds(b"\\u"))
        if isinstance(frame, Message):
            if not session.connection_id:
                raise ProtocolError(1002, "a message came before the connected frame")
            if not inbox.fits(size):
                await asyncio.sleep(0)  # a consumer that has not had its turn is not slow
            if not self._keep_message(frame, size):
                # It is given so long to move before the link is dropped for a replay.
                try:
                    await asyncio.wait_for(inbox.drained(), 0.2)
                except asyncio.TimeoutError:
                    pass
                if not self._keep_message(frame, size):
                    raise TransportError("nobody takes the messages")
        elif frame:
            kind = frame[0]
            if kind == ACK:
                self.lasted = _TICKS
                session.acknowledge(frame[1], frame[2], frame[3])
            elif kind == CONNECTED:
                # After a recovery, too, for a new reconnection token; it is no event.
                session.connected(frame[1], frame[2], frame[3])
            else:
                self.stats.last_reason = WebPubSubError(frame[1])
        return True

    def _keep_message(self, message, size):
        # True when the message is taken care of; False when it must come again later.
        session, inbox = self.session, self.inbox
        number = message.sequence_id
        if number is not None:
            if number <= session.received:
                self.stats.duplicates += 1
                return True
            if not inbox.fits(size) and self.client.wants_messages():
                return False
            session.received = number
        # When nobody asks for messages, or the protocol has no replay, the newest ones count.
        while not inbox.fits(size):
            oldest, number = inbox.take()
            self.stats.dropped += 1
            if number is not None:
                session.consume(number)
                self.watch_time()
            self.client.emit("message-dropped", message=oldest)
        inbox.put(message, size)
        return True

    def lost(self, everything=False):
        """The session is over; see Session.lost.

        everything: bool, as there."""
        self.session.lost(everything)
        self.inbox.lost()
