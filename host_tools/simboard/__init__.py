"""Simulated boards: the device code on a real MicroPython interpreter behind a serial port.

    from simboard import SimulatedBoard

    with SimulatedBoard("simulated", name="cp") as board:
        board.wait_for(">>>")
        print(board.port)          # any serial tool can open it

Needs Linux or macOS; importing works everywhere, making a board elsewhere raises SimulatorError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import SimulatorError
from .radio import AccessPoint, Radio

if TYPE_CHECKING:
    from .board import SimulatedBoard

__all__ = ["AccessPoint", "Radio", "SimulatedBoard", "SimulatorError"]


def __getattr__(name: str) -> Any:
    if name != "SimulatedBoard":
        raise AttributeError(f"module 'simboard' has no attribute {name!r}")
    try:
        from .board import SimulatedBoard
    except ModuleNotFoundError as error:
        if error.name in ("pty", "termios", "fcntl", "tty"):
            raise SimulatorError(
                "simulated boards need Linux or macOS: use WSL, or a real board"
            ) from None
        raise
    return SimulatedBoard
