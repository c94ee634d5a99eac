"""What esptool says when it fails, and what a person can do about it.

Seen in esptool 4.8.1 and 5.6.0. Only the error itself counts: notes before it, and the sentence
round every failure to open a port ("the port is busy or doesn't exist"), say nothing.
"""

from __future__ import annotations

import re

from micropython_webpubsub.boards import Board
from micropython_webpubsub.installing import update_package

from ..errors import DeviceRefused, HubtoolError, NoDevice, VerifyFailed

_ERROR = re.compile(
    r"(?:a fatal error occurred|a serial exception error occurred|^\S*esptool\S*: error|^error):",
    re.MULTILINE,
)
_WRAPPING = re.compile(r"the port is busy or does\w*'?t exist\.?")
_ADVICE = re.compile(
    r"^(?:for troubleshooting steps|hint:|usage:).*|(?:note|warning): .*", re.MULTILINE
)
_OPENING = ("could not open", "could not exclusively lock", "could not configure port")
_REVISION = re.compile(r"requires chip revision .*?\(this chip is revision v?[\d.]+\)")

_SILENT_FLASH = (
    "the flash does not answer its chip: take the power away for a moment, and what is wired to "
    "its pins; then run the same command again"
)
_LISTING = "`hubtool ports` lists what there is"
# What stands in the error, what it is, and what to do. The first row that fits counts.
_PORT_ROWS: tuple[tuple[tuple[str, ...], type[DeviceRefused | NoDevice], str], ...] = (
    (
        # Windows says so of a port that another program has open.
        ("access is denied", "permissionerror(13", "exclusively lock", "errno 16", "busy",
         "errno 11]", "temporarily unavailable"),
        DeviceRefused,
        "in use by another program: close the monitor, IDE or terminal that holds it",
    ),
    (
        ("permission denied", "errno 13"),
        DeviceRefused,
        "permission denied: add yourself to the group that owns the port "
        "(`sudo usermod -aG dialout $USER`, then log in again)",
    ),
    (
        ("no such file", "errno 2]", "errno 6]", "errno 19]", "filenotfounderror",
         "cannot find the file", "no such device"),
        NoDevice,
        f"no such port: {_LISTING}",
    ),
    (
        ("refused", "timed out", "unreachable", "name or service", "getaddrinfo", "no route",
         "errno 111"),
        NoDevice,
        "nothing listens there: start the board or the mock boot loader first",
    ),
    ((), NoDevice, f"cannot be opened: is it a serial port? {_LISTING}"),
)  # fmt: skip
_ROWS: tuple[tuple[tuple[str, ...], type[DeviceRefused | NoDevice | VerifyFailed], str], ...] = (
    (
        ("no serial ports found", "available serial ports"),
        NoDevice,
        f"no such port: {_LISTING}",
    ),
    (
        ("invalid url",),
        NoDevice,
        f"no such kind of port: use rfc2217://HOST:PORT, or {_LISTING}",
    ),
    (
        ("does not match", "verification failed", "verify failed", "digest mism"),
        VerifyFailed,
        "the flash holds something else than was sent: use another cable, or --baud 115200",
    ),
    (
        ("secure download mode", "secure boot", "flash encryption", "encrypted"),
        DeviceRefused,
        "the chip is locked by secure boot or flash encryption: take another board, or have who "
        "locked it write the firmware",
    ),
    (
        ("will not fit", "larger than detected flash size", "goes past", "larger than 16mb"),
        DeviceRefused,
        "the image is larger than the flash: get the firmware for this board from "
        "micropython.org/download",
    ),
    (
        ("baud rate", "driver may not support this rate"),
        DeviceRefused,
        "the port does not take this speed: use --baud 115200",
    ),
    (
        ("flash chip connection", "spi command did not complete"),
        DeviceRefused,
        _SILENT_FLASH,
    ),
    (
        ("this chip is", "is not an esp", "unexpected chip id", "wrong chip argument"),
        DeviceRefused,
        "the image is for another chip: get the firmware for this board from "
        "micropython.org/download",
    ),
    (
        ("invalid choice", "no such option", "no such command", "unrecognized arguments",
         "unknown image chip id", "unsupported by this version", "no module named",
         "installation is incomplete"),
        DeviceRefused,
        f"this esptool does not know what is asked of it: update it ({update_package('esptool')})",
    ),
    (
        ("failed to connect", "could not connect", "no serial data received", "wrong boot mode",
         "invalid head", "no sync reply", "download mode"),
        DeviceRefused,
        "the chip does not answer: {download} Then run the same command again; some cables only "
        "charge",
    ),
    (
        ("timed out", "timeout", "stopped responding", "lost connection", "serial exception",
         "no more data", "noise", "corrupt", "slip escape", "disconnected", "input/output error",
         "device not configured", "readiness to read", "failed to start stub", "status response",
         "byte response", "failed to", "response doesn't match", "write timeout"),
        DeviceRefused,
        "the connection broke off: use another cable or USB port, or --baud 115200",
    ),
)  # fmt: skip


def explained_failure(output: str, port: str, board: Board) -> HubtoolError:
    """The error to raise for what esptool printed before it ended with an error.

    Args:
        output: all of it.
        port: where it was at work.
        board: says how its chip comes into download mode.
    """
    said = _said(output)
    revision = _REVISION.search(said)
    if revision is not None:
        return DeviceRefused(
            f"{port}: the image {revision[0]}: get the firmware for this revision from "
            "micropython.org/download"
        )
    opening = any(mark in said for mark in _OPENING)
    for marks, kind, remedy in _PORT_ROWS if opening else _ROWS:
        fits = not marks or any(mark in said for mark in marks)
        if fits:
            return kind(f"{port}: {remedy.replace('{download}', board.instructions.download)}")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if said.lstrip().startswith("traceback"):
        lines = lines[-1:]
    return DeviceRefused(
        f"{port}: esptool failed: {lines[0] if lines else 'it was stopped after its time'}"
    )


def flash_is_silent(port: str) -> HubtoolError:
    """The error to raise when the chip answers, and its flash does not."""
    return DeviceRefused(f"{port}: {_SILENT_FLASH}")


def verify_failure(port: str) -> HubtoolError:
    """The error to raise when esptool compared, and did not say that all is equal."""
    kind, remedy = next((kind, remedy) for _, kind, remedy in _ROWS if kind is VerifyFailed)
    return kind(f"{port}: {remedy}")


def _said(output: str) -> str:
    """The error in esptool's output, in small letters: from the last line that begins one."""
    lower = output.lower()
    starts = list(_ERROR.finditer(lower))
    if starts:
        lower = lower[starts[-1].end() :]
    elif "traceback (most recent call last)" in lower:
        lines = lower.strip().splitlines()
        lower = lines[-1]
    return _ADVICE.sub("", _WRAPPING.sub("", lower))
