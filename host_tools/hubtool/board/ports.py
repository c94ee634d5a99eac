"""Serial ports, and the board files that match what is plugged in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from micropython_webpubsub.boards import BoardError, board_ids, load_board
from serial.tools import list_ports

from ..errors import HubtoolError


@dataclass(frozen=True)
class Port:
    """One serial port.

    Attributes:
        device: what to give as `--port`.
        usb_id: "VVVV:PPPP" in upper-case hexadecimal; empty for ports that are not on USB.
        description: what the operating system calls it.
        serial_number: of the USB device; empty when it has none.
        boards: ids of the board files that list this USB id.
    """

    device: str
    usb_id: str
    description: str
    serial_number: str
    boards: tuple[str, ...]


def serial_ports() -> list[Port]:
    """All serial ports, those on USB first.

    Raises:
        HubtoolError: a board file is wrong.
    """
    known = _boards_by_usb_id()
    return order(
        Port(
            device=found.device,
            usb_id=f"{found.vid:04X}:{found.pid:04X}" if found.vid is not None else "",
            description=found.description if found.description not in (None, "n/a") else "",
            serial_number=found.serial_number or "",
            boards=known.get(f"{found.vid:04X}:{found.pid:04X}", ())
            if found.vid is not None
            else (),
        )
        for found in list_ports.comports()
    )


def usb_ports() -> list[Port]:
    """The serial ports on USB: boards, most likely."""
    return [port for port in serial_ports() if port.usb_id]


def order(ports: Iterable[Port]) -> list[Port]:
    """Ports on USB first, then by name."""
    return sorted(ports, key=lambda port: (not port.usb_id, port.device))


def _boards_by_usb_id() -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {}
    try:
        for board_id in board_ids():
            for usb_id in load_board(board_id).usb.ids:
                known[usb_id] = (*known.get(usb_id, ()), board_id)
    except BoardError as error:
        raise HubtoolError(str(error)) from None
    return known
