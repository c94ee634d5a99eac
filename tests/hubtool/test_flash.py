"""Flashing: images are checked here, esptool writes to a mock boot loader."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from hubtool.board.files import BoardFiles
from hubtool.board.firmware_image import CHIP_IDS, Image, load_image
from hubtool.board.flashing import Esptool, explained_failure
from hubtool.board.serial_link import SerialLink
from hubtool.errors import ExitCode, HubtoolError
from hubtool.main import main
from micropython_webpubsub.boards import load_board
from simboard.board import SimulatedBoard
from simboard.bootloader import Bootloader


def image(chip_id: int = 0, size: int = 60_000, offset: int = 0x1000) -> bytes:
    """Something that looks like a complete firmware."""
    data = bytearray(os.urandom(16) * (size // 16))
    data[0] = 0xE9
    data[12:14] = chip_id.to_bytes(2, "little")
    table = 0x8000 - offset
    data[table : table + 2] = b"\xaa\x50"
    return bytes(data)


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(image())
    return path


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    """An erased flash of 4 MiB."""
    path = tmp_path / "flash"
    path.write_bytes(b"\xff" * 4 * 1024 * 1024)
    return path


def test_detect_write_verify(
    firmware: Path, flash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bootloader(flash, chip="esp32") as rom:
        assert main(["flash", str(firmware), "--port", rom.url]) == 0
    output = capsys.readouterr().out
    assert "chip: esp32, 4 MiB flash" in output
    assert "write: 60,000 bytes at 0x1000" in output
    # Over TCP there are no lines to reset a chip with, and it does not say that it did.
    assert "verify: equal; this port cannot reset the board: Press the button" in output
    written = flash.read_bytes()
    assert written[0x1000:][:60_000] == firmware.read_bytes()
    assert written[:0x1000] == b"\xff" * 0x1000


def test_a_boards_files_outlive_new_firmware(firmware: Path, tmp_path: Path) -> None:
    flash = tmp_path / "board"
    with SimulatedBoard(flash=flash) as board, SerialLink.open(board.port) as link:
        BoardFiles(link).replace("/app.py", b"print('mine')")
    with Bootloader(flash) as rom:
        assert main(["flash", str(firmware), "--port", rom.url, "--board", "simulated"]) == 0
    with SimulatedBoard(flash=flash) as board, SerialLink.open(board.port) as link:
        assert BoardFiles(link).read("/app.py") == b"print('mine')"


def test_another_chip_is_refused(
    firmware: Path, flash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = flash.read_bytes()
    with Bootloader(flash, chip="esp32c3") as rom:
        assert main(["flash", str(firmware), "--port", rom.url]) == ExitCode.REFUSED
    assert "the chip is esp32c3, but" in capsys.readouterr().err
    assert flash.read_bytes() == before, "nothing was written"


def test_a_flash_that_forgets_is_found(
    firmware: Path,
    flash: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verify = Esptool.verify

    def forget_first(self: Esptool, image: Image) -> None:
        with flash.open("r+b") as file:
            file.seek(0x2000)
            byte = file.read(1)[0]
            file.seek(0x2000)
            file.write(bytes([byte ^ 1]))
        verify(self, image)

    monkeypatch.setattr(Esptool, "verify", forget_first)
    with Bootloader(flash) as rom:
        assert main(["flash", str(firmware), "--port", rom.url]) == ExitCode.VERIFY
    assert "holds something else than was sent" in capsys.readouterr().err


def test_nobody_at_the_port(firmware: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["flash", str(firmware), "--port", "/dev/does-not-exist"])
    output, error = capsys.readouterr()
    assert code == ExitCode.NO_DEVICE
    assert "hubtool ports" in error
    assert error.count("\n") == 1
    assert "Traceback" not in output + error


def test_dry_run_needs_no_board(firmware: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", str(firmware), "--dry-run", "--erase"]) == 0
    output = capsys.readouterr().out
    assert "check that the chip is esp32" in output
    assert "erase the whole flash, then write" in output
    assert main(["flash", str(firmware), "--dry-run", "--json"]) == 0
    assert '"dry_run": true' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not begin with 0xE9"),
        (b"\x7fELF" + bytes(100), "does not begin with 0xE9"),
        (image(chip_id=999), "a chip that is not known"),
        (image(chip_id=16), "no board file for esp32h2"),
        (image(size=50_000)[:1000], "only the program"),
        (image(size=0x200000), "reach into the file system"),
    ],
)
def test_images_that_are_none(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(HubtoolError, match=said) as caught:
        load_image(path, None)
    assert "remedy" not in str(caught.value)


def test_an_image_for_another_board(tmp_path: Path) -> None:
    path = tmp_path / "c3.bin"
    path.write_bytes(image(chip_id=CHIP_IDS["esp32c3"]))
    with pytest.raises(HubtoolError, match=r"firmware for esp32c3, but .* has esp32: get the"):
        load_image(path, "esp32_generic")
    with pytest.raises(HubtoolError, match="cannot be read"):
        load_image(tmp_path / "nowhere.bin", None)


def test_chip_ids_are_esptools() -> None:
    from esptool.targets import CHIP_DEFS

    for chip, number in CHIP_IDS.items():
        assert number == CHIP_DEFS[chip].IMAGE_CHIP_ID
    assert load_board("esp32_generic").flash.image_offset == (
        CHIP_DEFS["esp32"].BOOTLOADER_FLASH_OFFSET
    )


def test_esptool_missing(
    firmware: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "esptool" else real(name)
    )
    assert main(["flash", str(firmware), "--port", "/dev/null"]) == 1
    assert "pip install 'micropython-webpubsub[flash]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            "A fatal error occurred: Failed to connect to ESP32: No serial data received.",
            ExitCode.REFUSED,
            "Hold BOOT",
        ),
        (
            "A fatal error occurred: Could not open COM3, the port is busy or doesn't exist.\n"
            "([Errno 13] could not open port COM3: [Errno 13] Permission denied: 'COM3')",
            ExitCode.REFUSED,
            "permission denied",
        ),
        (
            "Could not open /dev/ttyUSB0, the port is busy or doesn't exist.\n"
            "([Errno 16] could not open port: [Errno 16] Device or resource busy)",
            ExitCode.REFUSED,
            "in use by another program",
        ),
        ("MD5 of file does not match data in flash!", ExitCode.VERIFY, "--baud 115200"),
        ("Timed out waiting for packet content", ExitCode.REFUSED, "another cable"),
        ("something new", ExitCode.REFUSED, "esptool failed: something new"),
        ("", ExitCode.REFUSED, "stopped after its time"),
    ],
)
def test_esptools_errors_become_remedies(output: str, code: ExitCode, said: str) -> None:
    error = explained_failure(output, "/dev/ttyUSB0", load_board("esp32_generic"))
    assert error.exit_code == code
    assert said in str(error)
