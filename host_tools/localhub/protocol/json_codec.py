"""The subprotocols json.webpubsub.azure.v1 and json.reliable.webpubsub.azure.v1."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import ProtocolError
from .frames import INVALID_DATA, TEXT, UNSUPPORTED_DATA, encode_frame
from .json_members import JsonMembers, parse_members
from .messages import (
    AckError,
    CancelInvocation,
    DataKind,
    EndStream,
    Invoke,
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

_KINDS = {kind.value: kind for kind in DataKind}
_MAX_UINT32 = 2**32 - 1
_MAX_UINT64 = 2**64 - 1


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _dump(value: dict[str, Any]) -> bytes:
    return encode_frame(TEXT, _json(value).encode())


class _EncodedJson:
    """One message as JSON text without the closing brace.

    A sequenceId is the receiver's own, so it is appended as the last member, and only the header
    of the frame is made anew. Receivers of a group often have the same sequenceId, so the last
    frame is kept for the next one.
    """

    __slots__ = ("_body", "_last_frame", "_last_id", "plain")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._last_id = 0
        self._last_frame = b""
        self.plain = encode_frame(TEXT, body + b"}")

    def numbered(self, sequence_id: int) -> bytes:
        if sequence_id != self._last_id:
            self._last_id = sequence_id
            text = b'%b,"sequenceId":%d}' % (self._body, sequence_id)
            self._last_frame = encode_frame(TEXT, text)
        return self._last_frame


def _described(error: AckError | StreamError) -> dict[str, str]:
    return {"name": error.name.value, "message": error.message}


def _stream(info: StreamInfo) -> dict[str, Any]:
    described: dict[str, Any] = {
        "streamId": info.stream_id,
        "streamSequenceId": info.sequence_id,
    }
    if info.end:
        described["endOfStream"] = True
    if info.error is not None:
        described["error"] = _described(info.error)
        if info.error.user_error_code is not None:
            described["error"]["userErrorCode"] = info.error.user_error_code
    return described


def _encoded_data(payload: Payload) -> bytes:
    if payload.kind is DataKind.JSON:
        return payload.data
    if payload.kind is DataKind.TEXT:
        return _quoted(payload.data.decode()).encode()
    return b'"%b"' % base64.b64encode(payload.data)


class JsonCodec:
    """One of the two JSON subprotocols (client protocol, sections 5 and 6).

    Args:
        subprotocol: its name.
        reliable: whether it has sequenceIds.
    """

    def __init__(self, subprotocol: str, *, reliable: bool) -> None:
        self.subprotocol: str | None = subprotocol
        self.reliable = reliable

    def decode(self, opcode: int, payload: bytes) -> Request | None:
        """See Codec: one JSON object in a text message. Raises ProtocolError."""
        if opcode != TEXT:
            raise ProtocolError(UNSUPPORTED_DATA, "this subprotocol uses text frames")
        members = parse_members(payload)
        kind = members.string("type")
        try:
            read = _READERS[kind.lower()]
        except KeyError:
            raise ProtocolError(INVALID_DATA, f"unknown type '{kind[:40]}'") from None
        request = read(members)
        if isinstance(request, SequenceAck) and not self.reliable:
            raise ProtocolError(INVALID_DATA, "sequenceAck needs a reliable subprotocol")
        return request

    def encode(self, message: Message) -> _EncodedJson:
        """See Codec; members in the order of Azure's documentation."""
        kind = message.payload.kind.value
        if message.group is None:
            head = f'{{"type":"message","from":"server","dataType":"{kind}","data":'
            tail = ""
        else:
            head = (
                f'{{"type":"message","from":"group","group":{_quoted(message.group)},'
                f'"dataType":"{kind}","data":'
            )
            tail = f',"fromUserId":{json.dumps(message.from_user_id, ensure_ascii=False)}'
            if message.stream is not None:
                tail += f',"stream":{_json(_stream(message.stream))}'
        if message.payload.metadata:
            tail += f',"metadata":{_json(dict(message.payload.metadata))}'
        return _EncodedJson(head.encode() + _encoded_data(message.payload) + tail.encode())

    def ack(self, ack_id: int, error: AckError | None) -> bytes:
        """See Codec; a failed ack always has a name and a message."""
        if error is None:
            return encode_frame(TEXT, b'{"type":"ack","ackId":%d,"success":true}' % ack_id)
        answer = {"type": "ack", "ackId": ack_id, "success": False, "error": _described(error)}
        return _dump(answer)

    def reply(self, reply: Reply) -> bytes:
        """See Codec."""
        return _WRITERS[type(reply)](reply)

    def pong(self) -> bytes:
        """See Codec."""
        return _PONG

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> bytes:
        """See Codec."""
        frame = {
            "type": "system",
            "event": "connected",
            "userId": user_id,
            "connectionId": connection_id,
        }
        if reconnection_token is not None:
            frame["reconnectionToken"] = reconnection_token
        return _dump(frame)

    def disconnected(self, reason: str) -> bytes:
        """See Codec."""
        return _dump({"type": "system", "event": "disconnected", "message": reason})


def _invoke_response(reply: InvokeResponse) -> bytes:
    head = {"type": "invokeResponse", "invocationId": reply.invocation_id}
    if reply.error is not None:
        return _dump({**head, "success": False, "error": _described(reply.error)})
    if reply.payload is None:
        return _dump({**head, "success": True})
    open_text = _json({**head, "success": True, "dataType": reply.payload.kind.value})[:-1]
    return encode_frame(
        TEXT, b'%b,"data":%b}' % (open_text.encode(), _encoded_data(reply.payload))
    )


def _stream_ack(reply: StreamAck) -> bytes:
    frame = {"streamId": reply.stream_id, "expectedSequenceId": reply.expected}
    return _dump({"type": "streamAck", **frame})


def _stream_nack(reply: StreamNack) -> bytes:
    frame = {"streamId": reply.stream_id, "expectedSequenceId": reply.expected}
    return _dump({"type": "streamNack", **frame, **_described(reply.error)})


def _stream_closed(reply: StreamClosed) -> bytes:
    frame: dict[str, Any] = {"type": "streamClosed", "streamId": reply.stream_id}
    if reply.error is not None:
        frame["error"] = _described(reply.error)
    return _dump(frame)


def _ack_id(members: JsonMembers) -> int | None:
    return members.integer("ackId", _MAX_UINT64) if members.has("ackId") else None


def _payload(members: JsonMembers) -> Payload:
    name = members.string("dataType").lower() if members.has("dataType") else "json"
    kind = _KINDS.get(name)
    if kind is None:
        raise ProtocolError(INVALID_DATA, f"unknown dataType '{name[:40]}'")
    if kind is DataKind.JSON:
        # The text as its sender wrote it: 1.0 stays 1.0, and it is not encoded again.
        return Payload(kind, members.raw("data"))
    text = members.string("data")
    if kind is DataKind.TEXT:
        return Payload(kind, text.encode())
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(INVALID_DATA, "data is not base64") from None
    if kind is DataKind.PROTOBUF:
        # Loaded only here: it takes time, and such clients are rare.
        from .protobuf_parsing import check_any

        check_any(data)
    return Payload(kind, data)


def _described_payload(members: JsonMembers) -> Payload:
    if not members.has("metadata"):
        return _payload(members)
    # Without data it is an empty text, whatever its type (Microsoft's emulator, ReadData of
    # WebPubSubJsonV1Protocol.cs).
    alone = not members.given("data")
    payload = Payload(DataKind.TEXT, b"") if alone else _payload(members)
    try:
        return replace(payload, metadata=checked(members.texts("metadata")))
    except ValueError as error:
        raise ProtocolError(INVALID_DATA, str(error)) from None


def _join_group(members: JsonMembers) -> Request:
    return JoinGroup(members.string("group"), _ack_id(members))


def _leave_group(members: JsonMembers) -> Request:
    return LeaveGroup(members.string("group"), _ack_id(members))


def _text(members: JsonMembers, name: str) -> str | None:
    return members.string(name) if members.has(name) else None


def _send_to_group(members: JsonMembers) -> Request:
    no_echo = members.boolean("noEcho") if members.has("noEcho") else False
    if members.has("stream"):
        stream = members.object("stream")
        timed = stream.has("idleTimeoutMs")
        return StartStream(
            members.string("group"),
            stream.string("streamId"),
            stream.integer("idleTimeoutMs", _MAX_UINT32) if timed else None,
            no_echo,
            any(members.has(name) for name in ("ackId", "data", "dataType")),
        )
    payload = _described_payload(members)
    return SendToGroup(members.string("group"), payload, no_echo, _ack_id(members))


def _event(members: JsonMembers) -> Request:
    return SendEvent(members.string("event"), _described_payload(members), _ack_id(members))


def _invoke(members: JsonMembers) -> Request:
    given = members.has("data") or members.has("dataType")
    return Invoke(
        members.string("invocationId"),
        _text(members, "target"),
        _text(members, "event"),
        _payload(members) if given else Payload(DataKind.TEXT, b""),
    )


def _cancel_invocation(members: JsonMembers) -> Request:
    return CancelInvocation(members.string("invocationId"))


def _stream_data(members: JsonMembers) -> Request:
    numbered = members.has("streamSequenceId")
    given = members.has("data") or members.has("dataType")
    return StreamData(
        members.string("streamId"),
        members.integer("streamSequenceId", _MAX_UINT64) if numbered else None,
        _payload(members) if given else None,
    )


def _stream_end(members: JsonMembers) -> Request:
    stream_id = members.string("streamId")
    if not members.has("error"):
        return EndStream(stream_id)
    error = members.object("error")
    return EndStream(stream_id, True, _text(error, "message"), _text(error, "userErrorCode"))


def _sequence_ack(members: JsonMembers) -> Request:
    return SequenceAck(members.integer("sequenceId", _MAX_UINT64))


def _ping(_: JsonMembers) -> Request:
    return Ping()


_READERS: dict[str, Callable[[JsonMembers], Request]] = {
    "joingroup": _join_group,
    "leavegroup": _leave_group,
    "sendtogroup": _send_to_group,
    "event": _event,
    "invoke": _invoke,
    "cancelinvocation": _cancel_invocation,
    "streamdata": _stream_data,
    "streamend": _stream_end,
    "sequenceack": _sequence_ack,
    "ping": _ping,
}
_WRITERS: dict[type, Callable[[Any], bytes]] = {
    InvokeResponse: _invoke_response,
    StreamAck: _stream_ack,
    StreamNack: _stream_nack,
    StreamClosed: _stream_closed,
}
_PONG = _dump({"type": "pong"})

JSON = JsonCodec("json.webpubsub.azure.v1", reliable=False)
RELIABLE_JSON = JsonCodec("json.reliable.webpubsub.azure.v1", reliable=True)
