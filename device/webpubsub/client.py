"""The Web PubSub client: groups, events, acknowledgements, recovery and reconnection."""

import asyncio

# First: what compiles needs stack, and should not be at the end of a chain of imports.
from . import kernels  # noqa: F401
from .errors import OutOfMemory, Stopped, TransportError
from .keeper import Keeper  # noqa: F401 that `making` needs it: what it loads itself lies scattered
from .memory import once, tidy_up
from .stream import cancel, ends_task, hand_over, ticks_ms

tidy_up()  # loading leaves garbage behind


class Event:
    """What a callback gets: `.name`, and the fields of the event as attributes."""

    def __init__(self, name, fields):
        self.name = name
        for key in fields:
            setattr(self, key, fields[key])


class Stats:
    """Counters since the client was made, all int; `bytes_received` and `bytes_sent` too.

    messages_received: handed to the program. messages_sent: groups' messages and events that were
    acknowledged, or went out where no acknowledgement was wanted. duplicates: repeated by the
    service, and not handed on. dropped: thrown away because nobody took them. recoveries: of the
    session. reconnects: with a new session. last_reason: the exception by which the last
    connection, or the last attempt, ended; or None.
    """

    def __init__(self):
        self.messages_received = 0
        self.messages_sent = 0
        self.duplicates = 0
        self.dropped = 0
        self.recoveries = 0
        self.reconnects = 0
        self.last_reason = None
        self.ws = None  # its counters come on top of the sums of its predecessors
        self._received = self._sent = 0

    def count(self, ws):
        """Add the counters of the connection, which has ended, to the sums.

        ws: that Connection."""
        self._received += ws.bytes_received
        self._sent += ws.bytes_sent
        self.ws = None

    @property
    def bytes_received(self):
        """Bytes that came over connections, up to this moment; pongs count."""
        return self._received + (self.ws.bytes_received if self.ws else 0)

    @property
    def bytes_sent(self):
        """Bytes that went out over connections, up to this moment."""
        return self._sent + (self.ws.bytes_sent if self.ws else 0)


class WebPubSubClient:
    """A client of Azure Web PubSub.

    credential: a client access URL (str), Anonymous, AccessToken, or an async callable that
    returns a client access URL; it is asked anew for each new session, recoveries need none.
    protocol: json or protobuf, then ".reliable.webpubsub.azure.v1" or ".webpubsub.azure.v1".
    Protobuf messages have no from_user_id.
    ssl: an SSL context for wss, see webpubsub.tls. headers: extra headers of the upgrade.
    ack_timeout: seconds until a request without an acknowledgement fails.
    ping_interval, silence_timeout, max_message_size: as in ws_connect, in seconds and bytes.
    buffer_size: as in ws_connect.
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
        message-dropped (message), group-message (message), server-message (message),
        token-expires (expires, left).
    reason, error: exceptions, with a text. attempt: int, from 1. delay, left: seconds. expires:
    Unix time. code: of the Close frame (RFC 6455, section 7.4), 1006 without one. message: a
    Message.

    Parts of it, for the modules of this package: session, inbox, keeper, codec, ack_timeout in
    ms, tasks, which `close` takes out of there before it cancels them, closes (how often it was
    closed), and outboxes, which enter and leave by themselves.
    """

    def __init__(self, credential, **options):
        self.stats = Stats()
        self._callbacks = {}
        self.tasks = []
        self.outboxes = []
        once("webpubsub.making").make(self, credential, **options)

    # What a client is until it is used.
    closes = 0
    _iterating = False  # who takes the messages: an iterator, or the dispatcher
    _waiting = False  # whether the iterator waits for one
    _dispatcher = None

    @property
    def state(self):
        """One of closed, connecting, connected, recovering, reconnecting, stopped."""
        return self.keeper.state

    @property
    def connection_id(self):
        """The id that the service gave this session, or None."""
        return self.session.connection_id

    @property
    def user_id(self):
        """The user id that the service knows this client by, or None."""
        return self.session.user_id

    # opening and closing

    async def open(self, timeout=30):
        """Connect: one try. From then on the connection is kept up, until `close()`.

        Raises:
            HandshakeError: the service refused; `.status` is its HTTP status.
            TransportError: it could not be reached; DeadlineError, a TransportError, when it did
                not answer within `timeout` seconds.
            ConnectionClosed: it let the client in, and closed.
            ProtocolError: what it said makes no sense.
            ValueError: the credential is wrong in itself, or the timeout.
            RuntimeError: the client is open already.
        """
        once("webpubsub.arguments").check("wait", timeout)
        self.start()
        await once("webpubsub.entering").enter(self, timeout)
        self.spawn(self.keeper.keep())

    def run(self):
        """Connect and stay connected, whatever happens, until `close()`; for firmware.

        Raises:
            Stopped: the client gave up; see Backoff.attempts.
            RuntimeError: the client is open already.
        """
        return once("webpubsub.running").run(self, self.closes)

    def start(self):
        """Begin, for `open` and `run`. Raises RuntimeError: the client is open already."""
        if self.state not in ("closed", "stopped"):
            raise RuntimeError("the client is open already")
        self.keeper.closing = False
        self.keeper.state = "connecting"
        self.session.groups = []
        self.inbox.reopen()
        if not self._iterating:
            self.release()

    async def close(self):
        """Close in an orderly way; the session ends. What waits for an answer fails."""
        self.closes += 1
        keeper = self.keeper
        if self.state == "closed" and not self.tasks:
            return
        keeper.end()
        keeper.release()
        keeper.send_sequence_ack()
        try:
            if keeper.ws:
                await keeper.ws.close()
        finally:
            if keeper.closing:  # not opened again after another task's close()
                # From here on it may be opened again.
                keeper.drop()
                keeper.ended()
                self.session.lost(True)
                self.inbox.end()
                self.release()
                self._dispatcher = None
                for outbox in self.outboxes:
                    outbox.save()
                tasks, self.tasks = self.tasks, []
                for task in tasks:
                    cancel(task)

    async def __aenter__(self):
        await self.open()
        return self

    def __aexit__(self, *exc):
        return self.close()

    def spawn(self, coroutine):
        """Run a coroutine as a task that ends with the client; returns the task.

        coroutine: of this package; what it raises goes nowhere."""
        # The reference keeps the task from being collected in mid-run.
        task = asyncio.create_task(coroutine)
        for other in list(self.tasks):
            if other.done():
                self.tasks.remove(other)
        self.tasks.append(task)
        return task

    # sending

    async def join_group(self, group):
        """Join a group; it is joined again after a reconnect. Errors as in `send_to_group`.

        group: str."""
        await self._request(self.codec.join_group, (group,))
        groups = self.session.groups
        if self.rejoins and group not in groups:
            groups.append(group)

    async def leave_group(self, group):
        """Leave a group. Errors as in `send_to_group`.

        group: str."""
        if group in self.session.groups:
            self.session.groups.remove(group)
        await self._request(self.codec.leave_group, (group,))

    def send_to_group(
        self, group, content, data_type=None, *, no_echo=False, ack=True, ack_id=None
    ):
        """Publish to a group; returns when the service has acknowledged.

        group: str. content: any JSON value, str or bytes. data_type: json, text or binary, on
        protobuf also protobuf (bytes of an Any); None guesses it from the content's type.
        no_echo: not to this client itself. ack: False returns once the frame is on its way.
        ack_id: an id of one's own, to repeat a request safely.

        Raises:
            AckError: the service refused, `.name` says why.
            SessionLost, DeadlineError, TransportError: `.outcome` says what became of it.
            ValueError, TypeError: the content does not fit the data type.
        """
        members = group, content, data_type, no_echo
        return self._request(self.codec.send_to_group, members, ack, ack_id, 1)

    def send_event(self, event, content, data_type=None, *, ack=True, ack_id=None):
        """Send an event to the hub's event handler; as `send_to_group`.

        event: its name, a str. content, data_type, ack, ack_id: as there."""
        return self._request(self.codec.send_event, (event, content, data_type), ack, ack_id, 1)

    async def flush(self, timeout=30):
        """Wait until everything sent is acknowledged, and every outbox is empty: before sleep.

        Raises DeadlineError; what waits in an outbox with a journal is on the flash then.

        timeout: seconds.
        """
        await once("webpubsub.flushing").flush(self, timeout)

    async def _request(self, build, members, ack=True, ack_id=None, messages=0):
        # Sends what the codec builds of the members; returns once it was answered.
        session, keeper = self.session, self.keeper
        if not ack:
            ack_id = None
        elif ack_id is None:
            ack_id = session.next_ack_id()
        elif not isinstance(ack_id, int) or ack_id >> 64:
            raise ValueError("ack_id must be a whole number from 0 to 2^64 - 1")
        try:
            frame = build(*members, ack_id)
        except MemoryError:
            raise OutOfMemory("no memory for what is to be sent")
        if keeper.closing or keeper.state in ("closed", "stopped"):
            raise TransportError("the client is not open")
        finished = asyncio.Event()
        request = keeper.request(ack_id, frame, finished.set, self.ack_timeout)
        try:
            keeper.submit(request)
            await finished.wait()
        except asyncio.CancelledError as error:
            error.outcome = request.outcome
            raise
        finally:
            session.finish(request)
        if request.error:
            raise request.error
        self.stats.messages_sent += messages

    # receiving

    def __aiter__(self):
        self._iterating = True
        return self

    async def __anext__(self):
        if self._waiting:
            raise RuntimeError("another task iterates over this client already")
        closes = self.closes
        self._iterating = self._waiting = True
        try:
            await self._next()
            inbox = self.inbox
            if not inbox.held:
                calls = self._take()
                if calls:
                    # Whoever gives up waiting gets this message when he asks again, and what
                    # the callbacks do has come to its end.
                    self.spawn(calls)
                    await inbox.ready()
            message, inbox.held = inbox.held, None
            hand_over()
            return message
        except (StopAsyncIteration, Stopped):
            if closes == self.closes:
                self.release()
            raise
        finally:
            if closes == self.closes:
                self._waiting = False

    def release(self):
        """Say that nobody iterates any more, so that message callbacks get the messages again."""
        self._iterating = self._waiting = self.keeper.stalled = False
        self.inbox.held = None  # its callbacks have got it
        open_ = self.state not in ("closed", "stopped")
        if open_ and self._dispatcher is None and self.wants_messages():
            self._dispatcher = self.spawn(self._dispatch())

    def _next(self):
        # Awaitable: until there is a message. Asking for it says that the last one is done with.
        self.keeper.stalled = False
        self.keeper.release()
        return self.inbox.ready()

    def _take(self):
        # Takes a message, which is in `inbox.held` then, and calls its callbacks: returns a
        # coroutine if there is something to wait for.
        inbox = self.inbox
        message, number = inbox.take()
        inbox.held = message
        self.session.hand(number, ticks_ms())
        if number is not None:
            self.keeper.watch_time()
        self.stats.messages_received += 1
        name = message.kind + "-message"
        if name in self._callbacks:
            calls = self._called(name, {"message": message})
            for coroutine in calls:
                inbox.busy = calls
                return self._guarded(name, coroutine, calls)
        return None

    # events

    def subscribe(self, name, callback):
        """Call `callback(event)`, plain or async, at each event of that name.

        A plain one is called at once, an async one goes on in a task of its own. Message
        callbacks run one after the other, in the order of the messages; they may send.

        name: of the event, as the class lists them. callback: function of an Event.
        """
        if name not in self._callbacks or not callable(callback):
            once("webpubsub.arguments").check("event", callback, name)
        self._callbacks.setdefault(name, []).append(callback)
        if not self._iterating:
            self.release()
        if name == "token-expires" and self.connection_id:
            once("webpubsub.confirming").watch(self)

    def unsubscribe(self, name, callback):
        """Undo `subscribe`.

        name, callback: as they were given to it."""
        self._callbacks.get(name, []).remove(callback)

    async def _dispatch(self):
        # Takes the messages for the callbacks while nobody iterates. It looks again once there is
        # a message, which would otherwise be lost to an iterator that began in the meantime.
        this = self._dispatcher
        try:
            while True:
                await self._next()
                if self._dispatcher is not this or self._iterating or not self.wants_messages():
                    break
                calls = self._take()
                self.inbox.held = None
                if calls:
                    await calls
        except (StopAsyncIteration, Stopped):
            pass
        finally:
            if self._dispatcher is this:
                self._dispatcher = None

    def has_subscribers(self, name):
        """Whether anybody subscribed to events of that name.

        name: of the events."""
        return bool(self._callbacks.get(name))

    def wants_messages(self):
        """Whether somebody is going to take the messages."""
        return not self.keeper.stalled and (
            self._iterating
            or self.has_subscribers("group-message")
            or self.has_subscribers("server-message")
        )

    def emit(self, name, **fields):
        """Call the subscribers of an event, and wait for none of them.

        name: of the event. Its fields are the other arguments, by their names."""
        for coroutine in self._called(name, fields):
            self.spawn(self._guarded(name, coroutine))

    def _called(self, name, fields):
        # Calls the callbacks one by one; yields what is left to wait for.
        for callback in list(self._callbacks.get(name, ())):
            try:
                result = callback(Event(name, fields))
                if hasattr(result, "send"):
                    yield result
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 see `_guarded`
                _report(error, name)

    async def _guarded(self, name, coroutine, calls=()):
        # Waits for a callback, and for those of `calls`, one after the other.
        while True:
            try:
                await coroutine
            except BaseException as error:  # a callback must not stop the client
                if ends_task(error, self.tasks):
                    raise
                _report(error, name)
            for coroutine in calls:  # noqa: B007 the next one
                break
            else:
                break
        if calls:
            self.inbox.rest(calls)


def _report(error, name):
    try:
        once("webpubsub.reporting").report(error, name)
    except Exception:  # noqa: BLE001 of the handler, which is the user's, or for want of memory
        print("the error of a callback cannot be told")


tidy_up()
