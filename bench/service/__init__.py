"""The local service beside a bare aiohttp WebSocket server, each in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator

from rich.console import Console

from . import fan_out, held, publish, report, rest, slow, storm
from .results import Measure
from .servers import BenchError

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


def bench_service(rounds: int, keep: bool) -> int:
    """Measure everything and print it.

    Args:
        rounds: how often each scenario is measured.
        keep: whether to write the page in docs/ too.

    Returns:
        The exit code.
    """
    if sys.platform != "linux":
        print("bench: the bench of the service needs Linux: it reads /proc", file=sys.stderr)
        return 1
    _allow_descriptors()
    console = Console(width=150)
    console.print(report.heading())
    try:
        measures = list(_measured(rounds, console))
    except (BenchError, OSError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    console.print(report.table(measures))
    if keep:
        report.write(measures, rounds, min(rounds, FEW))
    return 0


def _measured(rounds: int, console: Console) -> Iterator[Measure]:
    for scenario in SCENARIOS:
        for measure in asyncio.run(_awaited(scenario(rounds))):
            console.print(f"{measure.name}: {measure.ratio.economy.median:.2f}")
            yield measure


async def _awaited(coming: Awaitable[list[Measure]]) -> list[Measure]:
    return await coming


def _allow_descriptors() -> None:
    """Raise the soft limit of open files to the hard one, for the servers too."""
    import resource  # not on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
