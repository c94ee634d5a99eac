"""What MicroPython's own source says to a prepared folder, before anybody waits for a build."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from micropython_webpubsub.boards import Board

from ..errors import HubtoolError

# The first release with ROMFS on an ESP32.
_OLDEST = (1, 25)
_TIMEOUT = 60


def check_checkout(source: Path, board: Board, folder: Path) -> list[str]:
    """Check a folder against a checkout of MicroPython.

    Args:
        source: the checkout, with its submodule lib/micropython-lib.
        board: for which the folder is.
        folder: what was prepared.

    Returns:
        What was found, as text for the user.

    Raises:
        HubtoolError: it is no checkout, too old, lacks the board, or refuses a manifest.
    """
    version = _version(source)
    said = ".".join(map(str, version))
    if version < _OLDEST:
        raise HubtoolError(f"{source}: MicroPython {said}: check out v1.25.0 or later")
    port = source / "ports" / "esp32"
    if not (port / "boards" / board.firmware.board / "mpconfigboard.cmake").is_file():
        raise HubtoolError(
            f"{source}: MicroPython {said} has no board {board.firmware.board} for ESP32: "
            "check out another version, or correct firmware.board"
        )
    found = [f"MicroPython {said} has {board.firmware.board}"]
    for name in ("manifest.py", "manifest_romfs.py"):
        count = _frozen(source, port, folder / "board" / name)
        found.append(f"its build takes {name}: {count} modules frozen")
    return found


def _version(source: Path) -> tuple[int, int]:
    try:
        text = (source / "py" / "mpconfig.h").read_text("utf-8")
    except OSError:
        raise HubtoolError(f"{source}: no checkout of MicroPython (py/mpconfig.h)") from None
    numbers = [
        int(found[1])
        for name in ("MAJOR", "MINOR")
        if (found := re.search(rf"define MICROPY_VERSION_{name} (\d+)", text))
    ]
    if len(numbers) != 2:
        raise HubtoolError(f"{source}: its py/mpconfig.h names no version")
    return numbers[0], numbers[1]


def _frozen(source: Path, port: Path, manifest: Path) -> int:
    """How many files MicroPython's own tool finds in a manifest."""
    done = subprocess.run(
        [
            sys.executable,
            str(source / "tools" / "manifestfile.py"),
            *("--freeze", "--port", str(port), "--board", str(manifest.parent)),
            str(manifest),
        ],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        if "not found in any known library" in last:
            raise HubtoolError(
                f"{source}: lib/micropython-lib is missing: run `git submodule update --init "
                "lib/micropython-lib` there"
            )
        raise HubtoolError(f"{manifest}: MicroPython refuses it: {last}")
    return done.stdout.count("ManifestOutput(")
