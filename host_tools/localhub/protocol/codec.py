"""What a client protocol has to offer; the modules `*_codec` offer it."""

from __future__ import annotations

from typing import Protocol

from .messages import AckError, Message, Reply, Request


class Encoded(Protocol):
    """One message, encoded for one protocol."""

    @property
    def plain(self) -> bytes:
        """The whole WebSocket frame, for clients without sequenceIds."""

    def numbered(self, sequence_id: int) -> bytes:
        """The whole WebSocket frame with a sequenceId, for reliable clients."""


class Codec(Protocol):
    """Turns WebSocket messages into requests, and what the service says into frames.

    One codec serves every connection of its protocol, so it keeps no state. All frames are whole
    WebSocket frames; None means that the protocol has no such message.
    """

    @property
    def subprotocol(self) -> str | None:
        """The predefined subprotocol's name; None for simple clients."""

    @property
    def reliable(self) -> bool:
        """Whether messages carry sequenceIds and sessions can be recovered."""

    def decode(self, opcode: int, payload: bytes) -> Request | None:
        """Read one message of a client; None when there is nothing to do.

        Raises:
            ProtocolError: 1003 for the wrong frame type, 1007 for an illegal message.
        """

    def encode(self, message: Message) -> Encoded:
        """Encode a message for all clients of this protocol."""

    def ack(self, ack_id: int, error: AckError | None) -> bytes | None:
        """The answer to a request that has an ackId."""

    def reply(self, reply: Reply) -> bytes | None:
        """What a client is told about its invocations and streams."""

    def pong(self) -> bytes | None:
        """The answer to a ping."""

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> bytes | None:
        """The first frame on a connection."""

    def disconnected(self, reason: str) -> bytes | None:
        """The last frame before the service closes a connection."""
