"""The device client beside its baselines: CPU, heap, size, idling."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from ..measure import BenchError
from ..plot import Bar
from ..sheet import Sheet
from . import code_size, idling, instructions, memory, report, speed
from .build import build
from .server import echo_server
from .size import Size


def bench_client(rounds: int, keep: bool) -> int:
    """Measure everything and print it.

    Args:
        rounds: how often speed is measured.
        keep: whether to write the page in docs/ too.

    Returns:
        The exit code.
    """
    console = Console(width=200)
    console.print(report.heading())
    sheets, bars = [], []
    try:
        for found, more in measured(rounds, Size()):
            for sheet in found:
                console.print(sheet.table())
            sheets += found
            bars += more
    except (BenchError, OSError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    if keep:
        report.write(sheets, bars, rounds)
    return 0


def measured(rounds: int, size: Size) -> Iterator[tuple[list[Sheet], list[Bar]]]:
    """All measurements, each as soon as it is there: tables, and bars for the plot.

    Raises:
        BenchError: a program failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        libraries = build(Path(folder))
        with echo_server(Path(folder) / "ca.der") as echo:
            yield speed.round_trips(libraries, echo, rounds, size.echoes)
            yield [instructions.instructions(libraries, echo, size.echoes)], []
            sheet, bars = speed.one_way(libraries, echo, rounds, size.one_way)
            yield [sheet], bars
            yield [memory.per_message(libraries, echo)], []
            yield [asyncio.run(memory.smallest_heaps(libraries, echo, size))], []
            yield [memory.importing(libraries)], []
            yield code_size.code_size(libraries), []
            yield [idling.idling(libraries, echo, size.idle_seconds)], []
