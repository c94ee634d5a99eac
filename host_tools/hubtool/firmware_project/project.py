"""Writes the folder: the board as MicroPython's build wants it, the code, the image, a script."""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template

from micropython_webpubsub.assets import device_files
from micropython_webpubsub.boards import Board, BoardError, board_ids, load_board

from ..board.deployment import build_source, prepare
from ..board.rom_image import build_image, write_image
from ..device_build import IN_PLACE
from ..errors import HubtoolError
from .layout import to_csv, with_romfs

_TEMPLATES = Path(__file__).parent / "templates"
IMAGE = "firmware.romfs"
_MARK = "board/mpconfigboard.cmake"


def find_board(wanted: str) -> Board:
    """A board by its id, the path of its file, or the name of its MicroPython build.

    Raises:
        HubtoolError: there is none, or no image can be built for it.
    """
    board: Board | None
    try:
        if wanted.endswith(".toml"):
            board = load_board(wanted)
        else:
            known = [load_board(name) for name in board_ids()]
            board = next(
                (board for board in known if wanted in (board.id, board.firmware.build)), None
            )
    except BoardError as error:
        raise HubtoolError(str(error)) from None
    if board is None:
        names = ", ".join(item.firmware.build for item in known if _is_esp32(item))
        raise HubtoolError(f"unknown board '{wanted}': use BOARD= with one of {names}")
    if not _is_esp32(board):
        raise HubtoolError(f"{board.title}: images are prepared for ESP32 chips only")
    return board


def _is_esp32(board: Board) -> bool:
    return board.chip.startswith("esp32") and board.firmware.board != "unix"


def write_project(board: Board, folder: Path) -> list[str]:
    """Write everything; what the folder held of an earlier run is replaced.

    Args:
        board: what the image is for.
        folder: where to.

    Returns:
        What was written, as text for the user.

    Raises:
        HubtoolError: the folder holds something else, cannot be written, or the ROMFS does not
            fit.
    """
    image = build_image(prepare(options=IN_PLACE, memory=board.memory))
    partitions = with_romfs(board, len(image))
    romfs = next(part for part in partitions if part.name == "romfs")
    program = next(part for part in partitions if part.end == romfs.offset)
    _empty(folder)
    try:
        values = {
            "BOARD": board.firmware.board,
            "CHIP": board.chip,
            "ID": board.id,
            "TITLE": board.title,
            "MANIFEST": board.firmware.manifest,
            "ROMFS_OFFSET": f"{romfs.offset:#x}",
            "ROMFS_SIZE": f"{romfs.size:,}",
            "IMAGE": IMAGE,
            "IMAGE_SIZE": f"{len(image):,}",
            "STOCK_VARIANT": _stock_variant(board),
        }
        _fill(_TEMPLATES, folder, values)
        (folder / "build.sh").chmod(0o755)
        (folder / "board" / "partitions.csv").write_text(to_csv(board, partitions), "utf-8")
        modules = _copy_modules(board, folder / "modules")
    except OSError as error:
        raise HubtoolError(
            f"{folder}: cannot be written: {error.strerror}: name another folder"
        ) from None
    write_image(image, folder / IMAGE)
    return [
        f"code to freeze: {modules} modules",
        f"ROMFS image: {len(image):,} of {romfs.size:,} bytes, at {romfs.offset:#x}",
        f"partitions: {program.size:,} bytes for the program, "
        f"the files stay at {board.filesystem.offset:#x}",
    ]


def _empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).is_file()):
        raise HubtoolError(f"{folder}: holds something else: name another folder")
    for name in ("board", "modules"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _fill(source: Path, target: Path, values: dict[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _fill(entry, target / entry.name, values)
        else:
            # ".in", so that no linter takes them for what they become.
            text = _Marked(entry.read_text("utf-8")).substitute(values)
            (target / entry.name.removesuffix(".in")).write_text(text, "utf-8")


class _Marked(Template):
    """Templates of files that have $ signs of their own."""

    delimiter = "@@"


def _stock_variant(board: Board) -> str:
    """The line that takes the settings of a variant of the stock board, if it is one."""
    if not board.firmware.variant:
        return ""
    return f"include(${{STOCK}}/mpconfigvariant_{board.firmware.variant}.cmake)\n"


def _copy_modules(board: Board, folder: Path) -> int:
    """The sources that are frozen; how many."""
    listed = [file for file in device_files() if file.compiled or file.target == "/main.py"]
    for file in listed:
        target = folder / file.target.removeprefix("/lib").lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.source.read_bytes())
    (folder / "firmware" / "build.py").write_text(build_source(memory=board.memory), "utf-8")
    return len(listed) + 1
