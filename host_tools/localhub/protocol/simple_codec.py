"""Simple WebSocket clients, which offer no predefined subprotocol (client protocol, section 4).

There is no envelope: a WebSocket message is the content itself, in both directions. Such clients
get neither acks nor system messages, and cannot recover.
"""

from __future__ import annotations

from ..errors import ProtocolError
from .frames import BINARY, INVALID_DATA, TEXT, encode_frame
from .messages import (
    AckError,
    DataKind,
    Message,
    Payload,
    Reply,
    Request,
    SendEvent,
    SendToGroup,
)

SIMPLE_EVENT = "message"


class _EncodedSimple:
    __slots__ = ("plain",)

    def __init__(self, payload: Payload) -> None:
        textual = payload.kind in (DataKind.TEXT, DataKind.JSON)
        self.plain = encode_frame(TEXT if textual else BINARY, payload.data)

    def numbered(self, sequence_id: int) -> bytes:
        raise NotImplementedError("simple clients have no sequenceIds")


class SimpleCodec:
    """Frames of simple clients, in one of the two modes.

    Args:
        group: where every frame is published; None turns every frame into the event `message`.
        no_echo: whether the sender is spared its own frames.
    """

    subprotocol: str | None = None
    reliable = False

    def __init__(self, group: str | None = None, *, no_echo: bool = False) -> None:
        self._group = group
        self._no_echo = no_echo

    # What such clients receive does not depend on the mode: codecs that are equal share one
    # encoding of a message (`hub.delivery`).
    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimpleCodec)

    def __hash__(self) -> int:
        return hash(SimpleCodec)

    def decode(self, opcode: int, payload: bytes) -> Request:
        """See Codec: the event `message`, or a publish to the group.

        Raises:
            ProtocolError: 1007; a text message is not UTF-8.
        """
        if opcode == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise ProtocolError(INVALID_DATA, "the text is not UTF-8") from None
        content = Payload(DataKind.TEXT if opcode == TEXT else DataKind.BINARY, payload)
        if self._group is None:
            return SendEvent(SIMPLE_EVENT, content, None)
        return SendToGroup(self._group, content, self._no_echo, None)

    def encode(self, message: Message) -> _EncodedSimple:
        """Text and JSON as a text frame, everything else as a binary one."""
        return _EncodedSimple(message.payload)

    def ack(self, ack_id: int, error: AckError | None) -> None:
        """Simple clients get no acks."""

    def reply(self, reply: Reply) -> None:
        """Simple clients can neither invoke nor stream."""

    def pong(self) -> None:
        """Simple clients use WebSocket pings."""

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> None:
        """Simple clients get no system messages."""

    def disconnected(self, reason: str) -> None:
        """Simple clients get no system messages."""
