"""The interface of a client protocol: WebSocket messages to requests, answers to frames.

`json_codec` and `protobuf_codec` implement it for the four predefined subprotocols,
`simple_codec` for clients without one. `subprotocols` finds the codec of a subprotocol.
"""

from __future__ import annotations

from typing import Protocol

from .messages import AckError, Message, Reply, Request


class Encoded(Protocol):
    """One message, encoded for one protocol; kept for all receivers, see `hub.delivery`."""

    @property
    def plain(self) -> bytes:
        """The complete WebSocket frame, for clients without sequenceIds."""

    def numbered(self, sequence_id: int) -> bytes:
        """The complete WebSocket frame with a sequenceId, for reliable clients.

        Raises:
            NotImplementedError: the protocol is not reliable.
        """


class Codec(Protocol):
    """One client protocol.

    All connections of a protocol share one codec, so it has no state. Every frame that it makes
    is a complete WebSocket frame, ready for the transport; None means that the protocol has no
    such message.
    """

    @property
    def subprotocol(self) -> str | None:
        """The predefined subprotocol's name; None for simple clients."""

    @property
    def reliable(self) -> bool:
        """Whether messages carry sequenceIds and sessions can be recovered."""

    def decode(self, opcode: int, payload: bytes) -> Request | None:
        """Read one data message of a client; None when there is nothing to do.

        Args:
            opcode: TEXT or BINARY, RFC 6455 section 5.2.
            payload: of all fragments together, unmasked.

        Raises:
            ProtocolError: 1003 for the wrong frame type, 1007 for an illegal message.
        """

    def encode(self, message: Message) -> Encoded:
        """Encode a group or server message, once for all its receivers of this protocol."""

    def ack(self, ack_id: int, error: AckError | None) -> bytes | None:
        """The ack of a request that has an ackId; `error` says why it failed, if it did."""

    def reply(self, reply: Reply) -> bytes | None:
        """The reply to an invocation, or to a request about a stream."""

    def pong(self) -> bytes | None:
        """The answer to a `ping` request, which is not a WebSocket ping."""

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None
    ) -> bytes | None:
        """The `connected` system message, the first frame on a connection.

        Args:
            connection_id: the connection's id.
            user_id: None for a client without one.
            reconnection_token: by which a reliable client recovers its session; else None.
        """

    def disconnected(self, reason: str) -> bytes | None:
        """The `disconnected` system message, the last frame before the Close frame."""
