"""The subprotocols protobuf.webpubsub.azure.v1 and protobuf.reliable.webpubsub.azure.v1.

The frames are those of `client.proto`; what they mean is the same as in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message as ProtobufMessage

from .client_pb2 import DownstreamMessage, MessageData, UpstreamMessage
from .errors import ProtocolError
from .frames import BINARY, INVALID_DATA, UNSUPPORTED_DATA, encode_frame
from .json_members import check_json
from .messages import (
    AckError,
    DataKind,
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
)
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


# What stands before the length of a data_message, and before a sequence_id.
_DATA_MESSAGE = bytes([DownstreamMessage.DATA_MESSAGE_FIELD_NUMBER << 3 | 2])
_SEQUENCE_ID = bytes([DownstreamMessage.DataMessage.SEQUENCE_ID_FIELD_NUMBER << 3])


class _EncodedProtobuf:
    """One message as protobuf, complete but for its end.

    Reliable clients each have their own sequenceId. It is the last field that is set, so it is put
    behind the others. Clients of one group are mostly in step: the last frame made is kept.
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


class ProtobufCodec:
    """One of the two protobuf subprotocols (client protobuf protocol)."""

    def __init__(self, subprotocol: str, *, reliable: bool) -> None:
        self.subprotocol: str | None = subprotocol
        self.reliable = reliable

    def decode(self, opcode: int, payload: bytes) -> Request | None:
        """Read one UpstreamMessage from a binary frame."""
        if opcode != BINARY:
            raise ProtocolError(UNSUPPORTED_DATA, "this subprotocol uses binary frames")
        frame = UpstreamMessage()
        parse_into(frame, payload, "not an UpstreamMessage")
        kind = frame.WhichOneof("message")
        if kind is None:
            raise ProtocolError(INVALID_DATA, "an UpstreamMessage without a known message")
        read = _READERS.get(kind)
        if read is None:
            raise ProtocolError(INVALID_DATA, f"{kind} is not served here")
        request = read(getattr(frame, kind))
        if isinstance(request, SequenceAck) and not self.reliable:
            raise ProtocolError(INVALID_DATA, "sequence_ack needs a reliable subprotocol")
        return request

    def encode(self, message: Message) -> _EncodedProtobuf:
        """Write a group or server message; there is no place for the sender's user id."""
        # `from` is a keyword of Python.
        origin: dict[str, Any] = {"from": "server" if message.group is None else "group"}
        content = DownstreamMessage.DataMessage(
            group=message.group, data=_encoded_data(message.payload), **origin
        )
        return _EncodedProtobuf(content.SerializeToString())

    def ack(self, ack_id: int, error: AckError | None) -> bytes:
        """An ack frame; `error` always has a name and a message."""
        frame = DownstreamMessage()
        answer = frame.ack_message
        answer.ack_id = ack_id
        answer.success = error is None
        if error is not None:
            answer.error.name = error.name.value
            answer.error.message = error.message
        return _frame(frame)

    def reply(self, reply: Reply) -> None:
        """Invocations have no published protobuf messages, so none gets here."""

    def pong(self) -> bytes:
        """The answer to a ping."""
        return _PONG

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> bytes:
        """The first frame; a reliable connection learns its reconnection token."""
        greeting = _SYSTEM.ConnectedMessage(
            connection_id=connection_id,
            user_id=user_id or "",
            reconnection_token=reconnection_token,
        )
        return _frame(DownstreamMessage(system_message=_SYSTEM(connected_message=greeting)))

    def disconnected(self, reason: str) -> bytes:
        """The last frame before a Close frame."""
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


def _join_group(message: UpstreamMessage.JoinGroupMessage) -> Request:
    return JoinGroup(message.group, _ack_id(message))


def _leave_group(message: UpstreamMessage.LeaveGroupMessage) -> Request:
    return LeaveGroup(message.group, _ack_id(message))


def _send_to_group(message: UpstreamMessage.SendToGroupMessage) -> Request:
    payload = _payload(message.data)
    return SendToGroup(message.group, payload, message.no_echo, _ack_id(message))


def _event(message: UpstreamMessage.EventMessage) -> Request:
    return SendEvent(message.event, _payload(message.data), _ack_id(message))


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
}
_PONG = _frame(DownstreamMessage(pong_message=DownstreamMessage.PongMessage()))

PROTOBUF = ProtobufCodec("protobuf.webpubsub.azure.v1", reliable=False)
RELIABLE_PROTOBUF = ProtobufCodec("protobuf.reliable.webpubsub.azure.v1", reliable=True)
