"""A limit for messages that have been received in part, over all WebSockets of a service.

One message has at most a megabyte. But ten thousand clients that each send all of a message but
its last byte would fill the memory, so what all of them have sent in part is limited together
(`service.limits.unfinished_message_bytes`).
"""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol.frames import TRY_AGAIN_LATER

# Bytes from which a partial message is counted. Smaller ones come and go with every read that
# ends within a frame, and counting would cost more than they do.
COUNTED_FROM = 16 * 1024


class PartialMessages:
    """Counts the bytes of partial messages.

    Args:
        limit: bytes that all WebSockets together may have buffered.

    Attributes:
        total: bytes that they have buffered now.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: dict[object, int] = {}
        self.total = 0

    def __len__(self) -> int:
        """How many WebSockets are counted now."""
        return len(self._sizes)

    def count(self, websocket: object, size: int) -> None:
        """Note how many bytes of a message a WebSocket has buffered now.

        Raises:
            ProtocolError: 1013; it would be too much for all together.
        """
        self.release(websocket)
        if self.total + size > self._limit:
            raise ProtocolError(TRY_AGAIN_LATER, "too many unfinished messages: try again later")
        self._sizes[websocket] = size
        self.total += size

    def release(self, websocket: object) -> None:
        """A WebSocket has less than `COUNTED_FROM` bytes buffered. Harmless when repeated."""
        self.total -= self._sizes.pop(websocket, 0)
