"""Where a ROMFS fits into the flash of a board, and the table that says so to ESP-IDF's build.

Source: ESP-IDF, "Partition Tables"; MicroPython, ports/esp32/partitions-4MiB-romfs.csv.
"""

from __future__ import annotations

from micropython_webpubsub.boards import Board, Partition

from ..errors import HubtoolError

# Flash is mapped into memory in pages of this size, and app partitions begin on one.
PAGE = 0x10000
# As in MicroPython's own table: there is room for an app.py beside the device code.
_SMALLEST = 0x20000
# Type and subtype by name: what the tables of ports/esp32 have. A ROMFS has no subtype of its own.
_KINDS = {
    "nvs": ("data", "nvs"),
    "otadata": ("data", "ota"),
    "phy_init": ("data", "phy"),
    "factory": ("app", "factory"),
    "ota_0": ("app", "ota_0"),
    "ota_1": ("app", "ota_1"),
    "romfs": ("data", "0x8f"),
    "vfs": ("data", "fat"),
    "ffat": ("data", "fat"),
}


def with_romfs(board: Board, image: int) -> tuple[Partition, ...]:
    """The partitions of a board with one for a ROMFS, which the program makes room for.

    It lies at the end of the program's, so the file system stays where it is: a board that is in
    use keeps its settings.

    Args:
        board: how the stock firmware lays out the flash.
        image: size of the ROMFS image, bytes.

    Raises:
        HubtoolError: the layout has two programs, or leaves none for one.
    """
    size = max(_SMALLEST, -(-image // PAGE) * PAGE)
    programs = [part for part in board.partitions if _kind(part.name)[0] == "app"]
    if len(programs) != 1:
        raise HubtoolError(
            f"{board.title}: a layout with {len(programs)} programs has no room for a ROMFS: "
            "freeze the code instead"
        )
    program = programs[0]
    left = program.size - size
    # The stock program fills most of its partition; below this nothing could be built.
    if left < program.size // 2:
        raise HubtoolError(
            f"{board.title}: a ROMFS of {size:,} bytes leaves {max(left, 0):,} for the program: "
            "freeze the code instead"
        )
    smaller = program.model_copy(update={"size": left})
    romfs = Partition(name="romfs", offset=smaller.end, size=size)
    others = [part for part in board.partitions if part is not program]
    return tuple(sorted((*others, smaller, romfs), key=lambda part: part.offset))


def _kind(name: str) -> tuple[str, str]:
    try:
        return _KINDS[name]
    except KeyError:
        raise HubtoolError(
            f"partition '{name}': not known here: use one of {', '.join(_KINDS)}"
        ) from None


def to_csv(board: Board, partitions: tuple[Partition, ...]) -> str:
    """The table in the form that ESP-IDF's build reads; the file system is in it.

    MicroPython makes one of what is left since 1.26; earlier versions want it in the table.

    Raises:
        HubtoolError: the partitions overlap or reach beyond the flash.
    """
    files = board.filesystem
    try:
        # The model of a board checks its layout.
        Board.model_validate(
            {**board.model_dump(), "partitions": [part.model_dump() for part in partitions]}
        )
    except ValueError as error:
        raise HubtoolError(f"{board.title}: {error}") from None
    last = Partition(name=files.label, offset=files.offset, size=files.size)
    rows = [f"# {board.title}, {board.flash.size:#x} bytes of flash, with a ROMFS."]
    rows.append("# Name, Type, SubType, Offset, Size")
    for part in (*partitions, last):
        kind, subtype = _kind(part.name)
        rows.append(f"{part.name}, {kind}, {subtype}, {part.offset:#x}, {part.size:#x}")
    return "\n".join(rows) + "\n"
