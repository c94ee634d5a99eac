"""The Web PubSub client: groups, events, acknowledgements, recovery and reconnection."""

import asyncio

from .backoff import Backoff
from .errors import DeadlineError, SessionLost, Stopped, TransportError
from .inbox import Inbox
from .link import Link
from .session import Request, Session
from .stream import ticks_add, ticks_diff, ticks_ms

RELIABLE = "json.reliable.webpubsub.azure.v1"


def _protocol(name):
    # Loaded when first used: a JSON device does not pay for protobuf, nor the other way round.
    # Not `from . import`: MicroPython would ask the package's __getattr__ first.
    encoding, _, rest = name.partition(".")
    if rest in ("reliable.webpubsub.azure.v1", "webpubsub.azure.v1"):
        if encoding == "json":
            import webpubsub.json_protocol as codec

            return codec
        if encoding == "protobuf":
            import webpubsub.protobuf_protocol as codec

            return codec
    raise ValueError("unknown subprotocol: use {json,protobuf}[.reliable].webpubsub.azure.v1")


class Event:
    """What a callback gets: `.name`, and the fields of the event as attributes."""

    def __init__(self, name, fields):
        self.name = name
        for key in fields:
            setattr(self, key, fields[key])


class Stats:
    """Counters since the client was made; `bytes_received` and `bytes_sent` too."""

    def __init__(self):
        self.messages_received = 0
        self.messages_sent = 0
        self.duplicates = 0  # repeated by the service, and not handed on
        self.dropped = 0  # thrown away because nobody took them
        self.recoveries = 0
        self.reconnects = 0
        self.last_reason = None  # why the last connection ended
        self._ws = None  # its counters come on top of the sums of its predecessors
        self._received = self._sent = 0

    @property
    def bytes_received(self):
        """Bytes that came over connections, up to this moment; pongs count."""
        return self._received + (self._ws.bytes_received if self._ws else 0)

    @property
    def bytes_sent(self):
        """Bytes that went out over connections, up to this moment."""
        return self._sent + (self._ws.bytes_sent if self._ws else 0)

    def _follow(self, ws):
        self._received, self._sent = self.bytes_received, self.bytes_sent
        self._ws = ws


class WebPubSubClient:
    """A client of Azure Web PubSub.

    credential: a client access URL (str), Anonymous, AccessToken, or an async callable that
    returns a client access URL; it is asked anew for every new connection.
    protocol: json or protobuf, then ".reliable.webpubsub.azure.v1" or ".webpubsub.azure.v1".
    Protobuf messages have no from_user_id.
    ssl: an SSL context for wss, see webpubsub.tls. headers: extra headers of the upgrade.
    ack_timeout: seconds until a request without an acknowledgement fails.
    ping_interval, silence_timeout, max_message_size: as in ws_connect, in seconds and bytes.
    queue_messages, queue_bytes: what is kept for the program until it asks.
    rejoin: whether groups are joined again after a reconnect.
    backoff: a Backoff for reconnecting.
    recovery_timeout: seconds for which a lost connection is taken up again (the service keeps
    a session for 30).
    ready: async callable without arguments, awaited before each attempt to connect, recoveries
    included: without an address of one's own, looking a name up blocks a board for 20 s.

    Events for `subscribe`, with their fields:
        connected (connection_id, user_id), recovering (reason), recovered (),
        reconnecting (attempt, delay, reason), reconnected (session_lost),
        disconnected (code, reason), rejoin-group-failed (group, error), stopped (reason),
        message-dropped (message), group-message (message), server-message (message).
    """

    def __init__(
        self,
        credential,
        *,
        protocol=RELIABLE,
        ssl=None,
        headers=None,
        ack_timeout=30,
        ping_interval=20,
        silence_timeout=60,
        max_message_size=65536,
        queue_messages=32,
        queue_bytes=65536,
        rejoin=True,
        backoff=None,
        recovery_timeout=30,
        ready=None,
    ):
        self._codec = _protocol(protocol)
        self._session = Session(".reliable." in protocol, ticks_diff)
        self._inbox = Inbox(queue_messages, queue_bytes)
        self._ack_timeout = ack_timeout
        self._rejoin = rejoin
        self._groups = []
        self._callbacks = {}
        self._tasks = []
        self._iterator = None  # who takes the messages: one iterator, or the dispatcher
        self._dispatcher = None
        self._handed = None  # sequence id of the message the program works on
        self._handed_at = 0
        self._stalled = False  # whether the consumer let a whole recovery pass
        self._timing = None
        self._timer_wake = asyncio.Event()
        self._keep_alive = None
        self._outboxes = []  # they enter and leave by themselves
        self._closing = False
        self._closes = 0  # how often it was closed
        self.stats = Stats()
        options = {
            "protocols": (protocol,),
            "headers": headers,
            "ssl": ssl,
            "max_size": max_message_size,
            "ping_interval": ping_interval,
            "silence_timeout": silence_timeout,
        }
        self._link = Link(
            self, credential, self._codec, options, backoff or Backoff(), recovery_timeout, ready
        )

    @property
    def connection_id(self):
        """The id that the service gave this session, or None."""
        return self._session.connection_id

    @property
    def user_id(self):
        """The user id that the service knows this client by, or None."""
        return self._session.user_id

    @property
    def state(self):
        """closed, connecting, connected, recovering, reconnecting or stopped."""
        return self._link.state

    # life

    async def open(self, timeout=30):
        """Connect: one try. From then on the connection is kept up, until `close()`.

        Raises:
            HandshakeError: the service refused; `.status` is its HTTP status.
            TransportError: it could not be reached, or did not answer within `timeout` seconds.
            ProtocolError: what it said makes no sense.
            ValueError: the credential is wrong in itself.
            RuntimeError: the client is open already.
        """
        self._start()
        try:
            await asyncio.wait_for(self._link.connect_new(), timeout)
        except asyncio.TimeoutError:
            await self.close()
            raise DeadlineError("no connection within %s s" % timeout)
        except BaseException:
            await self.close()
            raise
        self._keep_alive = self._task(self._link.keep())

    def run(self):
        """Connect and stay connected, whatever happens, until `close()`; for firmware.

        Raises:
            Stopped: the client gave up; see Backoff.attempts.
            RuntimeError: the client is open already.
        """
        return self._run(self._closes)

    async def _run(self, closes):
        if closes != self._closes:
            return  # closed before this task had its first turn
        self._start()
        self._keep_alive = self._task(self._link.keep())
        try:
            await self._keep_alive
        except asyncio.CancelledError:
            if not self._closing:
                await self.close()
                raise
        if self.state == "stopped":
            raise Stopped(self.stats.last_reason)

    def _start(self):
        if self.state not in ("closed", "stopped"):
            raise RuntimeError("the client is open already")
        self._closing = False
        self._link.state = "connecting"
        self._groups = []
        self._inbox.reopen()
        if self._timing is None or self._timing.done():
            self._timing = self._task(self._timer())
        if self._iterator is None:
            self.release()

    async def close(self):
        """Close in an orderly way; the session ends. What waits for an answer fails."""
        self._closes += 1
        if self.state == "closed" and not self._tasks:
            return
        self._closing = True
        self._consume_handed()
        self._send_sequence_ack()
        try:
            await self._link.close()
        finally:
            if self._closing:  # not opened again after another task's close()
                self._closed()

    def _closed(self):
        # From here on it may be opened again.
        self._link.state = "closed"
        self._session.end()
        self._inbox.end(None)
        self._dispatcher = None
        for outbox in self._outboxes:
            outbox.save()
        current = asyncio.current_task()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            # A task of MicroPython cannot cancel itself.
            if task is not current:
                task.cancel()

    async def __aenter__(self):
        await self.open()
        return self

    async def __aexit__(self, *exc):
        await self.close()

    def _task(self, coroutine):
        # The reference keeps the task from being collected in mid-run.
        task = asyncio.create_task(coroutine)
        self._tasks = [other for other in self._tasks if not other.done()]
        self._tasks.append(task)
        return task

    # sending

    async def join_group(self, group):
        """Join a group; it is joined again after a reconnect. Errors as in `send_to_group`."""
        await self._request(lambda ack_id: self._codec.join_group(group, ack_id))
        if group not in self._groups:
            self._groups.append(group)

    async def leave_group(self, group):
        """Leave a group. Errors as in `send_to_group`."""
        if group in self._groups:
            self._groups.remove(group)
        await self._request(lambda ack_id: self._codec.leave_group(group, ack_id))

    async def send_to_group(
        self, group, content, data_type=None, *, no_echo=False, ack=True, ack_id=None
    ):
        """Publish to a group; returns when the service has acknowledged.

        content: any JSON value, str or bytes. data_type: json, text or binary, on protobuf
        also protobuf (bytes of an Any); None guesses it from the content's type. no_echo: not
        to this client itself. ack: False returns once the frame is on its way. ack_id: an id of
        one's own, to repeat a request safely.

        Raises:
            AckError: the service refused, `.name` says why.
            SessionLost, DeadlineError, TransportError: `.outcome` says what became of it.
            ValueError, TypeError: the content does not fit the data type.
        """
        await self._request(
            lambda number: self._codec.send_to_group(group, content, data_type, no_echo, number),
            ack,
            ack_id,
        )
        self.stats.messages_sent += 1

    async def send_event(self, event, content, data_type=None, *, ack=True, ack_id=None):
        """Send an event to the hub's event handler; as `send_to_group`."""
        await self._request(
            lambda number: self._codec.send_event(event, content, data_type, number), ack, ack_id
        )
        self.stats.messages_sent += 1

    async def flush(self, timeout=30):
        """Wait until everything sent is acknowledged, and every outbox is empty: before sleep.

        Raises DeadlineError; what waits in an outbox with a journal is on the flash then.
        """
        end = ticks_add(ticks_ms(), int(timeout * 1000))
        for outbox in self._outboxes:
            await outbox.flush(max(0, ticks_diff(end, ticks_ms())) / 1000)
        self._send_sequence_ack()
        while self._session.waiting:
            if ticks_diff(end, ticks_ms()) <= 0:
                raise DeadlineError("not everything was acknowledged within %s s" % timeout)
            await asyncio.sleep(0.05)

    async def _request(self, build, ack=True, ack_id=None):
        session = self._session
        if not ack:
            ack_id = None
        elif ack_id is None:
            ack_id = session.next_ack_id()
        frame = build(ack_id)
        if self._closing or self.state in ("closed", "stopped"):
            raise TransportError("the client is not open")
        finished = asyncio.Event()
        deadline = ticks_add(ticks_ms(), int(self._ack_timeout * 1000))
        request = Request(ack_id, frame, deadline, finished.set)
        session.add(request)
        self._timer_wake.set()
        try:
            self._link.offer(request)
            await finished.wait()
        except asyncio.CancelledError as error:
            error.outcome = request.outcome
            raise
        finally:
            session.forget(request)
        if request.error:
            raise request.error

    # receiving

    def __aiter__(self):
        if self._iterator is not None and self._iterator.waiting:
            raise RuntimeError("another task iterates over this client already")
        self._iterator = _Messages(self)
        return self._iterator

    def release(self):
        """Say that nobody iterates any more, so that message callbacks get the messages again."""
        self._iterator = None
        open_ = self.state not in ("closed", "stopped")
        if open_ and self._dispatcher is None and self._has_message_callback():
            self._dispatcher = self._task(self._dispatch())

    async def _ready(self):
        # Asking for the next message says that the last one is done with.
        self._stalled = False
        self._consume_handed()
        await self._inbox.ready()

    async def _take(self):
        message, self._handed = self._inbox.take()
        self._handed_at = ticks_ms()
        self._timer_wake.set()
        self.stats.messages_received += 1
        name = message.kind + "-message"
        for coroutine in self._called(name, {"message": message}):
            await self._guarded(coroutine, name)
        return message

    def _consume_handed(self):
        sequence_id, self._handed = self._handed, None
        self._session.consume(sequence_id)
        self._timer_wake.set()
        if self._session.ack_urgent:
            self._send_sequence_ack()

    def _send_sequence_ack(self):
        session = self._session
        if session.ack_due and self._link.post(self._codec.sequence_ack(session.consumed)):
            session.acknowledged = session.consumed

    async def _timer(self):
        # One task for all timers, asleep while there is nothing to time.
        session = self._session
        while self.state not in ("closed", "stopped"):
            wait = session.expire(ticks_ms())
            # A program that works on one message for long is no reason to keep it unacknowledged.
            if self._handed is not None and ticks_diff(ticks_ms(), self._handed_at) >= 900:
                self._consume_handed()
            self._send_sequence_ack()
            if wait is None and self._handed is None and not session.ack_due:
                self._timer_wake.clear()
                await self._timer_wake.wait()
            # What comes together is acknowledged together, a second later.
            await asyncio.sleep(min(wait or 1000, 1000) / 1000)

    # events

    def subscribe(self, name, callback):
        """Call `callback(event)`, plain or async, at each event of that name.

        A plain one is called at once, an async one goes on in a task of its own. Message
        callbacks run one after the other, in the order of the messages; they may send.
        """
        self._callbacks.setdefault(name, []).append(callback)
        if self._iterator is None:
            self.release()

    def unsubscribe(self, name, callback):
        """Undo `subscribe`."""
        self._callbacks.get(name, []).remove(callback)

    async def _dispatch(self):
        # Takes the messages for the callbacks while nobody iterates. It looks again once there is
        # a message, which would otherwise be lost to an iterator that began in the meantime.
        this = self._dispatcher
        try:
            while True:
                await self._ready()
                if self._dispatcher is not this or not self._dispatching():
                    break
                await self._take()
        except (StopAsyncIteration, Stopped):
            pass
        if self._dispatcher is this:
            self._dispatcher = None

    def _dispatching(self):
        return self._iterator is None and self._has_message_callback()

    def _has_message_callback(self):
        callbacks = self._callbacks
        return bool(callbacks.get("group-message") or callbacks.get("server-message"))

    def _emit(self, name, **fields):
        # For events of the link, which never waits for a callback.
        for coroutine in self._called(name, fields):
            self._task(self._guarded(coroutine, name))

    def _called(self, name, fields):
        # Calls the callbacks one by one; yields what is left to wait for.
        for callback in list(self._callbacks.get(name, ())):
            try:
                result = callback(Event(name, fields))
                if hasattr(result, "send"):
                    yield result
            except Exception as error:  # noqa: BLE001 a callback must not stop the client
                self._report(error, name)

    async def _guarded(self, coroutine, name):
        try:
            await coroutine
        except Exception as error:  # noqa: BLE001 see above
            self._report(error, name)

    def _report(self, error, name):
        context = {"message": "callback for %s failed" % name, "exception": error}
        task = asyncio.current_task()
        if hasattr(task, "coro"):
            context["future"] = task  # MicroPython's handler prints it, CPython's chokes on it
        asyncio.get_event_loop().call_exception_handler(context)

    # called by the link

    def _on_message(self, message, size):
        # True when the message is taken care of; False when it must come again later.
        session, inbox = self._session, self._inbox
        if message.sequence_id is not None and message.sequence_id <= session.received:
            self.stats.duplicates += 1
            return True
        if not inbox.fits(size):
            if message.sequence_id is not None and self._wanted():
                return False
            # Nobody asks for messages, or the protocol has no replay: the newest ones count.
            while not inbox.fits(size):
                oldest, sequence_id = inbox.take()
                self.stats.dropped += 1
                session.consume(sequence_id)
                self._timer_wake.set()
                self._emit("message-dropped", message=oldest)
        session.take(message.sequence_id)
        inbox.put(message, size)
        return True

    def _wanted(self):
        # Whether somebody is going to take the messages.
        consumer = self._iterator is not None or self._has_message_callback()
        return consumer and not self._stalled

    def _session_lost(self):
        self._session.lost()
        self._inbox.session_lost()
        self._handed = None

    def _queue_rejoins(self):
        # Ahead of all that waits: whoever sends to a group next shall find us in it.
        if self._rejoin:
            deadline = ticks_add(ticks_ms(), int(self._ack_timeout * 1000))
            for place, group in enumerate(self._groups):
                ack_id = self._session.next_ack_id()
                request = Request(ack_id, self._codec.join_group(group, ack_id), deadline, None)
                request.done = lambda request=request, group=group: self._rejoined(request, group)
                self._session.add(request, place)
            self._timer_wake.set()

    def _rejoined(self, request, group):
        # After a lost session the next connection joins again.
        if request.error and not isinstance(request.error, SessionLost):
            self._emit("rejoin-group-failed", group=group, error=request.error)


class _Messages:
    # The iterator of `async for message in client`.
    def __init__(self, client):
        self._client = client
        self.waiting = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        client = self._client
        if client._iterator is None:
            client._iterator = self  # released by a deadline of the caller, who asks again
        if client._iterator is not self:
            raise RuntimeError("another iterator has taken over")
        self.waiting = True
        try:
            await client._ready()
            return await client._take()
        except BaseException:
            client.release()
            raise
        finally:
            self.waiting = False
