"""The subprotocols protobuf.webpubsub.azure.v1 and protobuf.reliable.webpubsub.azure.v1.

The frames are those of `client.proto`; what they mean is the same as in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message as ProtobufMessage

from ..errors import ProtocolError
from .client_pb2 import DownstreamMessage, MessageData, UpstreamMessage
from .client_pb2 import StreamInfo as StreamPart
from .frames import BINARY, INVALID_DATA, UNSUPPORTED_DATA, encode_frame
from .json_members import check_json
from .messages import (
    AckError,
    DataKind,
    EndStream,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    Reply,
    Request,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamInfo,
    StreamNack,
)
from .metadata import checked
from .protobuf_parsing import parse_into

_SYSTEM = DownstreamMessage.SystemMessage


def _frame(message: ProtobufMessage) -> bytes:
    return encode_frame(BINARY, message.SerializeToString())


def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the low ones first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# The tags of two fields: number << 3 | wire type, which is 2 with a length and 0 for a varint
# (protobuf's encoding guide).
_DATA_MESSAGE = bytes([DownstreamMessage.DATA_MESSAGE_FIELD_NUMBER << 3 | 2])
_SEQUENCE_ID = bytes([DownstreamMessage.DataMessage.SEQUENCE_ID_FIELD_NUMBER << 3])


class _EncodedProtobuf:
    """One message as a serialised `DataMessage` without its sequence_id.

    That is the receiver's own. Fields of protobuf may come in any order, so it is appended as the
    last one, and only the lengths in front are made anew. Receivers of a group often have the
    same sequence_id, so the last frame is kept for the next one.
    """

    __slots__ = ("_body", "_last_frame", "_last_id", "plain")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._last_id = 0
        self._last_frame = b""
        self.plain = self._frame(body)

    @staticmethod
    def _frame(body: bytes) -> bytes:
        return encode_frame(BINARY, _DATA_MESSAGE + _varint(len(body)) + body)

    def numbered(self, sequence_id: int) -> bytes:
        if sequence_id != self._last_id:
            self._last_id = sequence_id
            self._last_frame = self._frame(self._body + _SEQUENCE_ID + _varint(sequence_id))
        return self._last_frame


def _encoded_data(payload: Payload) -> MessageData:
    if payload.kind is DataKind.BINARY:
        return MessageData(binary_data=payload.data)
    if payload.kind is DataKind.TEXT:
        return MessageData(text_data=payload.data.decode())
    if payload.kind is DataKind.JSON:
        return MessageData(json_data=payload.data.decode())
    data = MessageData()
    # Set even when the Any is empty.
    data.protobuf_data.SetInParent()
    data.protobuf_data.ParseFromString(payload.data)
    return data


def _stream_part(info: StreamInfo) -> StreamPart:
    part = StreamPart(stream_id=info.stream_id, stream_sequence_id=info.sequence_id)
    if info.end:
        part.end_of_stream = True
    if info.error is not None:
        _describe(part.error, info.error)
        part.error.user_error_code = info.error.user_error_code or ""
    return part


def _stream_reply(reply: StreamAck | StreamNack | StreamClosed) -> DownstreamMessage:
    frame = DownstreamMessage()
    if isinstance(reply, StreamAck):
        frame.stream_ack_message.stream_id = reply.stream_id
        frame.stream_ack_message.expected_sequence_id = reply.expected
    elif isinstance(reply, StreamNack):
        nack = frame.stream_nack_message
        nack.stream_id = reply.stream_id
        nack.expected_sequence_id = reply.expected
        _describe(nack, reply.error)
    else:
        frame.stream_closed_message.stream_id = reply.stream_id
        if reply.error is not None:
            _describe(frame.stream_closed_message.error, reply.error)
    return frame


def _describe(target: Any, error: AckError | StreamError) -> None:
    target.name = error.name.value
    target.message = error.message


class ProtobufCodec:
    """One of the two protobuf subprotocols.

    Args:
        subprotocol: its name.
        reliable: whether it has sequence_ids.
    """

    def __init__(self, subprotocol: str, *, reliable: bool) -> None:
        self.subprotocol: str | None = subprotocol
        self.reliable = reliable

    def decode(self, opcode: int, payload: bytes) -> Request | None:
        """See Codec: one UpstreamMessage in a binary message. Raises ProtocolError."""
        if opcode != BINARY:
            raise ProtocolError(UNSUPPORTED_DATA, "this subprotocol uses binary frames")
        frame = UpstreamMessage()
        parse_into(frame, payload, "not an UpstreamMessage")
        kind = frame.WhichOneof("message")
        if kind is None:
            raise ProtocolError(INVALID_DATA, "an UpstreamMessage without a known message")
        request = _READERS[kind](getattr(frame, kind))
        if isinstance(request, SequenceAck) and not self.reliable:
            raise ProtocolError(INVALID_DATA, "sequence_ack needs a reliable subprotocol")
        return request

    def encode(self, message: Message) -> _EncodedProtobuf:
        """See Codec; the schema has no field for the sender's user id."""
        # `from` is a keyword of Python.
        origin: dict[str, Any] = {"from": "server" if message.group is None else "group"}
        content = DownstreamMessage.DataMessage(
            group=message.group,
            data=_encoded_data(message.payload),
            stream=None if message.stream is None else _stream_part(message.stream),
            metadata=dict(message.payload.metadata),
            **origin,
        )
        return _EncodedProtobuf(content.SerializeToString())

    def ack(self, ack_id: int, error: AckError | None) -> bytes:
        """See Codec; a failed ack always has a name and a message."""
        frame = DownstreamMessage()
        answer = frame.ack_message
        answer.ack_id = ack_id
        answer.success = error is None
        if error is not None:
            _describe(answer.error, error)
        return _frame(frame)

    def reply(self, reply: Reply) -> bytes | None:
        """See Codec; Azure has published no protobuf messages for invocations."""
        return None if isinstance(reply, InvokeResponse) else _frame(_stream_reply(reply))

    def pong(self) -> bytes:
        """See Codec."""
        return _PONG

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> bytes:
        """See Codec."""
        greeting = _SYSTEM.ConnectedMessage(
            connection_id=connection_id,
            user_id=user_id or "",
            reconnection_token=reconnection_token,
        )
        return _frame(DownstreamMessage(system_message=_SYSTEM(connected_message=greeting)))

    def disconnected(self, reason: str) -> bytes:
        """See Codec."""
        farewell = _SYSTEM.DisconnectedMessage(reason=reason)
        return _frame(DownstreamMessage(system_message=_SYSTEM(disconnected_message=farewell)))


# The messages that the compiler nests differ in type and are alike in their fields.
def _ack_id(message: Any) -> int | None:
    return int(message.ack_id) if message.HasField("ack_id") else None


def _payload(data: MessageData) -> Payload:
    kind = data.WhichOneof("data")
    if kind == "text_data":
        return Payload(DataKind.TEXT, data.text_data.encode())
    if kind == "binary_data":
        return Payload(DataKind.BINARY, data.binary_data)
    if kind == "protobuf_data":
        return Payload(DataKind.PROTOBUF, data.protobuf_data.SerializeToString())
    if kind is None:
        raise ProtocolError(INVALID_DATA, "'data' is missing")
    text = data.json_data.encode()
    # It goes into the JSON frames of others as it is.
    check_json(text)
    if text.strip() == b"null":
        raise ProtocolError(INVALID_DATA, "'data' is missing")  # as in the JSON subprotocols
    return Payload(DataKind.JSON, text)


def _described_payload(message: Any) -> Payload:
    if not message.metadata:
        return _payload(message.data)
    # As in the JSON subprotocols, metadata alone comes with an empty text.
    alone = message.data.WhichOneof("data") is None
    payload = Payload(DataKind.TEXT, b"") if alone else _payload(message.data)
    try:
        return replace(payload, metadata=checked(sorted(message.metadata.items())))
    except ValueError as error:
        raise ProtocolError(INVALID_DATA, str(error)) from None


def _join_group(message: UpstreamMessage.JoinGroupMessage) -> Request:
    return JoinGroup(message.group, _ack_id(message))


def _leave_group(message: UpstreamMessage.LeaveGroupMessage) -> Request:
    return LeaveGroup(message.group, _ack_id(message))


def _send_to_group(message: UpstreamMessage.SendToGroupMessage) -> Request:
    if message.HasField("stream"):
        start = message.stream
        timed = start.HasField("idle_timeout_ms")
        return StartStream(
            message.group,
            start.stream_id,
            start.idle_timeout_ms if timed else None,
            message.no_echo,
            message.HasField("data") or message.HasField("ack_id"),
        )
    payload = _described_payload(message)
    return SendToGroup(message.group, payload, message.no_echo, _ack_id(message))


def _stream_data(message: UpstreamMessage.StreamDataMessage) -> Request:
    numbered = message.HasField("stream_sequence_id")
    return StreamData(
        message.stream_id,
        message.stream_sequence_id if numbered else None,
        _payload(message.data) if message.HasField("data") else None,
    )


def _stream_end(message: UpstreamMessage.StreamEndMessage) -> Request:
    if not message.HasField("error"):
        return EndStream(message.stream_id)
    error = message.error
    return EndStream(
        message.stream_id,
        True,
        error.message if error.HasField("message") else None,
        error.user_error_code if error.HasField("user_error_code") else None,
    )


def _event(message: UpstreamMessage.EventMessage) -> Request:
    if message.HasField("stream"):
        raise ProtocolError(INVALID_DATA, "streams go to groups, not to event handlers")
    return SendEvent(message.event, _described_payload(message), _ack_id(message))


def _sequence_ack(message: UpstreamMessage.SequenceAckMessage) -> Request:
    return SequenceAck(message.sequence_id)


def _ping(_: UpstreamMessage.PingMessage) -> Request:
    return Ping()


_READERS: dict[str, Callable[[Any], Request]] = {
    "join_group_message": _join_group,
    "leave_group_message": _leave_group,
    "send_to_group_message": _send_to_group,
    "event_message": _event,
    "sequence_ack_message": _sequence_ack,
    "ping_message": _ping,
    "stream_data_message": _stream_data,
    "stream_end_message": _stream_end,
}
_PONG = _frame(DownstreamMessage(pong_message=DownstreamMessage.PongMessage()))

PROTOBUF = ProtobufCodec("protobuf.webpubsub.azure.v1", reliable=False)
RELIABLE_PROTOBUF = ProtobufCodec("protobuf.reliable.webpubsub.azure.v1", reliable=True)
