"""How things are measured: CPU of a whole process, the start-up taken out by a second run."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))


@dataclass(frozen=True)
class Program:
    """A script and the interpreter that runs it."""

    script: Path
    library: Path = ROOT / "device"
    micropython: bool = True
    heap: str = "2M"

    def command(self) -> list[str]:
        """The command line."""
        if self.micropython:
            return [MICROPYTHON, "-X", f"heapsize={self.heap}", str(self.script)]
        return [sys.executable, str(self.script)]

    def environment(self, variables: Mapping[str, object]) -> dict[str, str]:
        """The environment, with the library on the path."""
        own = {"MICROPYPATH": f"{self.library}:.frozen", "PYTHONPATH": str(self.library)}
        return {**os.environ, **own, **{key: str(value) for key, value in variables.items()}}


def cpu_seconds(program: Program, variables: Mapping[str, object], timeout: float = 120) -> float:
    """User and system time of one run. Raises CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        program.command(),
        env=program.environment(variables),
        check=True,
        capture_output=True,
        timeout=timeout,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def cpu_per_message(program: Program, variables: Mapping[str, object], count: int) -> float:
    """CPU microseconds for one message: a long run less a short one."""
    short = count // 10
    spent = cpu_seconds(program, {**variables, "COUNT": count})
    spent -= cpu_seconds(program, {**variables, "COUNT": short})
    return 1e6 * spent / (count - short)


@dataclass(frozen=True)
class Figure:
    """The median of several runs, and how far they are apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """From single measurements."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f}-{self.high:.1f})"


def interleaved(
    programs: Mapping[str, tuple[Program, Mapping[str, object]]], count: int, rounds: int = 5
) -> dict[str, Figure]:
    """Measure several programs in turn, so that a busy moment hits all of them alike."""
    values: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (program, variables) in programs.items():
            values[name].append(cpu_per_message(program, variables, count))
    return {name: Figure.of(found) for name, found in values.items()}
