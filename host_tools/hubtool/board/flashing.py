"""Writing firmware with esptool, which runs as a child process only: it is GPL, this is MIT."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import serial
from micropython_webpubsub.boards import Board
from micropython_webpubsub.installing import install_extra, update_package

from ..errors import DeviceRefused, HubtoolError
from ..steps import Plan, Step
from .esptool_errors import explained_failure, flash_is_silent, verify_failure
from .firmware_image import Image
from .serial_link import press_reset

# Version 5 says the first of these, too.
_CHIP = re.compile(
    r"^(?:Detecting chip type\.\.\.\s*|Connected to )(ESP[\w-]+)(?: on .*)?$", re.MULTILINE
)
_FLASH_SIZE = re.compile(r"^Detected flash size: (\d+)(KB|MB)", re.MULTILINE)
_FLASH_ID = re.compile(r"^Manufacturer: (\w+)\s+Device: (\w+)", re.MULTILINE)
_VERIFIED = ("Verification successful", "verify OK")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_FIRST_WITH_DASHES = 5
_KEPT_LINES = 400
# Seconds. 16 MiB at 115200 baud take some 20 minutes; detection takes a few seconds.
_WRITE_TIMEOUT = 1800.0
DETECT_TIMEOUT = 60.0

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Chip:
    """What esptool found at the port: esptool's chip name, and the flash size in bytes.

    Attributes:
        name: such as `esp32c3`.
        flash_size: bytes.
    """

    name: str
    flash_size: int


class Esptool:
    """esptool on one port.

    Attributes:
        under_way: the command of its that was last run; empty before the first one.
    """

    def __init__(self, port: str, baud: int, board: Board) -> None:
        """Remember how to call it.

        Raises:
            HubtoolError: esptool is not installed.
        """
        if importlib.util.find_spec("esptool") is None:
            raise HubtoolError(f"esptool is not installed: {install_extra('flash')}")
        self._port = port
        self._board = board
        self._version = _esptool_version()
        # A socket has no speed and no DTR and RTS lines to reset a chip with.
        self._has_lines = "://" not in port or port.startswith("rfc2217://")
        self.under_way = ""
        self._speed = ["--baud", str(baud)] if self._has_lines else []

    def detect(self) -> Chip:
        """Ask for chip and flash size; the chip stays in its boot loader.

        Raises:
            DeviceRefused: esptool does not say what it found; and what `write` raises.
        """
        output = self._call(["flash-id"], timeout=DETECT_TIMEOUT)
        chip, size = _CHIP.search(output), _FLASH_SIZE.search(output)
        if chip is not None and size is not None:
            factor = 1024 if size[2] == "KB" else 1024 * 1024
            return Chip(chip[1].lower().replace("-", ""), int(size[1]) * factor)
        flash = _FLASH_ID.search(output)
        if chip is None or flash is None:
            raise DeviceRefused(
                f"{self._port}: esptool does not say what it found: update it "
                f"({update_package('esptool')})"
            )
        if {flash[1], flash[2]} <= {"00", "ff", "0000", "ffff"}:
            raise flash_is_silent(self._port)
        raise DeviceRefused(
            f"{self._port}: esptool does not know how large the flash is (manufacturer "
            f"{flash[1]}, device {flash[2]}): update it ({update_package('esptool')})"
        )

    def write(self, image: Image, *, erase: bool, progress: Progress) -> None:
        """Write an image; esptool compares hashes on the chip.

        `keep`: the header stays as MicroPython was built, else its hash would no longer fit.
        """
        erasing = ["--erase-all"] if erase else []
        self._call(
            ["write-flash", *erasing, "--flash-size", "keep", hex(image.offset), str(image.path)],
            timeout=_WRITE_TIMEOUT,
            progress=progress,
        )

    def verify(self, image: Image) -> str:
        """Compare the flash with the image once more, then reset the chip where that is possible.

        Returns:
            What became of it, for the report of the step.

        Raises:
            VerifyFailed: the flash is not the image; and what `write` raises.
        """
        output = self._call(
            ["verify-flash", "--flash-size", "keep", hex(image.offset), str(image.path)],
            timeout=_WRITE_TIMEOUT,
            after="hard-reset",
        )
        if not any(mark in output for mark in _VERIFIED):
            raise verify_failure(self._port)
        if self._has_lines:
            return "equal; board reset"
        return f"equal; this port cannot reset the board: {self._board.instructions.reset}"

    def leave(self) -> str:
        """Have the chip leave its boot loader, in which a refusal or Ctrl-C has left it.

        Returns:
            What became of it.
        """
        with contextlib.suppress(OSError, ValueError):
            port = self._has_lines and serial.serial_for_url(self._port, exclusive=True)
            if port:
                with port:
                    if press_reset(port):
                        return "the board was reset, and its program starts again"
        return f"the chip stays in its boot loader: {self._board.instructions.reset}"

    def _call(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        after: str = "no-reset",
        progress: Progress | None = None,
    ) -> str:
        lines = ["default-reset", after] if self._has_lines else ["no-reset", "no-reset"]
        verb, *rest = command
        command_line = [sys.executable, "-m", "esptool", "--port", self._port, *self._speed]
        command_line += ["--before", self._name(lines[0]), "--after", self._name(lines[1])]
        command_line += [self._name(verb), *map(self._option, rest)]
        self.under_way = verb
        status, output = run_child(command_line, timeout, progress)
        if status < 0:
            raise DeviceRefused(
                f"{self._port}: esptool had not ended after {timeout:g} s and was stopped: press "
                "reset, then run the same command again"
            )
        if status != 0:
            raise explained_failure(output, self._port, self._board)
        return output

    def _name(self, name: str) -> str:
        """A name of a command or a reset, as this version of esptool writes it."""
        return name if self._version >= _FIRST_WITH_DASHES else name.replace("-", "_")

    def _option(self, word: str) -> str:
        return "--" + self._name(word[2:]) if word.startswith("--") else word


def _esptool_version() -> int:
    """The first number of its version; the newest one known where it does not say."""
    try:
        return int(version("esptool").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return _FIRST_WITH_DASHES


def run_child(
    command_line: Sequence[str], timeout: float, progress: Progress | None
) -> tuple[int, str]:
    """Run a child to its end, or kill it after a time; its output line by line."""
    environment = dict(os.environ, PYTHONIOENCODING="utf-8", NO_COLOR="1", COLUMNS="100")
    kept: list[str] = []
    with subprocess.Popen(
        command_line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as child:
        limit = threading.Timer(timeout, child.kill)
        limit.start()
        try:
            assert child.stdout is not None
            for line in child.stdout:
                found = _PERCENT.search(line)
                if found and progress is not None:
                    progress(float(found[1]) / 100)
                if not found:
                    kept.append(line)
                    del kept[:-_KEPT_LINES]
            return child.wait(), "".join(kept)
        except BaseException:
            child.kill()
            raise
        finally:
            limit.cancel()


def _check_size(image: Image, flash_size: int) -> None:
    """Refuse an image for a larger flash: its boot loader would restart the board for ever.

    Raises:
        DeviceRefused: so it is.
    """
    get_it = (
        f"get the firmware for {_mebibytes(flash_size)} of flash from micropython.org/download"
    )
    if image.flash_size > flash_size:
        raise DeviceRefused(
            f"the flash has {_mebibytes(flash_size)}, but {image.path} is built for "
            f"{_mebibytes(image.flash_size)}, and the board would restart for ever: {get_it}"
        )
    if image.end > flash_size:
        raise DeviceRefused(
            f"the flash has {_mebibytes(flash_size)}, but the partitions of {image.path} end at "
            f"{_mebibytes(image.end)}, and the board would restart for ever: {get_it}"
        )


def _mebibytes(size: int) -> str:
    mebibytes, rest = divmod(size, 1024 * 1024)
    return f"{size:,} bytes" if rest else f"{mebibytes} MiB"


def plan_flash(
    esptool: Esptool, image: Image, board: Board, *, erase: bool, progress: Progress
) -> Plan:
    """Detect, write, verify, reset."""

    def detect() -> str:
        chip = esptool.detect()
        if chip.name != image.chip:
            raise DeviceRefused(
                f"the chip is {chip.name}, but {image.path} is for {image.chip}: "
                "get the firmware for this chip from micropython.org/download"
            )
        if chip.flash_size < board.flash.size:
            raise DeviceRefused(
                f"the flash has {chip.flash_size:,} bytes, but {board.title} has "
                f"{board.flash.size:,}: name another board file with --board"
            )
        _check_size(image, chip.flash_size)
        return f"{chip.name}, {_mebibytes(chip.flash_size)} flash"

    def write() -> str:
        esptool.write(image, erase=erase, progress=progress)
        return f"{image.size:,} bytes at {image.offset:#x}"

    def verify() -> str:
        return esptool.verify(image)

    before = "erase the whole flash, then " if erase else ""
    return Plan(
        f"Writing MicroPython to {board.title}",
        (
            Step("chip", f"check that the chip is {image.chip}", detect),
            Step(
                "write",
                f"{before}write {image.path} ({image.size:,} bytes) at {image.offset:#x}",
                write,
            ),
            Step("verify", "compare the flash with the file, reset the board", verify),
        ),
    )
