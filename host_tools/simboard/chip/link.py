"""The radio link of a model of the chip, and what it reports of its memory: one mapped file.

The file is laid out as `link_t` of variant/link.h says.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

_SIZE = 64
_ORDERS = struct.Struct("<3I")  # cut, delay in ms, largest segment
_REPORT = struct.Struct("<5I")
_REPORT_AT = 32


class Memory(NamedTuple):
    """What a model of the chip reports of its memory, bytes.

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


class RadioLink:
    """Cuts and restores the link of one process; it starts uncut."""

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
        """What the process has reported last."""
        return Memory(*_REPORT.unpack_from(self._map, _REPORT_AT))

    def started(self) -> None:
        """Forget what the last process reported."""
        _REPORT.pack_into(self._map, _REPORT_AT, *bytes(5))

    def close(self) -> None:
        """Let the file go; it stays."""
        self._map.close()
