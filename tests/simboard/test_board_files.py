"""Every board file: read, consistent, and of one mind with esptool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from micropython_webpubsub.assets import boards_folder
from micropython_webpubsub.boards import BoardError, board_ids, load_board

# Asked in a process of its own: esptool is GPL, and nothing of ours imports it.
ASK_ESPTOOL = """
import json
from esptool.targets import CHIP_DEFS
print(json.dumps({name: chip.BOOTLOADER_FLASH_OFFSET for name, chip in CHIP_DEFS.items()}))
"""


@pytest.fixture(scope="module")
def offsets() -> dict[str, int]:
    answer = subprocess.run(
        [sys.executable, "-c", ASK_ESPTOOL], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(json.loads(answer.stdout))


def test_the_boards_that_we_promise_are_there() -> None:
    assert {"simulated", "esp32_generic"} <= set(board_ids())


@pytest.mark.parametrize("board_id", board_ids())
def test_image_starts_where_the_chip_looks(board_id: str, offsets: dict[str, int]) -> None:
    board = load_board(board_id)
    assert board.id == board_id
    assert board.flash.image_offset == offsets[board.chip]


BOARD = (boards_folder() / "simulated.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('chip = "esp32"', 'chip = "esp32"\ncolour = "blue"', "colour: unknown key: correct it"),
        ('size = "4 MiB"', 'size = "4 MB"', "flash.size: "),
        ('size = "4 MiB"', 'size = "2 MiB"', "vfs ends at 0x400000, behind the flash"),
        ("size = 0x6000", "size = 0x8000", "nvs and factory overlap"),
        ("offset = 0x200000", "offset = 0x1F0000", "factory and vfs overlap"),
        ("offset = 0x9000", "offset = 0x9001", "nvs: offset 0x9001 is not a multiple of 0x1000"),
        ('size = "2 MiB"', "size = 2097153", "vfs: size 0x200001 is not a multiple of 0x1000"),
        ("image_offset = 0x1000", "image_offset = 0x400000", "image_offset 0x400000 is outside"),
        ('id = "simulated"', 'id = "other"', "id 'other' differs from the file's name"),
        ("[heap]", "[heap", "not TOML"),
        ("watchdog_seconds = 90", "watchdog_seconds = 10", "watchdog_seconds: "),
    ],
)
def test_wrong_board_files_are_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "simulated.toml"
    assert old in BOARD
    path.write_text(BOARD.replace(old, new, 1), "utf-8")
    with pytest.raises(BoardError) as caught:
        load_board(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


CHIP = (boards_folder() / "esp32_generic.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        # Python's heap of 56,000, the growth and the ballast leave 125,500 less that.
        ("growth = 44000", "growth = 44357", "less than the reserve of 19,000: let it grow by 44"),
        ("reserve = 19000", "reserve = 19357", "less than the reserve of 19,357"),
        ("tls = 34000", "tls = 46000", "less than the 46,000 of tls: let it grow by 41,356"),
        ("ballast = 6144", "ballast = 6501", "leaves 18,999 bytes when connected"),
        ("block = 17500", "block = 34001", "block 34,001 cannot be larger than tls"),
        ("buffer = 1024", "buffer = 100", "memory.buffer: "),
        ("first = 56000\n", "", "'first' is missing: without psram it has to be known"),
        ("connected = 125500\n", "", "'connected' is missing"),
        ("psram = false", "psram = true", "leave growth and ballast out"),
        ("growth = 44000", "groth = 44000", "memory.groth: unknown key"),
        ('minimum_version = "1.23"', 'minimum_version = "1.x"', "firmware.minimum_version: "),
    ],
)
def test_sizes_of_memory_that_cannot_hold_together(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "esp32_generic.toml"
    assert old in CHIP
    path.write_text(CHIP.replace(old, new, 1), "utf-8")
    with pytest.raises(BoardError) as caught:
        load_board(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_largest_growth_that_fits_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "esp32_generic.toml"
    path.write_text(CHIP.replace("growth = 44000", "growth = 44356", 1), "utf-8")
    memory = load_board(path).memory
    assert memory is not None
    assert memory.connected - memory.python - memory.ballast == memory.reserve


def test_psram_needs_no_figures(tmp_path: Path) -> None:
    path = tmp_path / "esp32_generic.toml"
    start, end = CHIP.index("psram = false"), CHIP.index("[instructions]")
    path.write_text(CHIP[:start] + "psram = true\n\n" + CHIP[end:], "utf-8")
    memory = load_board(path).memory
    assert memory is not None
    assert (memory.growth, memory.reserve, memory.ballast) == (0, 0, 0)


def test_unknown_board_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"unknown board 'moon': use one of .*simulated"):
        load_board("moon")
    with pytest.raises(BoardError, match=r"no such board file"):
        load_board(tmp_path / "absent.toml")
