"""The radio link of a model of the chip, and what it tells of its memory: one mapped file.

The file is laid out as `link_t` of variant/link.h says.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

_SIZE = 64
_ORDERS = struct.Struct("<3I")  # cut, delay in ms, largest segment
_TOLD = struct.Struct("<5I")
_TOLD_AT = 32


class Memory(NamedTuple):
    """What a model of the chip tells of its memory, bytes.

    Attributes:
        free: what is free of the IDF heap.
        largest: the largest block that it could give.
        minimum: the least that was ever free while lwIP looked, since the start.
        python: what Python's heap has taken of it by growing.
        frames_lost: received frames for which there was no block, since the start.
    """

    free: int
    largest: int
    minimum: int
    python: int
    frames_lost: int


class Link:
    """Cuts and restores the link of one process; it starts whole."""

    def __init__(self, path: Path, *, delay: float = 0, segment: int = 0) -> None:
        """Make the file.

        Args:
            path: it; what the variable CHIP_LINK of the process is to name.
            delay: seconds from the end of a cut until the first frame passes, as the peers'
                retransmission timers have grown by then.
            segment: largest received segment, bytes; 0 is lwIP's 1,436.
        """
        self.path = path
        path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self._delay, self._segment = round(delay * 1000), segment
        self._cut = False
        self._write()

    def _write(self) -> None:
        _ORDERS.pack_into(self._map, 0, self._cut, self._delay, self._segment)

    @property
    def cut(self) -> bool:
        """Whether nothing passes. Neither the peer nor the computer's kernel notices."""
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        if cut != self._cut:
            self._cut = cut
            self._write()

    @property
    def memory(self) -> Memory:
        """What the process told last."""
        return Memory(*_TOLD.unpack_from(self._map, _TOLD_AT))

    def started(self) -> None:
        """Forget what the last process told."""
        _TOLD.pack_into(self._map, _TOLD_AT, *bytes(5))

    def close(self) -> None:
        """Let the file go; it stays."""
        self._map.close()
