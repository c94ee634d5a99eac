"""MicroPython images for ESP32 chips, checked before they are written.

Source: ESP-IDF, "Application Startup Flow" and "App Image Format"; "Partition Tables".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from micropython_webpubsub.boards import Board, board_ids, load_board
from micropython_webpubsub.boards import BoardError as BoardFileError

from ..errors import HubtoolError

_MAGIC = 0xE9
_CHIP_ID_AT = 12
_HEADER = 24
_PARTITION_TABLE_AT = 0x8000
_PARTITION_MAGIC = b"\xaa\x50"
_PARTITION_TABLE_SIZE = 0xC00
_PARTITION_ENTRY = 32
_NO_PARTITION = 0xFF
# The size is 1 MiB times a power of two, whose exponent is the upper half of a byte.
_FLASH_SIZE_AT = 3
_LARGEST_EXPONENT = 7
# The chip id of the image header, by esptool's chip names.
CHIP_IDS = {
    "esp32": 0,
    "esp32s2": 2,
    "esp32c3": 5,
    "esp32s3": 9,
    "esp32c2": 12,
    "esp32c6": 13,
    "esp32h2": 16,
    "esp32p4": 18,
    "esp32c61": 20,
    "esp32c5": 23,
}
_CHIPS = {number: name for name, number in CHIP_IDS.items()}


@dataclass(frozen=True)
class Image:
    """A complete firmware: boot loader, partition table and program.

    Attributes:
        path: the file.
        size: in bytes.
        chip: esptool's name of the chip that it is for.
        offset: where in the flash it goes.
        flash_size: of the flash that it is built for, in bytes; 0 when that is not known.
        end: where its last partition ends; 0 when that is not known.
    """

    path: Path
    size: int
    chip: str
    offset: int
    flash_size: int = 0
    end: int = 0


def load_image(path: Path, wanted_board: str | None) -> tuple[Image, Board]:
    """Check an image against a board file.

    Args:
        path: the `.bin` file.
        wanted_board: id or path of a board file; the generic one for the image's chip when None.

    Raises:
        HubtoolError: not a complete firmware image, for another chip, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HubtoolError(f"{path}: cannot be read: {error.strerror}") from None
    get_it = "get the .bin file for your board from micropython.org/download"
    if len(data) < _HEADER or data[0] != _MAGIC:
        raise HubtoolError(f"{path}: no ESP32 firmware (it does not begin with 0xE9): {get_it}")
    number = int.from_bytes(data[_CHIP_ID_AT : _CHIP_ID_AT + 2], "little")
    chip = _CHIPS.get(number)
    if chip is None:
        raise HubtoolError(f"{path}: for a chip that is not known (id {number}): {get_it}")
    board = _board(chip, wanted_board)
    if chip != board.chip:
        raise HubtoolError(
            f"{path}: firmware for {chip}, but {board.title} has {board.chip}: {get_it}"
        )
    offset = board.flash.image_offset
    table = data[_PARTITION_TABLE_AT - offset :][:2]
    if table != _PARTITION_MAGIC:
        raise HubtoolError(
            f"{path}: only the program (.app-bin), without boot loader and partition table: "
            f"{get_it}"
        )
    if offset + len(data) > board.filesystem.offset:
        raise HubtoolError(
            f"{path}: {len(data):,} bytes reach into the file system of {board.title}: {get_it}"
        )
    exponent = data[_FLASH_SIZE_AT] >> 4
    if exponent > _LARGEST_EXPONENT:
        raise HubtoolError(
            f"{path}: its header names a flash size that no chip has ({exponent}): {get_it}"
        )
    end = _partitions_end(data[_PARTITION_TABLE_AT - offset :][:_PARTITION_TABLE_SIZE])
    return Image(path, len(data), chip, offset, 1024 * 1024 << exponent, end), board


def _partitions_end(table: bytes) -> int:
    """Where the last partition of a partition table ends."""
    end = 0
    for start in range(0, len(table) - _PARTITION_ENTRY + 1, _PARTITION_ENTRY):
        magic, kind, _, offset, size = struct.unpack_from("<2sBBII", table, start)
        if magic != _PARTITION_MAGIC or kind == _NO_PARTITION:
            break
        end = max(end, offset + size)
    return end


def _board(chip: str, wanted: str | None) -> Board:
    try:
        return load_board(wanted or f"{chip}_generic")
    except BoardFileError as error:
        if wanted is not None:
            raise HubtoolError(str(error)) from None
        raise HubtoolError(
            f"no board file for {chip} yet: name one with --board ({', '.join(board_ids())})"
        ) from None
