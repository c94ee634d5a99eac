"""The local service beside a bare aiohttp WebSocket server, each in a process of its own."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from ..plot import Chart
from ..service import fan_out, held, publish, rest, slow, storm
from ..service.results import Measure, bars, sheet
from ..target import Found, Target

# Rounds of the scenarios that take long and differ little.
FEW = 2
# Each scenario with its full size.
SCENARIOS: tuple[Callable[[int], Awaitable[list[Measure]]], ...] = (
    lambda rounds: fan_out.measure(rounds, fan_out.Size()),
    lambda rounds: publish.measure(rounds, publish.Size()),
    lambda rounds: rest.measure(rounds, rest.Size()),
    lambda rounds: held.measure(min(rounds, FEW), held.Size()),
    lambda rounds: storm.measure(rounds, storm.Size()),
    lambda rounds: slow.measure(min(rounds, FEW), slow.Size()),
)


def measured(rounds: int) -> Iterator[Found]:
    """A line for each measure as soon as it is there; in the end, the table.

    Raises:
        BenchError, OSError, TimeoutError: a scenario failed.
    """
    _allow_descriptors()
    every: list[Measure] = []
    for scenario in SCENARIOS:
        measures = asyncio.run(_awaited(scenario(rounds)))
        every += measures
        yield Found(lines=[f"{one.name}: {one.comparison.ratio.median:.2f}" for one in measures])
    yield Found([sheet(every, rounds, min(rounds, FEW))], bars(every))


async def _awaited(coming: Awaitable[list[Measure]]) -> list[Measure]:
    return await coming


def _allow_descriptors() -> None:
    """Raise the soft limit of open files to the hard one, for the servers too."""
    import resource  # not on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _missing() -> str:
    return "" if sys.platform == "linux" else "the service is measured on Linux: it reads /proc"


TARGET = Target(
    page="measurements-service",
    template=Path(__file__).with_suffix(".md"),
    measured=measured,
    subjects=lambda: [f"CPython {platform.python_version()}", f"aiohttp {version('aiohttp')}"],
    chart=Chart(
        title="localhub as a multiple of bare aiohttp",
        label="The local service as a multiple of bare aiohttp",
        corner="measure (by CPU where nothing else is said)",
        axis="times as good as bare aiohttp = 1 (logarithmic; right is better)",
    ),
    missing=_missing,
)
