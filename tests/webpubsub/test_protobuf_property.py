"""The device's own protobuf against the protobuf package, on whatever hypothesis comes up with."""

from __future__ import annotations

import json

from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from localhub.protocol.client_pb2 import DownstreamMessage, MessageData, UpstreamMessage
from webpubsub import protobuf_protocol as codec
from webpubsub.errors import ProtocolError
from webpubsub.messages import ACK, CONNECTED, DISCONNECTED, Message

# A loaded machine is no reason to fail.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

IDS = st.integers(0, 2**64 - 1)
MAYBE_ID = st.one_of(st.none(), IDS)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=8,
)
ANYS = st.builds(lambda url, value: AnyMessage(type_url=url, value=value), TEXTS, st.binary())


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# (content, data_type) as a program gives them, and the MessageData that it stands for.
CONTENTS = st.one_of(
    st.tuples(TEXTS, st.sampled_from([None, "text"])).map(
        lambda one: (*one, MessageData(text_data=one[0]))
    ),
    st.tuples(st.binary(max_size=20_000), st.sampled_from([None, "binary"])).map(
        lambda one: (*one, MessageData(binary_data=one[0]))
    ),
    VALUES.map(lambda value: (value, "json", MessageData(json_data=compact(value)))),
    st.dictionaries(TEXTS, NUMBERS).map(
        lambda value: (value, None, MessageData(json_data=compact(value)))
    ),
    ANYS.map(lambda one: (one.SerializeToString(), "protobuf", MessageData(protobuf_data=one))),
)


# -- requests -------------------------------------------------------------------------------


def same(frame, **message):
    assert bytes(frame) == UpstreamMessage(**message).SerializeToString()


@patient
@given(TEXTS, MAYBE_ID)
def test_requests_without_content(name, number):
    group = {"group": name, "ack_id": number}
    same(codec.join_group(name, number), join_group_message=group)
    same(codec.leave_group(name, number), leave_group_message=group)
    same(codec.PING, ping_message={})
    if number:
        same(codec.sequence_ack(number), sequence_ack_message={"sequence_id": number})


@patient
@given(TEXTS, MAYBE_ID, CONTENTS, st.booleans())
def test_requests_with_content(name, number, content, no_echo):
    value, data_type, data = content
    same(
        codec.send_to_group(name, value, data_type, no_echo, number),
        send_to_group_message={
            "group": name,
            "ack_id": number,
            "data": data,
            "no_echo": no_echo or None,
        },
    )
    same(
        codec.send_event(name, value, data_type, number),
        event_message={"event": name, "ack_id": number, "data": data},
    )


# -- frames of the service ------------------------------------------------------------------

STREAMS = st.fixed_dictionaries({"stream_id": TEXTS, "stream_sequence_id": IDS})
# Fields that the device does not know.
EXTRAS = st.fixed_dictionaries(
    {},
    optional={"metadata": st.dictionaries(TEXTS, TEXTS, max_size=2), "stream": STREAMS},
)


def read(frame, escaped=True):
    return codec.decode(memoryview(frame.SerializeToString()), escaped)


@patient
@given(st.one_of(st.none(), TEXTS), CONTENTS, MAYBE_ID, EXTRAS)
def test_messages(group, content, number, extras):
    value, data_type, data = content
    origin = "server" if group is None else "group"
    message = DownstreamMessage.DataMessage(
        group=group, data=data, sequence_id=number, **{"from": origin}, **extras
    )
    found = read(DownstreamMessage(data_message=message))
    assert (found.kind, found.group, found.data) == (origin, group, value)
    assert found.data_type == data.WhichOneof("data").partition("_")[0]
    assert data_type in (None, found.data_type)
    assert (found.from_user_id, found.sequence_id) == (None, number)


@patient
@given(IDS, TEXTS, TEXTS, TEXTS)
def test_what_is_no_message(number, one, two, three):
    ack = DownstreamMessage.AckMessage(ack_id=number, success=True)
    assert read(DownstreamMessage(ack_message=ack)) == (ACK, number, None, None)
    ack.success = False
    ack.error.name, ack.error.message = one, two
    assert read(DownstreamMessage(ack_message=ack)) == (ACK, number, one or "Unknown", two)
    system = DownstreamMessage.SystemMessage()
    hello = system.connected_message
    hello.connection_id, hello.user_id, hello.reconnection_token = one, two, three
    assert read(DownstreamMessage(system_message=system)) == (
        CONNECTED,
        one,
        two or None,
        three or None,
    )
    system.disconnected_message.reason = one
    assert read(DownstreamMessage(system_message=system)) == (DISCONNECTED, one)
    for fields in (
        {"pong_message": {}},
        {"stream_ack_message": {"stream_id": one, "expected_sequence_id": number}},
        {"stream_nack_message": {"stream_id": one, "name": two}},
        {"stream_closed_message": {"stream_id": one, "error": {"name": two}}},
    ):
        assert read(DownstreamMessage(**fields)) is None


# -- garbage --------------------------------------------------------------------------------


def _samples(data, number):
    message = {"group": "gé", "data": data, "sequence_id": number, "from": "group"}
    error = {"name": "Forbidden", "message": "é"}
    hello = {"connection_id": "c", "user_id": "u", "reconnection_token": "t"}
    return (
        DownstreamMessage(data_message=DownstreamMessage.DataMessage(**message)),
        DownstreamMessage(ack_message={"ack_id": number, "success": True}),
        DownstreamMessage(ack_message={"ack_id": number, "error": error}),
        DownstreamMessage(system_message={"connected_message": hello}),
        DownstreamMessage(system_message={"disconnected_message": {"reason": "é"}}),
    )


def refusal(frame):
    """Decode what a service may send: what `decode` names, or a ProtocolError, nothing else."""
    try:
        found = codec.decode(memoryview(frame), True)
    except ProtocolError as error:
        return error.code
    assert found is None or isinstance(found, (Message, tuple))
    return None


@patient
@given(st.binary(max_size=64))
@example(b"\x1b" * 10_000)
@example(b"\x12" + b"\xff" * 9 + b"\x01")
@example(b"\xff" * 100)
def test_garbage(frame):
    assert refusal(frame) in (None, 1007)


@patient
@given(CONTENTS, IDS, st.integers(0, 4), st.data())
def test_damaged_frames(content, number, which, data):
    frame = bytearray(_samples(content[2], number)[which].SerializeToString())
    cut = data.draw(st.integers(0, len(frame) - 1), "cut")
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        at = data.draw(st.integers(0, len(frame) - 1), "at")
        frame[at] = data.draw(st.integers(0, 255), "byte")
    for damaged in (frame, frame[:cut], frame[cut:], frame + frame[cut:]):
        assert refusal(damaged) in (None, 1007)


@patient
@given(CONTENTS, IDS, st.integers(0, 4), st.data())
def test_truncated_frames(content, number, which, data):
    frame = _samples(content[2], number)[which].SerializeToString()
    cut = data.draw(st.integers(1, len(frame) - 1))
    assert refusal(frame[:cut]) == 1007
