"""A message on its way to any number of connections, and what is kept of it for all of them."""

from __future__ import annotations

import time

from ..protocol.codec import Codec, Encoded
from ..protocol.messages import Message

# What a message costs a session beyond its payload, for the limit on unacknowledged bytes.
OVERHEAD = 128


class Delivery:
    """One message that goes to connections; made once for a publish, shared by its receivers.

    It keeps what would otherwise be made again for each of them: one encoding per protocol. So
    a thousand receivers of one protocol cost one encoding, and a session that waits for its
    client costs one reference per message.

    Args:
        message: the message.
        time_to_live: seconds after which nobody wants it any more (`messageTtlSeconds` of the
            REST data plane); None for never.

    Attributes:
        size: bytes that it counts for in the buffer of a reliable session.
        expires: whether it has a time to live at all.
    """

    __slots__ = ("_encodings", "_expires_at", "expires", "message", "size")

    def __init__(self, message: Message, time_to_live: float | None = None) -> None:
        self.message = message
        payload = message.payload
        size = len(payload.data) + OVERHEAD
        for name, value in payload.metadata:
            size += len(name) + len(value)
        self.size = size
        self.expires = time_to_live is not None
        self._expires_at = 0.0 if time_to_live is None else time.monotonic() + time_to_live
        self._encodings: dict[Codec, Encoded] = {}

    def expired(self) -> bool:
        """Whether its time to live is over for whoever has not got it yet."""
        return self.expires and time.monotonic() >= self._expires_at

    def encoded(self, codec: Codec) -> Encoded:
        """The message as one protocol writes it; encoded when first asked for."""
        try:
            return self._encodings[codec]
        except KeyError:
            encoded = self._encodings[codec] = codec.encode(self.message)
            return encoded
