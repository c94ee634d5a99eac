"""Boards with the firmware on them, for the end-to-end tests."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hubtool.board.deployment import prepare
from hubtool.device_build import Options
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

from tests.support import boards, built
from tests.support.shared import built_once


@pytest.fixture
def slot_files() -> Callable[..., dict[str, bytes]]:
    """`slot_files(slot, generation, ...)`: see `tests.support.boards.slot_files`."""
    return boards.slot_files


@pytest.fixture(scope="session")
def deployed() -> dict[str, bytes]:
    """The files of `hubtool deploy`: target path to content."""
    return {item.path: item.data for item in prepare()}


@pytest.fixture(scope="session")
def flash_image(deployed: dict[str, bytes], folder_of_run: Path) -> Path:
    """A flash file with the device code on it, and no settings."""

    def make(folder: Path) -> None:
        boards.write_files(folder / "flash.bin", deployed)

    return built_once(folder_of_run / "flash", make) / "flash.bin"


def _translated(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Files with boot.py in the names of the build: these tests reach into the firmware by it."""
    boot = contents.get("/boot.py")
    if boot is None or b"firmware" not in boot:
        return contents
    return {**contents, "/boot.py": built.translated(boot.decode(), Options()).encode()}


@pytest.fixture
def make_board(flash_image: Path, tmp_path: Path) -> Iterator[Callable[..., SimulatedBoard]]:
    """`make_board(files, ...)`: a powered board with the firmware and these files on it.

    `chip` is a version of the model of the chip, as for SimulatedBoard.
    """
    made: list[SimulatedBoard] = []
    numbers = itertools.count()  # several threads may make boards

    def make(
        *files: dict[str, bytes], networks: dict[str, str] | None = None, chip: str = ""
    ) -> SimulatedBoard:
        number = next(numbers)
        flash = tmp_path / f"flash{number}.bin"
        shutil.copyfile(flash_image, flash)
        for contents in files:
            boards.write_files(flash, _translated(contents))
        radio = boards.write_radio(tmp_path / f"radio{number}.json", networks)
        board = SimulatedBoard("simulated", flash=flash, name=f"b{number}", radio=radio, chip=chip)
        made.append(board)
        return board

    yield make
    for board in made:
        board.close()


@pytest.fixture
def time_server() -> Iterator[TimeServer]:
    """A time server on loopback, with faults on order."""
    with TimeServer() as server:
        yield server
