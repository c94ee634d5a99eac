"""Which board file fits what a board says about itself."""

from __future__ import annotations

from collections.abc import Sequence

from micropython_webpubsub.boards import Board, board_ids, load_board
from micropython_webpubsub.boards import BoardError as BoardFileError

from ..errors import DeviceRefused, HubtoolError
from .files import Identity
from .firmware_image import CHIP_IDS


def named_board(wanted: str) -> Board:
    """The board file that a person named.

    Args:
        wanted: id or path of it.

    Raises:
        HubtoolError: there is none, or it is wrong.
    """
    try:
        return load_board(wanted)
    except BoardFileError as error:
        raise HubtoolError(str(error)) from None


def find_board(identity: Identity, wanted: str | None = None) -> Board:
    """The board file that fits what a board says about itself.

    By `_build`, which firmware tells from 1.25 on; by `_machine` before. What neither names
    is not guessed: the wrong flash layout or the wrong sizes of memory cost more than a question.

    Args:
        identity: what the board said.
        wanted: id or path of a board file that the user named.

    Raises:
        DeviceRefused: the firmware is older than any that is supported.
        HubtoolError: no board file fits, several do, or the named one is wrong.
    """
    if wanted is not None:
        return named_board(wanted)
    try:
        boards = [load_board(known) for known in board_ids()]
    except BoardFileError as error:
        raise HubtoolError(str(error)) from None
    fitting = [board for board in boards if _fits(board, identity)]
    if len(fitting) == 1:
        return fitting[0]
    oldest = min(boards, key=lambda board: board.firmware.minimum).firmware
    if identity.version < oldest.minimum:
        raise DeviceRefused(
            f"MicroPython {identity.release} is too old, {oldest.minimum_version} or later is "
            "needed: get a current one from micropython.org/download and write it with "
            "`hubtool flash`"
        )
    if identity.build:
        problem = f"no board file knows the firmware '{identity.build}'"
    else:
        problem = (
            f"MicroPython {identity.release} does not tell its build (1.25 does), and "
            f"{'several board files fit' if fitting else 'no board file knows'} "
            f"'{identity.machine}'"
        )
    candidates = fitting or _of_chip(boards, identity) or boards
    names = ", ".join(board.id for board in candidates)
    raise HubtoolError(f"{problem}: name the closest one with --board ({names})")


def _fits(board: Board, identity: Identity) -> bool:
    firmware = board.firmware
    if firmware.board == "unix":
        return identity.platform in ("linux", "darwin") or identity.build == firmware.variant
    if identity.build:
        return identity.build == firmware.build
    return bool(firmware.machine) and identity.machine == firmware.machine


def _of_chip(boards: Sequence[Board], identity: Identity) -> list[Board]:
    """The boards with the chip that `_machine` ends with, as in "LOLIN_S2_MINI with ESP32S2"."""
    chip_text = identity.machine.rpartition(" with ")[2].replace("-", "").lower()
    chips = [chip for chip in CHIP_IDS if chip_text.startswith(chip)]
    if not chips:
        return []
    # ESP32-S3 begins like ESP32.
    chip = max(chips, key=len)
    return [board for board in boards if board.chip == chip and board.firmware.board != "unix"]
