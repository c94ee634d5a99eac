"""Messages that have come in part: of one client at most a megabyte, of all together a limit.

Ten thousand clients that each send all of a message but its end would fill the memory otherwise.
"""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol.frames import TRY_AGAIN_LATER

# Less than this is there in passing, whenever a read ends within a message: not worth counting.
NOTEWORTHY = 16 * 1024


class Unfinished:
    """Counts the bytes of unfinished messages.

    Args:
        limit: bytes that all links together may hold.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sizes: dict[object, int] = {}
        self.total = 0

    def hold(self, link: object, size: int) -> None:
        """Note what a link holds now.

        Raises:
            ProtocolError: 1013; it would be too much for all together.
        """
        self.release(link)
        if self.total + size > self._limit:
            raise ProtocolError(TRY_AGAIN_LATER, "too many unfinished messages: try again later")
        self._sizes[link] = size
        self.total += size

    def release(self, link: object) -> None:
        """A link holds nothing worth counting any more. Harmless when repeated."""
        self.total -= self._sizes.pop(link, 0)
