"""Flashing: images are checked here, esptool writes to a mock boot loader."""

from __future__ import annotations

import importlib.util
import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hubtool.board.files import BoardFiles
from hubtool.board.firmware_image import CHIP_IDS, Image, load_image
from hubtool.board.flashing import Chip, Esptool, explained_failure, plan_flash
from hubtool.board.serial_link import SerialLink
from hubtool.errors import DeviceRefused, ExitCode, HubtoolError
from hubtool.main import main
from micropython_webpubsub.boards import load_board
from simboard.board import SimulatedBoard
from simboard.bootloader import Bootloader


def image(
    chip_id: int = 0,
    size: int = 60_000,
    offset: int = 0x1000,
    flash: int = 2,
    ends: tuple[int, ...] = (0x1F0000,),
) -> bytes:
    """Something that looks like a complete firmware.

    Args:
        flash: its size, as an exponent over 1 MiB.
        ends: of the partitions.
    """
    data = bytearray(os.urandom(16) * (size // 16))
    data[0] = 0xE9
    data[3] = flash << 4
    data[12:14] = chip_id.to_bytes(2, "little")
    at = 0x8000 - offset
    for end in ends:
        data[at : at + 32] = struct.pack(
            "<2sBBII16sI", b"\xaa\x50", 1, 2, 0x9000, end - 0x9000, b"name", 0
        )
        at += 32
    data[at : at + 32] = b"\xff" * 32
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


@pytest.mark.parametrize(
    ("given", "mebibytes", "said"),
    [
        ({"flash": 4}, 4, "the flash has 4 MiB, but {} is built for 16 MiB"),
        ({"flash": 3}, 4, "the flash has 4 MiB, but {} is built for 8 MiB"),
        ({"flash": 4}, 16, ""),
        ({"flash": 1}, 4, ""),
        ({"ends": (0x1F0000, 0x400000)}, 4, ""),
        ({"ends": (0x1F0000, 0x1000000)}, 4, "the partitions of {} end at 16 MiB"),
        ({"ends": (0x1000000, 0x1F0000)}, 4, "the partitions of {} end at 16 MiB"),
        ({"ends": (0x1F0000, 0x401000)}, 4, "the partitions of {} end at 4,198,400 bytes"),
        ({"ends": (0x1000000,), "flash": 4}, 16, ""),
    ],
)
def test_an_image_for_another_flash_is_refused(
    tmp_path: Path, given: dict[str, Any], mebibytes: int, said: str
) -> None:
    path = tmp_path / "fw.bin"
    path.write_bytes(image(**given))
    checked, board = load_image(path, None)
    esptool = Esptool("/dev/ttyUSB0", 115200, board)
    esptool.detect = lambda: Chip("esp32", mebibytes * 1024 * 1024)  # type: ignore[method-assign]
    plan = plan_flash(esptool, checked, board, erase=False, progress=lambda _fraction: None)
    look = plan.steps[0].run
    assert look is not None
    if not said:
        assert look() == f"esp32, {mebibytes} MiB flash"
        return
    with pytest.raises(DeviceRefused, match=re.escape(said.format(path))):
        look()


def test_a_refused_image_leaves_the_flash_as_it_was(
    tmp_path: Path, flash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fw.bin"
    path.write_bytes(image(flash=4))
    before = flash.read_bytes()
    with Bootloader(flash) as rom:
        assert main(["flash", str(path), "--port", rom.url]) == ExitCode.REFUSED
    error = capsys.readouterr().err
    assert "the flash has 4 MiB, but" in error
    assert "get the firmware for 4 MiB of flash" in error
    assert flash.read_bytes() == before


def test_a_flash_size_that_no_chip_has(tmp_path: Path) -> None:
    path = tmp_path / "fw.bin"
    path.write_bytes(image(flash=9))
    with pytest.raises(HubtoolError, match="names a flash size that no chip has"):
        load_image(path, None)


# What esptool prints, shortened; the places in braces are those where versions 4 and 5 differ.
DETECTED = """\
Connecting...
Detecting chip type... Unsupported detection protocol, switching and trying again...
Detecting chip type... ESP32-S3
{}
Stub running...
Manufacturer: {}
Device: {}
Detected flash size: {}
"""
VERSION_4 = "Chip is ESP32-S3 (QFN56) (revision v0.2)"
VERSION_5 = "Connected to ESP32-S3 on /dev/ttyUSB0:\nChip type:          ESP32-S3 (QFN56)"


class Recorded(Esptool):
    """esptool that has said something already."""

    output = ""

    def _call(self, *_: Any, **__: Any) -> str:
        return self.output


@pytest.fixture
def recorded() -> Recorded:
    return Recorded("/dev/ttyUSB0", 115200, load_board("esp32_generic"))


@pytest.mark.parametrize("chip", [VERSION_4, VERSION_5])
@pytest.mark.parametrize(
    ("size", "number"), [("16MB", 16 * 1024 * 1024), ("512KB", 512 * 1024), ("128MB", 128 << 20)]
)
def test_what_esptool_detects(recorded: Recorded, chip: str, size: str, number: int) -> None:
    recorded.output = DETECTED.format(chip, "20", "4018", size)
    assert recorded.detect() == Chip("esp32s3", number)


@pytest.mark.parametrize("chip", [VERSION_4, VERSION_5])
@pytest.mark.parametrize(
    ("maker", "device", "said"),
    [
        ("c8", "4042", "does not know how large the flash is (manufacturer c8, device 4042)"),
        ("ff", "ffff", "the flash does not answer its chip"),
        ("00", "0000", "the flash does not answer its chip"),
    ],
)
def test_a_flash_of_unknown_size(
    recorded: Recorded, chip: str, maker: str, device: str, said: str
) -> None:
    recorded.output = DETECTED.format(chip, maker, device, "Unknown")
    with pytest.raises(DeviceRefused, match=re.escape(said)):
        recorded.detect()


@pytest.mark.parametrize("said", ["Verification successful", "-- verify OK (digest matched)"])
def test_both_versions_words_for_equal(recorded: Recorded, tmp_path: Path, said: str) -> None:
    recorded.output = f"...\n{said}\n"
    checked = Image(tmp_path / "x.bin", 1, "esp32", 0x1000)
    assert recorded.verify(checked).startswith("equal")
    recorded.output = "..."
    with pytest.raises(HubtoolError, match="holds something else"):
        recorded.verify(checked)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("4.8.1", ["--before", "default_reset", "--after", "no_reset", "write_flash"]),
        ("5.6.0", ["--before", "default-reset", "--after", "no-reset", "write-flash"]),
    ],
)
def test_commands_are_written_as_the_version_has_them(
    version: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def run(command_line: list[str], *_: Any) -> tuple[int, str]:
        called.extend(command_line)
        return 0, ""

    monkeypatch.setattr("hubtool.board.flashing.version", lambda _name: version)
    monkeypatch.setattr("hubtool.board.flashing.run_child", run)
    esptool = Esptool("/dev/ttyUSB0", 115200, load_board("esp32_generic"))
    path = tmp_path / "my-fire_ware.bin"
    esptool.write(Image(path, 1, "esp32", 0), erase=True, progress=lambda _fraction: None)
    position = called.index("--before")
    assert called[position : position + len(words)] == words
    assert called[-1] == str(path)
    assert ("--erase-all" in called) is (version[0] == "5")


OPENING = "A fatal error occurred: Could not open {}, the port is busy or doesn't exist.\n({})\n"
NOTES = (
    "NOTE: Failed to get VID/PID of a device: the port is busy, timed out, permission denied.\n"
    "WARNING: Chip was NOT reset. Setting RTS/DTR lines is not supported.\n"
)


@pytest.mark.parametrize("before", ["", NOTES])
@pytest.mark.parametrize("mark", ["", "ERROR: "])
@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            OPENING.format(
                "/dev/x", "[Errno 2] could not open port /dev/x: [Errno 2] No such ..."
            ),
            ExitCode.NO_DEVICE,
            "no such port",
        ),
        (
            OPENING.format(
                "COM9",
                "could not open port 'COM9': FileNotFoundError(2, 'The system cannot find "
                "the file specified.', None, 2)",
            ),
            ExitCode.NO_DEVICE,
            "no such port",
        ),
        (
            OPENING.format(
                "COM3",
                "could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)",
            ),
            ExitCode.REFUSED,
            "in use by another program",
        ),
        (
            OPENING.format(
                "/dev/ttyUSB0",
                "[Errno 11] Could not exclusively lock port /dev/ttyUSB0: [Errno "
                "11] Resource temporarily unavailable",
            ),
            ExitCode.REFUSED,
            "in use by another program",
        ),
        (
            OPENING.format(
                "f", "Could not configure port: (25, 'Inappropriate ioctl for device')"
            ),
            ExitCode.NO_DEVICE,
            "is it a serial port?",
        ),
        (
            OPENING.format("socket://h:1", "Could not open port: [Errno 111] Connection refused"),
            ExitCode.NO_DEVICE,
            "nothing listens there",
        ),
        (
            "A fatal error occurred: This chip is ESP32-S3, not ESP32. Wrong chip argument?",
            ExitCode.REFUSED,
            "for another chip",
        ),
        (
            "A fatal error occurred: fw.bin requires chip revision in range [v3.0 - v3.99] (this "
            "chip is revision v0.2). Use --force to flash anyway.",
            ExitCode.REFUSED,
            "requires chip revision in range [v3.0 - v3.99]",
        ),
        (
            "A fatal error occurred: File fw.bin (length 9) at offset 4096 will not fit in "
            "4 bytes of flash. Change the --flash_size argument, or flashing address.",
            ExitCode.REFUSED,
            "larger than the flash",
        ),
        (
            "A fatal error occurred: Can't access flash regions larger than detected flash size "
            "(set size 0x1 from address 0x0 goes past 4MB by 0x1 bytes).",
            ExitCode.REFUSED,
            "larger than the flash",
        ),
        (
            "A fatal error occurred: Failed to set baud rate 3000000. The driver may not support "
            "this rate.",
            ExitCode.REFUSED,
            "use --baud 115200",
        ),
        (
            "A fatal error occurred: Unable to verify flash chip connection (No serial data "
            "received.).",
            ExitCode.REFUSED,
            "the flash does not answer its chip",
        ),
        (
            "A fatal error occurred: Active security features detected, erasing flash is "
            "disabled as a safety measure. Secure Boot ... Use --force to override, please "
            "use with caution",
            ExitCode.REFUSED,
            "locked by secure boot",
        ),
        (
            "A fatal error occurred: Failed to connect to ESP32: Wrong boot mode detected (0x13)! "
            "The chip needs to be in download mode.",
            ExitCode.REFUSED,
            "Hold BOOT",
        ),
        (
            "A fatal error occurred: Packet content transfer stopped (received 8 bytes)\n"
            "Timed out",
            ExitCode.REFUSED,
            "the connection broke off",
        ),
        (
            "A serial exception error occurred: device reports readiness to read but returned no "
            "data (device disconnected or multiple access on port?)",
            ExitCode.REFUSED,
            "the connection broke off",
        ),
        ("A fatal error occurred: The chip stopped responding.", ExitCode.REFUSED, "broke off"),
        (
            "A fatal error occurred: Verify failed.",
            ExitCode.VERIFY,
            "something else than was sent",
        ),
        ("A fatal error occurred: Verification failed.", ExitCode.VERIFY, "something else"),
    ],
)
def test_only_the_error_itself_says_what_is_wrong(
    before: str, mark: str, output: str, code: ExitCode, said: str
) -> None:
    error = explained_failure(
        f"{before}\n{mark}{output}", "/dev/ttyUSB0", load_board("esp32_generic")
    )
    assert said in str(error)
    assert error.exit_code == code
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "Traceback (most recent call last):\n  File 'busy.py', line 1\n"
            "ValueError: invalid URL, protocol 'foo' not known",
            "no such kind of port",
        ),
        (
            "usage: esptool [-h] [--port PORT]\nesptool: error: argument --before: invalid "
            "choice: 'no-reset' (choose from 'default_reset', 'no_reset')",
            "pip install -U esptool",
        ),
        ("/usr/bin/python: No module named esptool", "pip install -U esptool"),
    ],
)
def test_what_is_no_error_of_esptools_own(output: str, said: str) -> None:
    assert said in str(explained_failure(output, "foo://x", load_board("esp32_generic")))


@pytest.mark.parametrize("port", ["/dev/does-not-exist", "COM77", "FILE", "foo://h:1"])
def test_ports_that_are_none(
    port: str, firmware: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(firmware) if port == "FILE" else port
    assert main(["flash", str(firmware), "--port", port]) == ExitCode.NO_DEVICE
    error = capsys.readouterr().err
    assert error.startswith(f"hubtool: {port}: ")
    assert "in use" not in error
    assert "hubtool ports" in error


def test_esptool_is_stopped_after_its_time(
    pseudo_terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtool.board.flashing.DETECT_TIMEOUT", 0.5)
    esptool = Esptool(pseudo_terminal, 115200, load_board("esp32_generic"))
    with pytest.raises(DeviceRefused, match=r"had not ended after 0\.5 s and was stopped: press"):
        esptool.detect()
