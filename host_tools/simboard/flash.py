"""The flash chip of a board: one file, the size of the chip, 0xFF where nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

from micropython_webpubsub.boards import Board

from .errors import SimulatorError

ERASED = b"\xff"


def prepare_flash(path: Path, board: Board) -> None:
    """Create the flash file as an erased chip, or check the one that is there.

    Args:
        path: the flash file.
        board: whose flash size, in bytes, the file must have.

    Raises:
        SimulatorError: the file has another size, or cannot be made.
    """
    size = board.flash.size
    try:
        if not path.exists():
            path.write_bytes(ERASED * size)
        found = path.stat().st_size
        with path.open("r+b"):
            pass
    except OSError as error:
        raise SimulatorError(f"flash file {path}: {os.strerror(error.errno or 0)}") from None
    if found != size:
        raise SimulatorError(
            f"flash file {path} has {found} bytes, but the flash of '{board.id}' has {size}: "
            "use another file, or delete this one to start with an empty board"
        )


class Fuse:
    """Cuts the power at a chosen flash write: read by the board before each write it makes.

    A file of six bytes: armed (0 or 1), writes left (4 bytes, little-endian), torn (0 or 1).
    It is a file, not a message, because the board's flash driver must not branch (see
    `fakes/flashdev.py`), and so that arming it works while the board is busy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.disarm()

    def arm(self, writes: int, torn: bool) -> None:
        """Cut the power at the `writes`-th write from now: before it, or half-way through it.

        Args:
            writes: counted from 1.
            torn: whether half of that write is done.

        Raises:
            ValueError: `writes` is below 1.
        """
        if writes < 1:
            raise ValueError("writes are counted from 1")
        self._store(bytes([1]) + writes.to_bytes(4, "little") + bytes([torn]))

    def disarm(self) -> None:
        """Let all writes pass."""
        self._store(bytes(6))

    def _store(self, content: bytes) -> None:
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            file.write(content)
