"""The rules of streams without a socket: the order, the clock, and whatever a client sends."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub.errors import ProtocolError
from localhub.hub.connection import Identity, Limits
from localhub.hub.hub import Hub
from localhub.protocol.frames import INVALID_DATA
from localhub.protocol.frames import TEXT as TEXT_FRAME
from localhub.protocol.json_codec import RELIABLE_JSON
from localhub.protocol.messages import (
    CancelInvocation,
    DataKind,
    EndStream,
    Invoke,
    Payload,
    SendToGroup,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamErrorName,
    StreamInfo,
    StreamNack,
)
from localhub.protocol.protobuf_codec import RELIABLE_PROTOBUF
from localhub.requests.streaming import Streaming
from localhub.requests.streams import MAX_STREAM_ID, Publication, StreamLimits, Streams

# A loaded machine is no reason to fail.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = Payload(DataKind.TEXT, b"x")
NOTHING = Payload(DataKind.TEXT, b"")


def start(stream_id="s", group="g", timeout=None, *, no_echo=False, surplus=False):
    return StartStream(group, stream_id, timeout, no_echo, surplus)


def data(sequence_id, stream_id="s", payload=TEXT):
    return StreamData(stream_id, sequence_id, payload)


def keep_alive(stream_id="s"):
    return StreamData(stream_id, None, None)


def streams(*, allowed=("g",), limit=100, timeout=300.0):
    return Streams(StreamLimits(limit, timeout), allowed.__contains__)


def closed_with(effects):
    """The error of the StreamClosed that is all there is."""
    (closed,) = effects
    assert isinstance(closed, StreamClosed)
    return closed.error.name


def ends_of(effects):
    """The end of a stream, as its publisher gets it and as the group does."""
    last, closed = effects
    assert isinstance(closed, StreamClosed)
    assert isinstance(last, Publication)
    assert last.info.end
    assert last.payload == NOTHING
    return closed.error, last.info


# -- the order ------------------------------------------------------------------------------


def test_a_stream_from_start_to_end():
    publisher = streams()
    assert publisher.start(start(no_echo=True), 0) == [StreamAck("s", 1)]
    for number in (1, 2, 3):
        assert publisher.data(data(number), 0) == [
            Publication("g", TEXT, StreamInfo("s", number), True),
            StreamAck("s", number + 1),
        ]
    assert publisher.end(EndStream("s")) == [
        Publication("g", NOTHING, StreamInfo("s", 4, end=True), True),
        StreamClosed("s"),
    ]
    assert publisher.next_deadline is None
    assert closed_with(publisher.end(EndStream("s"))) is StreamErrorName.STREAM_NOT_FOUND
    # The id is free again.
    assert publisher.start(start(), 0) == [StreamAck("s", 1)]


def test_gaps_and_repeats_change_nothing():
    publisher = streams()
    publisher.start(start(), 0)
    publisher.data(data(1), 0)
    for ahead in (3, 4, 2**64 - 1):
        (nack,) = publisher.data(data(ahead), 0)
        assert isinstance(nack, StreamNack)
        assert (nack.expected, nack.error.name) == (2, StreamErrorName.INVALID_SEQUENCE_ID)
    assert publisher.data(data(1), 0) == [StreamAck("s", 2)]
    assert publisher.data(data(2), 0)[-1] == StreamAck("s", 3)


def test_streams_of_one_connection_are_apart():
    publisher = streams(allowed=("g", "h"))
    publisher.start(start("a", "g"), 0)
    publisher.start(start("b", "h"), 0)
    assert publisher.data(data(1, "a"), 0)[0].group == "g"
    assert publisher.data(data(1, "b"), 0)[0].group == "h"
    publisher.end(EndStream("a"))
    assert publisher.data(data(2, "b"), 0)[-1] == StreamAck("b", 3)


# -- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (start(""), StreamErrorName.BAD_REQUEST),
        (start("x" * (MAX_STREAM_ID + 1)), StreamErrorName.BAD_REQUEST),
        (start(timeout=0), StreamErrorName.BAD_REQUEST),
        (start(surplus=True), StreamErrorName.BAD_REQUEST),
        (start(group=" "), StreamErrorName.BAD_REQUEST),
        (start(group="secret"), StreamErrorName.FORBIDDEN),
    ],
)
def test_starts_that_are_refused(request_, name):
    publisher = streams()
    assert closed_with(publisher.start(request_, 0)) is name
    assert publisher.next_deadline is None


def test_only_so_many_streams():
    publisher = streams(limit=2)
    publisher.start(start("a"), 0)
    publisher.start(start("b"), 0)
    assert closed_with(publisher.start(start("c"), 0)) is StreamErrorName.BAD_REQUEST
    publisher.end(EndStream("a"))
    assert publisher.start(start("c"), 0) == [StreamAck("c", 1)]


def test_a_start_that_is_repeated():
    publisher = streams(allowed=("g", "h"))
    assert publisher.start(start(), 0) == publisher.start(start(), 0) == [StreamAck("s", 1)]
    publisher.data(data(1), 0)
    error, last = ends_of(publisher.start(start(), 0))
    assert error.name is StreamErrorName.BAD_REQUEST
    assert last == StreamInfo("s", 2, True, StreamError(StreamErrorName.CANCELLED, error.message))
    assert publisher.next_deadline is None
    # Another stream of the same name, and not a repetition.
    publisher.start(start(), 0)
    error, _ = ends_of(publisher.start(start(group="h"), 0))
    assert error.name is StreamErrorName.BAD_REQUEST


@pytest.mark.parametrize("half", [data(0), data(1, payload=None), data(None)])
def test_half_a_piece_ends_the_stream(half):
    publisher = streams()
    publisher.start(start(), 0)
    error, last = ends_of(publisher.data(half, 0))
    assert error.name is StreamErrorName.BAD_REQUEST
    assert last.error.name is StreamErrorName.CANCELLED
    assert publisher.next_deadline is None


def test_a_permission_that_is_taken_away():
    allowed = {"g"}
    publisher = streams(allowed=allowed)
    publisher.start(start(), 0)
    publisher.data(data(1), 0)
    allowed.clear()
    error, last = ends_of(publisher.data(data(2), 0))
    assert error.name is last.error.name is StreamErrorName.FORBIDDEN
    assert last.sequence_id == 2


def test_an_end_with_the_publishers_error():
    publisher = streams()
    publisher.start(start(), 0)
    error, last = ends_of(publisher.end(EndStream("s", True, "burnt", "E1")))
    assert error is None
    assert last.error == StreamError(StreamErrorName.USER_ERROR, "burnt", "E1")


# -- the clock ------------------------------------------------------------------------------


def test_silence_ends_a_stream():
    publisher = streams(timeout=300)
    publisher.start(start("a"), 1000.0)
    publisher.start(start("b", timeout=1500), 1000.0)
    assert publisher.next_deadline == 1001.5
    assert publisher.close_idle(1001.4) == []
    publisher.data(keep_alive("b"), 1001.4)
    assert publisher.close_idle(1002.8) == []
    publisher.data(data(9, "b"), 1002.8)  # refused, and a sign of life
    assert publisher.next_deadline == 1004.3
    error, last = ends_of(publisher.close_idle(1004.3))
    assert error.name is last.error.name is StreamErrorName.IDLE_TIMEOUT
    assert last.stream_id == "b"
    assert publisher.next_deadline == 1300.0
    assert closed_with(publisher.data(keep_alive("b"), 1005)) is StreamErrorName.STREAM_NOT_FOUND


def test_the_end_of_the_connection_ends_all_streams():
    publisher = streams()
    publisher.start(start("a"), 0)
    publisher.start(start("b"), 0)
    effects = publisher.close_all()
    infos = [effect.info for effect in effects if isinstance(effect, Publication)]
    assert [info.stream_id for info in infos] == ["a", "b"]
    assert {info.error.name for info in infos} == {StreamErrorName.CANCELLED}
    assert publisher.close_all() == []


# -- whatever a client sends ----------------------------------------------------------------

IDS = st.sampled_from(["", "a", "b", "c", "x" * 2000])
NUMBERS = st.one_of(st.none(), st.integers(0, 6), st.just(2**64 - 1))
REQUESTS = st.one_of(
    st.builds(
        StartStream,
        st.sampled_from(["g", "h", "forbidden", "", " "]),
        IDS,
        st.sampled_from([None, 0, 1, 5, 2**32 - 1]),
        st.booleans(),
        st.sampled_from([False, False, False, True]),
    ),
    st.builds(StreamData, IDS, NUMBERS, st.sampled_from([None, TEXT])),
    st.builds(StreamData, IDS, st.integers(1, 4), st.just(TEXT)),
    st.builds(EndStream, IDS, st.booleans(), st.sampled_from([None, "m"]), st.none()),
    st.floats(0, 10),  # time passes
)


@patient
@given(st.lists(REQUESTS, max_size=60), st.integers(1, 3))
def test_no_order_of_requests_breaks_the_order_of_a_stream(requests, limit):
    publisher = streams(allowed=("g", "h"), limit=limit, timeout=7)
    now = 0.0
    open_: dict[str, int] = {}  # the next number of each
    seen = defaultdict(list)
    for request in requests:
        if isinstance(request, float):
            now += request
            effects = publisher.close_idle(now)
        elif isinstance(request, StartStream):
            effects = publisher.start(request, now)
        elif isinstance(request, StreamData):
            effects = publisher.data(request, now)
        else:
            effects = publisher.end(request)
        assert isinstance(request, float) or effects or request.sequence_id is None
        for effect in effects:
            if isinstance(effect, Publication):
                info = effect.info
                assert info.sequence_id == open_[info.stream_id]
                seen[info.stream_id].append(info)
                open_[info.stream_id] += 1
            elif isinstance(effect, StreamClosed):
                if open_.pop(effect.stream_id, None) is not None:
                    assert seen.pop(effect.stream_id)[-1].end
            elif isinstance(effect, StreamAck):
                assert effect.expected == open_.setdefault(effect.stream_id, 1)
            else:
                assert effect.expected == open_[effect.stream_id]
        assert not any(info.end for infos in seen.values() for info in infos)
        assert len(open_) <= limit
        assert (publisher.next_deadline is None) == (not open_)
        assert publisher.next_deadline is None or publisher.next_deadline > now - 1e-9
    ended = [effect for effect in publisher.close_all() if isinstance(effect, StreamClosed)]
    assert sorted(closed.stream_id for closed in ended) == sorted(open_)
    assert publisher.next_deadline is None


MEMBERS = st.dictionaries(
    st.sampled_from(
        [
            "group",
            "noEcho",
            "ackId",
            "stream",
            "streamId",
            "streamSequenceId",
            "dataType",
            "data",
            "error",
            "invocationId",
            "target",
            "event",
        ]
    ),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 3),
        st.sampled_from(
            ["", "g", "s", "text", "json", "binary", "event", 2**64, 1.5, [], "\ud800"]
        ),
        st.dictionaries(
            st.sampled_from(["streamId", "idleTimeoutMs", "message", "userErrorCode"]),
            st.one_of(st.none(), st.integers(-1, 2**33), st.sampled_from(["", "s"])),
        ),
    ),
)
KINDS = st.sampled_from(["sendToGroup", "streamData", "streamEnd", "invoke", "cancelInvocation"])


@patient
@given(st.lists(st.tuples(KINDS, MEMBERS), max_size=5))
def test_whatever_json_a_client_sends(frames):
    """A frame is refused with all that is in it, or it is executed; nothing else happens."""
    publisher = streams()
    for kind, members in frames:
        text = json.dumps({"type": kind, **members}).encode()
        refused = None
        try:
            request = RELIABLE_JSON.decode(TEXT_FRAME, text)
        except ProtocolError as error:
            refused = error
        if refused is not None:
            assert refused.code == INVALID_DATA
            assert len(refused.reason.encode()) <= 123
            continue
        if isinstance(request, StartStream):
            effects = publisher.start(request, 0)
        elif isinstance(request, StreamData):
            effects = publisher.data(request, 0)
        elif isinstance(request, EndStream):
            effects = publisher.end(request)
        else:
            assert isinstance(request, Invoke | CancelInvocation | SendToGroup)
            continue
        for effect in effects:
            if not isinstance(effect, Publication):
                assert RELIABLE_JSON.reply(effect)
                assert RELIABLE_PROTOBUF.reply(effect)


# -- with a hub, without sockets ------------------------------------------------------------


async def test_many_slow_publishers_end_one_after_the_other():
    """Each end is a message that ends the next one: they must not end inside each other."""
    hub = Hub("h", Limits(buffer_messages=2), lambda connection, _: streaming.ended(connection))
    streaming = Streaming(hub, StreamLimits())
    everybody = []
    for _ in range(400):
        identity = Identity(roles=("webpubsub.sendToGroup",), groups=("g",))
        connection = hub.connect(RELIABLE_JSON, identity)
        streaming.start(connection, start())
        everybody.append(connection)
    assert streaming.timers == 400
    for _ in range(3):
        hub.send_to_group("g", TEXT)
    assert all(connection.ended for connection in everybody)
    await asyncio.sleep(0)
    assert streaming.timers == 0
    assert len(streaming) == 0


async def test_a_connection_that_is_over_starts_nothing():
    hub = Hub("h", Limits(), lambda connection, _: streaming.ended(connection))
    streaming = Streaming(hub, StreamLimits())
    connection = hub.connect(RELIABLE_JSON, Identity(roles=("webpubsub.sendToGroup",)))
    connection.drop("gone")
    streaming.start(connection, start())
    streaming.data(connection, data(1))
    streaming.end(connection, EndStream("s"))
    assert len(streaming) == 0
    assert streaming.timers == 0
