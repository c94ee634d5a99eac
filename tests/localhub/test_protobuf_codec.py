"""The protobuf codec without a connection: every message, any garbage, and its generated code."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from localhub.errors import ProtocolError
from localhub.hub.delivery import Delivery
from localhub.protocol import client_pb2
from localhub.protocol.client_pb2 import DownstreamMessage, MessageData, UpstreamMessage
from localhub.protocol.frames import BINARY, TEXT, encode_frame
from localhub.protocol.messages import (
    AckError,
    AckErrorName,
    DataKind,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from localhub.protocol.protobuf_codec import PROTOBUF, RELIABLE_PROTOBUF

HOST_TOOLS = Path(client_pb2.__file__).parents[2]
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
IDS = st.integers(0, 2**64 - 1)
PAYLOADS = st.one_of(
    st.builds(lambda text: Payload(DataKind.TEXT, text.encode()), TEXTS),
    st.builds(Payload, st.just(DataKind.BINARY), st.binary(max_size=300)),
    st.sampled_from([b"1", b'{"a": 1.0}', '"é"'.encode(), b"[]", b" true "]).map(
        lambda text: Payload(DataKind.JSON, text)
    ),
    st.builds(
        lambda url, value: Payload(
            DataKind.PROTOBUF, AnyMessage(type_url=url, value=value).SerializeToString()
        ),
        TEXTS,
        st.binary(max_size=300),
    ),
)


def data_of(payload):
    """A payload as the package writes it."""
    if payload.kind is DataKind.BINARY:
        return MessageData(binary_data=payload.data)
    if payload.kind is DataKind.PROTOBUF:
        return MessageData(protobuf_data=AnyMessage.FromString(payload.data))
    return MessageData(**{f"{payload.kind.value}_data": payload.data.decode()})


def frame_of(message):
    return encode_frame(BINARY, message.SerializeToString())


# -- generated code -------------------------------------------------------------------------


def test_the_generated_code_is_that_of_the_proto_file(tmp_path):
    target = tmp_path / "set"
    include = str(files("grpc_tools") / "_proto")
    command = ["protoc", f"-I{HOST_TOOLS}", f"-I{include}", f"--descriptor_set_out={target}"]
    assert protoc.main([*command, "localhub/protocol/client.proto"]) == 0
    (compiled,) = FileDescriptorSet.FromString(target.read_bytes()).file
    generated = FileDescriptorProto.FromString(client_pb2.DESCRIPTOR.serialized_pb)
    for message in compiled.message_type:
        _forget_json_names(message)
    assert generated == compiled


def _forget_json_names(message):
    # Generated code does without what follows from the other names.
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _forget_json_names(nested)


def test_only_those_who_need_protobuf_load_it():
    script = (
        "import sys, localhub.service, localhub.protocol.subprotocols as s\n"
        "assert s.find_codec('json.webpubsub.azure.v1')\n"
        "assert s.find_codec('protobuf.webpubsub') is None\n"
        "assert not [name for name in sys.modules if name.startswith('google')]\n"
        "assert s.find_codec('Protobuf.reliable.webpubsub.azure.v1').reliable\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


# -- from the service -----------------------------------------------------------------------


@patient
@given(PAYLOADS, st.one_of(st.none(), TEXTS), st.lists(IDS.filter(bool), max_size=4))
def test_messages_are_as_the_package_writes_them(payload, group, sequence_ids):
    message = Message(payload, group, "somebody")
    encoded = RELIABLE_PROTOBUF.encode(message)
    data = {"data": data_of(payload), "from": "server" if group is None else "group"}
    expected = DownstreamMessage.DataMessage(group=group, **data)
    for sequence_id in [*sequence_ids, *sequence_ids[:1]]:
        expected.sequence_id = sequence_id
        frame = frame_of(DownstreamMessage(data_message=expected))
        assert encoded.numbered(sequence_id) == frame
    expected.ClearField("sequence_id")
    assert encoded.plain == frame_of(DownstreamMessage(data_message=expected))


@pytest.mark.parametrize("size", [0, 100, 105, 110, 115, 120, 125, 130, 16_370, 16_390, 2**21])
def test_lengths_at_the_borders_of_their_encodings(size):
    encoded = PROTOBUF.encode(Message(Payload(DataKind.BINARY, bytes(size))))
    for sequence_id in (1, 127, 128, 2**63):
        frame = encoded.numbered(sequence_id)
        payload = frame[2 if len(frame) < 128 else 4 if len(frame) < 65_540 else 10 :]
        read = DownstreamMessage.FromString(payload).data_message
        assert (len(read.data.binary_data), read.sequence_id) == (size, sequence_id)


def test_one_message_is_encoded_once_for_all_clients():
    delivery = Delivery(Message(Payload(DataKind.TEXT, b"x"), "g"))
    assert delivery.encoded(RELIABLE_PROTOBUF) is delivery.encoded(RELIABLE_PROTOBUF)
    encoded = delivery.encoded(RELIABLE_PROTOBUF)
    assert encoded.numbered(5) is encoded.numbered(5)


@patient
@given(IDS, st.sampled_from(AckErrorName), TEXTS)
def test_acks(ack_id, name, text):
    ack = DownstreamMessage.AckMessage(ack_id=ack_id, success=True)
    assert PROTOBUF.ack(ack_id, None) == frame_of(DownstreamMessage(ack_message=ack))
    ack.success = False
    ack.error.name, ack.error.message = name.value, text
    assert PROTOBUF.ack(ack_id, AckError(name, text)) == frame_of(
        DownstreamMessage(ack_message=ack)
    )


# -- from clients ---------------------------------------------------------------------------


@patient
@given(TEXTS, st.one_of(st.none(), IDS), PAYLOADS, st.booleans())
def test_requests(name, ack_id, payload, no_echo):
    data = data_of(payload)
    group = {"group": name, "ack_id": ack_id}
    for kind, fields, request in (
        ("join_group_message", group, JoinGroup(name, ack_id)),
        ("leave_group_message", group, LeaveGroup(name, ack_id)),
        (
            "send_to_group_message",
            {**group, "data": data, "no_echo": no_echo or None},
            SendToGroup(name, payload, no_echo, ack_id),
        ),
        (
            "event_message",
            {"event": name, "ack_id": ack_id, "data": data},
            SendEvent(name, payload, ack_id),
        ),
        ("sequence_ack_message", {"sequence_id": ack_id}, SequenceAck(ack_id or 0)),
    ):
        frame = UpstreamMessage(**{kind: fields}).SerializeToString()
        assert RELIABLE_PROTOBUF.decode(BINARY, frame) == request


def _sample(payload):
    data = data_of(payload)
    return (
        UpstreamMessage(join_group_message={"group": "g", "ack_id": 300}),
        UpstreamMessage(
            send_to_group_message={"group": "g", "ack_id": 3, "data": data, "no_echo": True}
        ),
        UpstreamMessage(event_message={"event": "e", "data": data, "metadata": {"k": "v"}}),
        UpstreamMessage(sequence_ack_message={"sequence_id": 5}),
    )


def refusal(frame, codec, opcode=BINARY):
    """Decode what a client may send: a request, or a ProtocolError and nothing else."""
    try:
        codec.decode(opcode, frame)
    except ProtocolError as error:
        assert 0 < len(error.reason.encode()) < 124  # noqa: PT017 it may also be no error
        return error.code
    return None


def survives(frame):
    for codec in (PROTOBUF, RELIABLE_PROTOBUF):
        assert refusal(frame, codec) in (None, 1007)
        assert refusal(frame, codec, TEXT) == 1003


@patient
@given(st.binary(max_size=64))
@example(b"\x5b" * 10_000)
@example(b"\x5b" * 50 + b"\x5c" * 50)
@example(b"\xff" * 100)
@example(b"\x0a" + b"\xff" * 9 + b"\x01")
def test_garbage(frame):
    survives(frame)


@patient
@given(PAYLOADS, st.integers(0, 3), st.data())
def test_damaged_requests(payload, which, data):
    frame = bytearray(_sample(payload)[which].SerializeToString())
    cut = data.draw(st.integers(0, len(frame) - 1), "cut")
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        at = data.draw(st.integers(0, len(frame) - 1), "at")
        frame[at] = data.draw(st.integers(0, 255), "byte")
    survives(bytes(frame))
    survives(bytes(frame[:cut]))
    survives(bytes(frame[cut:]))
    survives(bytes(frame + frame[cut:]))


@patient
@given(PAYLOADS, st.integers(0, 3), st.data())
def test_truncated_requests(payload, which, data):
    frame = _sample(payload)[which].SerializeToString()
    cut = data.draw(st.integers(0, len(frame) - 1))
    assert refusal(frame[:cut], RELIABLE_PROTOBUF) == 1007
