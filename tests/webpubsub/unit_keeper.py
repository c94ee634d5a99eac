"""What becomes of a connection that ends: recovery, reconnection, giving up. Without a network."""

import asyncio

import webpubsub.keeper as keeper
import webpubsub.reconnecting as reconnecting
import webpubsub.recovery as recovery
from checks import equal
from webpubsub import AccessToken, Backoff, HandshakeError, Stopped, WebPubSubClient
from webpubsub.errors import OutOfMemory, ProtocolError, SessionLost, TransportError

PROTOCOL = "json.reliable.webpubsub.azure.v1"
CONNECTED = (
    b'{"type":"system","event":"connected","connectionId":"c%d","userId":"u",'
    b'"reconnectionToken":"t%d"}'
)
EVENTS = (
    "connected recovering recovered reconnecting reconnected disconnected stopped"
    " rejoin-group-failed"
)


class Wire:
    """The connections of a test, one after the other, and what each of them is going to do.

    plan: for each attempt an exception that opening raises, or a list of what is received: bytes
    of a frame, an exception, or an int (the service's close code). Requests to join are answered.
    """

    def __init__(self, *plan):
        self.plan = list(plan)
        self.urls = []
        self.sent = []
        self.made = []
        self.slept = []

    def connection(self, receiver, transmitter):
        made = Fake(self, receiver)
        self.made.append(made)
        return made


class Fake:
    """As much of a Connection as a Keeper needs."""

    protocol = PROTOCOL
    close_code = None
    close_reason = ""
    bytes_received = bytes_sent = 1
    view = b""

    def __init__(self, wire, receiver):
        self.wire = wire
        self.receiver = receiver
        self.script = None
        self.wake = asyncio.Event()

    @property
    def closed(self):
        return self.close_code is not None

    async def open(self, url=None, **options):
        self.wire.urls.append(url)
        step = self.wire.plan.pop(0) if self.wire.plan else []
        if isinstance(step, Exception):
            raise step
        self.script = step

    def poll_view(self):
        return 0

    async def receive_view(self):
        while not self.script and not self.closed:
            await self.wake.wait()
            self.wake.clear()
        item = self.script.pop(0) if self.script else TransportError("closed")
        await asyncio.sleep(0)
        if isinstance(item, Exception):
            raise item
        if isinstance(item, int):
            self.close_code = item
            return 8
        self.view = item
        return 1

    def view_holds(self, part):
        return False

    def post_frame(self, frame, opcode):
        self.wire.sent.append((len(self.wire.made), bytes(frame)))
        if b"joinGroup" in frame:
            number = int(bytes(frame).partition(b'"ackId":')[2][:-1])
            self.script.append(b'{"type":"ack","ackId":%d,"success":true}' % number)
            self.wake.set()
        return True

    async def send_frame(self, frame, opcode):
        self.post_frame(frame, opcode)

    async def free(self):
        # As a real one: nobody is woken who waits although no frame is on its way out.
        await asyncio.Event().wait()

    async def close(self, code=1000, reason=""):
        self.wire.sent.append((len(self.wire.made), code))
        self.abort()

    def abort(self):
        self.close_code = self.close_code or 1006
        self.wake.set()


class Loop:
    """The asyncio of recovery.py and reconnecting.py, with pauses that are over at once."""

    TimeoutError = asyncio.TimeoutError

    def __init__(self, wire):
        self.wire = wire

    async def sleep(self, seconds):
        self.wire.slept.append(seconds)
        await asyncio.sleep(0)

    def wait_for(self, awaitable, seconds):
        return asyncio.wait_for(awaitable, min(seconds, 5))


def connected(number):
    return CONNECTED % (number, number)


def names(diary):
    return [event.name for event in diary]


async def until_stopped(client):
    try:
        await client.run()
    except Stopped:
        pass


def live(wire, body, credential="ws://127.0.0.1/client/hubs/a?id=1", **options):
    """Run a client on a wire; `body(client, diary)` is awaited beside its run()."""

    async def run():
        options.setdefault("backoff", Backoff(first=0.01, maximum=0.02))
        client = WebPubSubClient(credential, **options)
        diary = []
        for name in EVENTS.split():
            client.subscribe(name, diary.append)
        running = asyncio.create_task(until_stopped(client))
        try:
            await asyncio.wait_for(body(client, diary), 10)
        finally:
            await client.close()
            await running
        for event in diary:
            reason = getattr(event, "reason", None)
            # An exception with a text for people; MicroPython's last MemoryError may have none.
            assert reason or not hasattr(event, "reason"), event.name
            if reason and not isinstance(reason, MemoryError):
                assert isinstance(reason, Exception), event.name
                assert str(reason), event.name

    saved = keeper.Connection, asyncio
    keeper.Connection = wire.connection
    recovery.asyncio = reconnecting.asyncio = Loop(wire)
    try:
        asyncio.run(run())
    finally:
        keeper.Connection, recovery.asyncio = saved
        reconnecting.asyncio = asyncio


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


def test_a_session_is_taken_up_again():
    wire = Wire([connected(1), TransportError("cut")], [connected(1)])

    async def body(client, diary):
        await until(lambda: client.stats.recoveries == 1)
        equal(names(diary), ["connected", "recovering", "recovered"])
        equal((client.state, client.connection_id), ("connected", "c1"))
        assert "awps_connection_id=c1" in wire.urls[1]
        assert "awps_reconnection_token=t1" in wire.urls[1]
        assert "id=1" in wire.urls[1]
        # A ping shows whether the service took it up, before anything is sent again.
        equal(wire.sent[0], (2, b'{"type":"ping"}'))

    live(wire, body)


def test_no_token_goes_along_with_a_recovery():
    wire = Wire([connected(1), TransportError("cut")], [connected(1)])

    async def body(client, diary):
        await until(lambda: client.stats.recoveries == 1)
        assert "access_token=a.b.c" in wire.urls[0]
        assert "access_token" not in wire.urls[1]

    live(wire, body, AccessToken("ws://127.0.0.1", "a", "a.b.c"))


def test_both_buffers_serve_all_connections():
    wire = Wire([connected(1), TransportError("cut")], [connected(1)])

    async def body(client, diary):
        await until(lambda: client.stats.recoveries == 1)
        assert wire.made[0].receiver is wire.made[1].receiver

    live(wire, body)


def test_a_recovery_is_tried_again_after_a_second():
    wire = Wire(
        [connected(1), TransportError("cut")],
        TransportError("no route"),
        HandshakeError("busy", 503, "", 7),
        [connected(1)],
    )

    async def body(client, diary):
        await until(lambda: client.stats.recoveries == 1)
        equal(wire.slept, [1, 7])
        equal(names(diary), ["connected", "recovering", "recovered"])

    live(wire, body)


def test_a_pause_that_outlasts_the_session_begins_a_new_one():
    wire = Wire([connected(1), TransportError("cut")], HandshakeError("busy", 503, "", 40))

    async def body(client, diary):
        wire.plan.append([connected(2)])
        await until(lambda: client.connection_id == "c2")
        equal([seconds for seconds in wire.slept if seconds >= 1], [40])
        assert "reconnected" in names(diary)

    live(wire, body)


def test_a_service_that_refuses_the_recovery():
    wire = Wire([connected(1), TransportError("cut")], [1008], [connected(2)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c2")
        equal(
            names(diary),
            [
                "connected",
                "recovering",
                "disconnected",
                "reconnecting",
                "connected",
                "reconnected",
            ],
        )
        equal((client.stats.recoveries, client.stats.reconnects), (0, 1))

    live(wire, body)


def test_a_code_that_rules_a_recovery_out():
    for code in (1002, 1007, 1008, 1009):
        diaries = []

        async def body(client, diary):
            diaries.append(diary)  # noqa: B023 awaited in this turn
            await until(lambda: client.connection_id == "c2")

        live(Wire([connected(1), code], [connected(2)]), body)
        assert "recovering" not in names(diaries[0])
        equal(diaries[0][1].code, code)


def test_a_protocol_error_is_told_and_ends_the_session():
    wire = Wire([connected(1), ProtocolError(1007, "not JSON")], [connected(2)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c2")
        equal(wire.sent[0], (1, 1007))
        assert "recovering" not in names(diary)

    live(wire, body)


def test_groups_are_joined_again_ahead_of_what_waits():
    join = b'{"type":"joinGroup","group":"g","ackId":1}'
    wire = Wire([connected(1)], [connected(2)])

    async def body(client, diary):
        await until(lambda: client.state == "connected")
        await client.join_group("g")
        client.session.token = None  # no recovery
        send = asyncio.create_task(client.send_to_group("g", 1))
        await until(lambda: len(wire.sent) == 2)
        client.keeper.ws.abort()
        again = asyncio.create_task(client.send_to_group("g", 2))
        await until(lambda: client.connection_id == "c2")
        await until(lambda: len([each for each in wire.sent if each[0] == 2]) >= 2)
        second = [frame for number, frame in wire.sent if number == 2]
        assert b"joinGroup" in second[0], second
        assert b"sendToGroup" in second[1], second
        equal(wire.sent[0], (1, join))
        try:
            await send
            raise AssertionError("nobody answered it")
        except SessionLost as error:
            equal(error.outcome, "unknown")
        again.cancel()

    live(wire, body)


def attempts_after_a_connection_of(seconds):
    """The number of the first attempt after one that was the third, and then lasted so long."""
    refused = HandshakeError("no", 401)
    wire = Wire(refused, refused, refused, [connected(1)], [connected(2)])
    attempts = []

    async def body(client, diary):
        await until(lambda: client.connection_id == "c1")
        keeper.ticks_ms = lambda: (clock() + 1000 * seconds) % (1 << 30)
        client.session.token = None  # no recovery
        client.keeper.ws.abort()
        await until(lambda: client.connection_id == "c2")
        attempts.extend([event.attempt for event in diary if event.name == "reconnecting"])

    clock = keeper.ticks_ms
    try:
        live(wire, body, backoff=Backoff(first=40, maximum=60))
    finally:
        keeper.ticks_ms = clock
    equal(attempts[:3], [1, 2, 3])
    return attempts[3]


def test_a_short_connection_does_not_start_the_delays_anew():
    equal(attempts_after_a_connection_of(20), 4)


def test_a_long_connection_starts_the_delays_anew():
    equal(attempts_after_a_connection_of(31), 1)


def test_a_connection_longer_than_the_clock_can_tell():
    # MicroPython's ticks wrap after 12 days: the duration of a longer one looks negative.
    equal(attempts_after_a_connection_of(8 * 86400), 1)


def test_delays_and_their_reason():
    refused = HandshakeError("no", 401)
    wire = Wire(refused, refused, refused, [connected(1)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c1")
        waits = [event for event in diary if event.name == "reconnecting"]
        equal([event.attempt for event in waits], [1, 2, 3])
        assert all(event.reason is refused for event in waits)
        equal(len(wire.slept), 3)

    live(wire, body)


def test_the_service_decides_how_long_to_wait():
    wire = Wire(HandshakeError("busy", 429, "", 20), [connected(1)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c1")
        equal(wire.slept, [20])

    live(wire, body)


def test_not_longer_than_an_hour():
    wire = Wire(HandshakeError("busy", 429, "", 86400), [connected(1)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c1")
        equal(wire.slept, [3600])

    live(wire, body)


def test_giving_up():
    wire = Wire(*[TransportError("no")] * 5)

    async def body(client, diary):
        await until(lambda: client.state == "stopped")
        equal(names(diary), ["reconnecting", "reconnecting", "stopped"])
        equal(len(wire.urls), 3)
        equal(client.keeper.ws, None)

    live(wire, body, backoff=Backoff(first=0.01, attempts=2))


def test_a_credential_that_is_wrong_in_itself_stops_the_client():
    wire = Wire()

    async def body(client, diary):
        await until(lambda: client.state == "stopped")
        assert isinstance(diary[-1].reason, ValueError)
        equal(wire.urls, [])

    live(wire, body, "ftp://h/client/hubs/a")


def test_memory_that_is_out_is_waited_for():
    # Nothing of it ends the client: neither while it connects nor while it reads.
    wire = Wire(
        OutOfMemory("no memory for TLS"),
        MemoryError(),
        [connected(1), MemoryError()],
        [connected(2)],
    )

    async def body(client, diary):
        await until(lambda: client.connection_id == "c2")
        equal([event.code for event in diary if event.name == "disconnected"], [1009])

    live(wire, body)


def test_a_wrong_subprotocol():
    wire = Wire([connected(1)], [connected(2)])
    Fake.protocol = "mqtt"

    async def body(client, diary):
        await until(lambda: "reconnecting" in names(diary))
        assert "does not speak" in str(diary[0].reason)

    try:
        live(wire, body)
    finally:
        Fake.protocol = PROTOCOL


def test_ready_is_awaited_before_each_attempt():
    wire = Wire([connected(1), TransportError("cut")], TransportError("no"), [connected(1)])
    asked = []

    async def ready():
        asked.append(len(wire.urls))

    async def body(client, diary):
        await until(lambda: client.stats.recoveries == 1)
        # Before the deadline of a new session, and in it; once for each recovery.
        equal(asked, [0, 0, 1, 2])

    live(wire, body, ready=ready)


def test_a_link_that_does_not_answer_is_not_fed():
    # On a chip what TCP has not acknowledged stays in memory that is short.
    wire = Wire([connected(1)])

    async def body(client, diary):
        await until(lambda: client.state == "connected")
        tasks = [asyncio.create_task(client.send_event("e", number)) for number in range(12)]
        await until(lambda: len(wire.sent) >= 8)
        for _ in range(50):  # enough for the others, if they went
            await asyncio.sleep(0)
        equal(len(wire.sent), 8)
        wire.made[0].bytes_received += 1  # it has answered something
        await until(lambda: len(wire.sent) == 12)
        assert b'"data":11' in wire.sent[11][1], wire.sent
        # What asks for no answer does not wait for one.
        wire.sent.clear()
        for number in range(12):
            await client.send_event("e", number, ack=False)
        equal(len(wire.sent), 12)
        for task in tasks:
            task.cancel()

    # As on a chip with so much memory of ESP-IDF.
    saved = keeper.idf_heap
    keeper.idf_heap = lambda: (100000, 60000)
    try:
        live(wire, body)
    finally:
        keeper.idf_heap = saved
