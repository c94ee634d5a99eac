"""Boards with the firmware on them, for the end-to-end tests."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hubtool.board.deployment import prepare
from hubtool.device_build import prepare_sources
from hubtool.device_build.renaming import rename_source
from littlefs import LittleFS
from micropython_webpubsub.assets import device_files
from micropython_webpubsub.boards import load_board
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

SSID, PASSWORD = "depot", "open sesame"


def record(content: dict[str, Any]) -> bytes:
    """A record as docs/settings.md describes it."""
    line = json.dumps(content, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def _slot_files(
    slot: str = "a",
    generation: int = 1,
    *,
    ca: bytes = b"",
    token: str = "",
    wifi_password: str = PASSWORD,
    **tables: Any,
) -> dict[str, bytes]:
    """The files of one slot; `tables` are merged into the tables of the settings record."""
    content: dict[str, Any] = {
        "schema": 1,
        "generation": generation,
        "device": {"id": "CP-7", "kind": "charging-point"},
        "hub": {
            "endpoint": "http://127.0.0.1:9",
            "name": "chargers",
            "credential": "token" if token else "anonymous",
            "protocol": "json.reliable.webpubsub.azure.v1",
        },
        "wifi": {"ssid": SSID},
        "tls": {"ca_sha256": hashlib.sha256(ca).hexdigest()},
        "telemetry": {"group": "telemetry", "interval": 0.5},
        "commands": {"groups": [], "users": ["ops"], "reply_group": "replies"},
        "clock": {"ntp": []},
    }
    for name, table in tables.items():
        content.setdefault(name, {}).update(table)
    secrets = {
        "schema": 1,
        "generation": generation,
        "wifi_password": wifi_password,
        "token": token,
    }
    return {
        f"/hub/settings.{slot}": record(content),
        f"/hub/secrets.{slot}": record(secrets),
        f"/hub/ca.{slot}": ca,
    }


@pytest.fixture
def slot_files() -> Callable[..., dict[str, bytes]]:
    """`slot_files(slot, generation, ...)`: see `_slot_files`."""
    return _slot_files


@pytest.fixture(scope="session")
def deployed() -> dict[str, bytes]:
    """The files of `hubtool deploy`: target path to content."""
    return {item.path: item.data for item in prepare()}


@pytest.fixture(scope="session")
def flash_image(deployed: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash file with the device code on it, and no settings."""
    path = tmp_path_factory.mktemp("flash") / "flash.bin"
    board = load_board("simulated")
    path.write_bytes(b"\xff" * board.flash.size)
    write_files(path, deployed)
    return path


def write_files(flash: Path, contents: dict[str, bytes]) -> None:
    """Put files into the file system of a flash file; a board that uses it must be off."""
    where = load_board("simulated").filesystem
    image = bytearray(flash.read_bytes())
    area = slice(where.offset, where.offset + where.size)
    fresh = not image[area].strip(b"\xff")
    system = LittleFS(
        block_size=where.block_size, block_count=where.size // where.block_size, mount=False
    )
    if fresh:
        system.format()
    else:
        system.context.buffer = image[area]
    system.mount()
    for target, content in contents.items():
        system.makedirs(str(Path(target).parent), exist_ok=True)
        with system.open(target, "wb") as file:
            file.write(content)
    system.unmount()
    image[area] = system.context.buffer
    flash.write_bytes(image)


def _translated(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Files with boot.py in the names of the build: these tests reach into the firmware by it."""
    boot = contents.get("/boot.py")
    if boot is None or b"firmware" not in boot:
        return contents
    names = prepare_sources(device_files()).names
    return {**contents, "/boot.py": rename_source(boot.decode(), names).encode()}


@pytest.fixture
def make_board(flash_image: Path, tmp_path: Path) -> Iterator[Callable[..., SimulatedBoard]]:
    """`make_board(files, ...)`: a powered board with the firmware and these files on it.

    `chip` is a version of the model of the chip, as for SimulatedBoard.
    """
    boards: list[SimulatedBoard] = []
    numbers = itertools.count()  # several threads may make boards

    def make(
        *files: dict[str, bytes], networks: dict[str, str] | None = None, chip: str = ""
    ) -> SimulatedBoard:
        number = next(numbers)
        flash = tmp_path / f"flash{number}.bin"
        shutil.copyfile(flash_image, flash)
        for contents in files:
            write_files(flash, _translated(contents))
        radio = tmp_path / f"radio{number}.json"
        found = {SSID: PASSWORD} if networks is None else networks
        points = [{"ssid": ssid, "password": word} for ssid, word in found.items()]
        radio.write_text(json.dumps({"access_points": points}))
        board = SimulatedBoard("simulated", flash=flash, name=f"b{number}", radio=radio, chip=chip)
        boards.append(board)
        return board

    yield make
    for board in boards:
        board.close()


@pytest.fixture
def time_server() -> Iterator[TimeServer]:
    """A time server on loopback, with faults on order."""
    with TimeServer() as server:
        yield server
