"""What clients and the service say to each other, as plain values.

Requests of clients, the replies to them, and messages to clients; how they are written is a matter
of the codecs, see `codec`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .metadata import Metadata


class DataKind(Enum):
    """The `dataType` of a message."""

    JSON = "json"
    TEXT = "text"
    BINARY = "binary"
    PROTOBUF = "protobuf"


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of a message.

    Attributes:
        kind: what the bytes are.
        data: UTF-8 for text; the JSON text as its sender wrote it for json; raw bytes for
            binary; a serialised `google.protobuf.Any` for protobuf.
        metadata: names and values that its sender put beside it.
    """

    kind: DataKind
    data: bytes
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class JoinGroup:
    """A client asks to become a member of a group.

    Attributes:
        group: its name.
        ack_id: of the request; None when no acknowledgement is wanted.
    """

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    """A client asks to leave a group.

    Attributes:
        group: its name.
        ack_id: of the request; None when no acknowledgement is wanted.
    """

    group: str
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """A client publishes to a group.

    Attributes:
        group: its name.
        payload: content.
        no_echo: whether the client itself gets no copy.
        ack_id: of the request; None when no acknowledgement is wanted.
    """

    group: str
    payload: Payload
    no_echo: bool
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SendEvent:
    """A client sends an event to the application server.

    Attributes:
        event: its name.
        payload: content.
        ack_id: of the request; None when no acknowledgement is wanted.
    """

    event: str
    payload: Payload
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """A client has received everything up to a sequenceId.

    Attributes:
        sequence_id: the largest one that it has received.
    """

    sequence_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A client wants a pong."""


@dataclass(frozen=True, slots=True)
class Invoke:
    """A client asks the application server something, and waits for the answer.

    Attributes:
        invocation_id: the client's name for it, unique among those that are not answered yet.
        target: what is invoked; `event` is all there is.
        event: name of the user event; None when the client gave none.
        payload: what the event handler gets; empty text when the client sent none.
    """

    invocation_id: str
    target: str | None
    event: str | None
    payload: Payload


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """A client waits for the answer to an invocation no longer.

    Attributes:
        invocation_id: as the client gave it.
    """

    invocation_id: str


@dataclass(frozen=True, slots=True)
class StartStream:
    """A client wants to publish a stream to a group.

    Attributes:
        group: where its data goes.
        stream_id: the client's name for it, unique among those that it has open.
        idle_timeout_ms: silence after which it ends; None for the service's default.
        no_echo: whether the client is spared its own stream.
        surplus: whether the request has what belongs to a message: data or an ackId.
    """

    group: str
    stream_id: str
    idle_timeout_ms: int | None
    no_echo: bool
    surplus: bool


@dataclass(frozen=True, slots=True)
class StreamData:
    """The next piece of a stream; with neither sequence_id nor payload it only keeps it alive.

    Attributes:
        stream_id: as the client gave it.
        sequence_id: from 1, or None.
        payload: content, or None.
    """

    stream_id: str
    sequence_id: int | None
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class EndStream:
    """A client ends its stream.

    Attributes:
        stream_id: which one.
        failed: whether it ends it with an error.
        message: the client's text for it.
        user_error_code: the client's code for it.
    """

    stream_id: str
    failed: bool = False
    message: str | None = None
    user_error_code: str | None = None


Request = (
    JoinGroup
    | LeaveGroup
    | SendToGroup
    | SendEvent
    | SequenceAck
    | Ping
    | Invoke
    | CancelInvocation
    | StartStream
    | StreamData
    | EndStream
)


class AckErrorName(Enum):
    """The `error.name` of a failed ack."""

    FORBIDDEN = "Forbidden"
    DUPLICATE = "Duplicate"
    BAD_REQUEST = "BadRequest"
    INTERNAL_SERVER_ERROR = "InternalServerError"


@dataclass(frozen=True, slots=True)
class AckError:
    """Why a request failed.

    Attributes:
        name: one of the service's.
        message: for people.
    """

    name: AckErrorName
    message: str


ILLEGAL_EVENT = AckError(
    AckErrorName.BAD_REQUEST, "Illegal event name: 1 to 128 of a-z 0-9 _ . - after a letter."
)
ILLEGAL_GROUP = AckError(
    AckErrorName.BAD_REQUEST, "Illegal group name: 1 to 1024 characters, not all white space."
)


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """The answer to an invocation.

    Attributes:
        invocation_id: which one.
        payload: what the event handler answered; None for nothing, or with an error.
        error: why it failed; None for success.
    """

    invocation_id: str
    payload: Payload | None = None
    error: AckError | None = None


class StreamErrorName(Enum):
    """The `name` of what goes wrong with a stream."""

    # To be sent again, a StreamNack.
    INVALID_SEQUENCE_ID = "InvalidSequenceId"
    # The end.
    STREAM_NOT_FOUND = "StreamNotFound"
    BAD_REQUEST = "BadRequest"
    FORBIDDEN = "Forbidden"
    IDLE_TIMEOUT = "IdleTimeout"
    # The end, as only the group gets it.
    CANCELLED = "Cancelled"
    USER_ERROR = "UserError"


@dataclass(frozen=True, slots=True)
class StreamError:
    """Why a stream ended, or why its data was not taken.

    Attributes:
        name: which kind.
        message: one line for people; may be empty.
        user_error_code: the publisher's own code, only of USER_ERROR.
    """

    name: StreamErrorName
    message: str
    user_error_code: str | None = None


@dataclass(frozen=True, slots=True)
class StreamAck:
    """Everything below `expected` has been taken.

    Attributes:
        stream_id: as the client gave it.
    """

    stream_id: str
    expected: int


@dataclass(frozen=True, slots=True)
class StreamNack:
    """Something was not taken: go on with `expected`.

    Attributes:
        stream_id: as the client gave it.
        error: why.
    """

    stream_id: str
    expected: int
    error: StreamError


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A stream is no more; without an error the publisher wanted it so.

    Attributes:
        stream_id: as the client gave it.
        error: why; None after an end that the publisher asked for.
    """

    stream_id: str
    error: StreamError | None = None


# What only the client that asked gets, beside acks.
Reply = InvokeResponse | StreamAck | StreamNack | StreamClosed


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Which part of a stream a group message is.

    Attributes:
        stream_id: the publisher's name for the stream.
        sequence_id: 1, 2, 3 ... within the stream.
        end: whether this is the last message, which has no content.
        error: why it ended, unless the publisher ended it in order.
    """

    stream_id: str
    sequence_id: int
    end: bool = False
    error: StreamError | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What the service sends to clients: a group message or a server message.

    Attributes:
        payload: the content.
        group: the group it was published to; None for a message from the server.
        from_user_id: user id of the publishing client; only with a group.
        stream: which part of a stream it is; None for a message of its own.
    """

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    stream: StreamInfo | None = None
