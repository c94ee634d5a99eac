"""esptool, as a child process, on the bootloader over a board's own flash file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from littlefs import LittleFS
from simboard import SimulatedBoard, SimulatorError
from simboard.bootloader import Bootloader


def esptool(rom: Bootloader, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "esptool", "--port", rom.url]
    return subprocess.run(
        [*command, "--before", "no-reset", "--after", "no-reset", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def filesystem(files: dict[str, bytes]) -> bytes:
    fs = LittleFS(
        block_size=4096,
        block_count=512,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        mount=False,
    )
    fs.format()
    fs.mount()
    for name, content in files.items():
        with fs.open(name, "wb") as file:
            file.write(content)
    fs.unmount()
    return bytes(fs.context.buffer)


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    path = tmp_path / "flash.bin"
    SimulatedBoard(flash=path).close()
    return path


@pytest.mark.slow
def test_detect_write_verify_read_erase(flash: Path, tmp_path: Path) -> None:
    good, bad, read = (tmp_path / name for name in ("good", "bad", "read"))
    good.write_bytes(os.urandom(40000))
    bad.write_bytes(os.urandom(40000))
    with Bootloader(flash, chip="esp32") as rom:
        assert "ESP32" in esptool(rom, "chip-id").stdout
        written = esptool(rom, "write-flash", "--flash-size", "keep", "0x10000", str(good))
        assert written.returncode == 0, written.stdout + written.stderr
        assert "Hash of data verified" in written.stdout
        assert flash.read_bytes()[0x10000:][:40000] == good.read_bytes()
        assert esptool(rom, "verify-flash", "0x10000", str(good)).returncode == 0
        assert esptool(rom, "verify-flash", "0x10000", str(bad)).returncode == 2
        assert esptool(rom, "--no-stub", "verify-flash", "0x10000", str(good)).returncode == 0
        esptool(rom, "--no-stub", "read-flash", "0x10000", "0x1000", str(read))
        assert read.read_bytes() == good.read_bytes()[:0x1000]
        plain = ("--no-compress", "--flash-size", "keep", "0x20000", str(bad))
        assert esptool(rom, "write-flash", *plain).returncode == 0
        assert flash.read_bytes()[0x20000:][:40000] == bad.read_bytes()
        assert esptool(rom, "erase-flash").returncode == 0
    assert set(flash.read_bytes()) == {0xFF}


def test_board_runs_the_file_system_that_esptool_wrote(flash: Path, tmp_path: Path) -> None:
    image = tmp_path / "vfs.bin"
    image.write_bytes(
        filesystem({"main.py": b"print('flashed', open('note').read())", "note": b"!"})
    )
    with Bootloader(flash) as rom:
        written = esptool(rom, "write-flash", "--flash-size", "keep", "0x200000", str(image))
        assert written.returncode == 0, written.stdout + written.stderr
    with SimulatedBoard(flash=flash) as board:
        board.wait_for("flashed !")
        board.wait_for(">>> ")


def test_what_cannot_be_is_said(flash: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SimulatorError, match=r"no ROM bootloader for chip 'esp99': use one of"):
        Bootloader(flash, chip="esp99")
    with pytest.raises(SimulatorError, match="No such file"):
        Bootloader(flash.with_name("absent"))
    monkeypatch.setitem(sys.modules, "esp32_mock_bootloader", None)
    with pytest.raises(SimulatorError, match="pip install esp32-mock-bootloader"):
        Bootloader(flash)
