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

import serial
from micropython_webpubsub.boards import Board
from micropython_webpubsub.installing import install_extra

from ..errors import DeviceRefused, HubtoolError, NoDevice, VerifyFailed
from ..steps import Plan, Step
from .firmware_image import Image
from .serial_link import press_reset

_CONNECTED = re.compile(r"^Connected to (ESP\S+) on", re.MULTILINE)
_FLASH_SIZE = re.compile(r"^Detected flash size: (\d+)(KB|MB)", re.MULTILINE)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_KEPT_LINES = 400
# Seconds. 16 MiB at 115200 baud take some 20 minutes; detection takes a few seconds.
_WRITE_TIMEOUT = 1800.0
_DETECT_TIMEOUT = 60.0

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Chip:
    """What esptool found at the port: esptool's chip name, and the flash size in bytes."""

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
        # A socket has no speed and no DTR and RTS lines to reset a chip with.
        self._has_lines = "://" not in port or port.startswith("rfc2217://")
        self.under_way = ""
        self._speed = ["--baud", str(baud)] if self._has_lines else []

    def detect(self) -> Chip:
        """Ask for chip and flash size; the chip stays in its boot loader.

        Raises:
            DeviceRefused: esptool does not say what it found; and what `write` raises.
        """
        output = self._call(["flash-id"], timeout=_DETECT_TIMEOUT)
        chip, size = _CONNECTED.search(output), _FLASH_SIZE.search(output)
        if chip is None or size is None:
            raise DeviceRefused(
                f"{self._port}: esptool does not say what it found: update it "
                "(pip install -U 'esptool>=5')"
            )
        factor = 1024 if size[2] == "KB" else 1024 * 1024
        return Chip(chip[1].lower().replace("-", ""), int(size[1]) * factor)

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
        if "Verification successful" not in output:
            raise VerifyFailed(_remedy("verification failed", self._port, self._board))
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
        command_line = [sys.executable, "-m", "esptool", "--port", self._port, *self._speed]
        command_line += ["--before", lines[0], "--after", lines[1], *command]
        self.under_way = command[0]
        status, output = _run(command_line, timeout, progress)
        if status != 0:
            raise explained_failure(output, self._port, self._board)
        return output


def _run(
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


def explained_failure(output: str, port: str, board: Board) -> HubtoolError:
    """The error that says in one line what esptool's output means.

    Args:
        output: what esptool wrote, in any case.
        port: the serial port.
        board: what was to be flashed.
    """
    lower = output.lower()
    text = _remedy(lower, port, board)
    if "no such file or directory" in lower or "could not find" in lower or "enoent" in lower:
        return NoDevice(text)
    if "does not match" in lower or "verification failed" in lower or "digest mism" in lower:
        return VerifyFailed(text)
    return DeviceRefused(text)


def _remedy(lower: str, port: str, board: Board) -> str:
    """One line out of esptool's many: what to do now."""
    table = (
        (("permission denied", "errno 13"), "permission denied: add yourself to the group that "
         "owns the port (`sudo usermod -aG dialout $USER`, then log in again)"),
        (("no such file or directory", "could not find", "enoent"),
         "no such port: `hubtool ports` lists what there is"),
        (("busy", "access is denied", "could not exclusively lock", "in use"),
         "in use by another program: close the monitor, IDE or terminal that holds it"),
        (("connection refused", "could not open connection"),
         "nothing listens there: start the board or the mock boot loader first"),
        (("does not match", "verification failed", "digest mism"),
         "the flash holds something else than was sent: use another cable, or --baud 115200"),
        (("failed to connect", "no serial data received", "wrong boot mode", "invalid head"),
         f"the chip does not answer: {board.instructions.download} Then run the same command "
         "again; some cables only charge"),
        (("timed out", "timeout", "stopped", "lost connection", "serial exception"),
         "the connection broke off: use another cable or USB port, or --baud 115200"),
    )  # fmt: skip
    for marks, remedy in table:
        if any(mark in lower for mark in marks):
            return f"{port}: {remedy}"
    lines = [line.strip() for line in lower.splitlines() if line.strip()]
    return f"{port}: esptool failed: {lines[-1] if lines else 'it was stopped after its time'}"


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
        return f"{chip.name}, {chip.flash_size // 1024 // 1024} MiB flash"

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
