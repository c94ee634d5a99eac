"""How things are measured: CPU of a process, the start-up taken out by a second run."""

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

# More of them, for what depends on the width of a word: any, and those with the client frozen.
OTHERS = list(filter(None, os.environ.get("MICROPYTHON_OTHERS", "").split(os.pathsep)))
FROZEN = list(filter(None, os.environ.get("MICROPYTHON_FROZEN", "").split(os.pathsep)))


class BenchError(Exception):
    """The bench cannot run here, or a measurement went wrong; the text says what to do."""


@dataclass(frozen=True)
class Program:
    """A program and the interpreter that runs it.

    Attributes:
        name: the name of its module.
        library: the folder that it, and what it imports, is found in.
        heap: of MicroPython, as its option takes it; None for CPython.
        micropython: which one.
        under: a command that runs it, such as a profiler.
    """

    name: str
    library: Path
    heap: str | None = None
    micropython: str = MICROPYTHON
    under: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """The command line."""
        if self.heap:
            own = [self.micropython, "-X", f"heapsize={self.heap}", "-m", self.name]
            return [*self.under, *own]
        return [*self.under, sys.executable, "-m", self.name]

    def environment(self, variables: Mapping[str, object]) -> dict[str, str]:
        """The environment, with the library on the path."""
        own = {"MICROPYPATH": f"{self.library}:.frozen", "PYTHONPATH": str(self.library)}
        return {**os.environ, **own, **{key: str(value) for key, value in variables.items()}}

    def run(self, variables: Mapping[str, object], timeout: float = 120) -> str:
        """Run it, and return what it printed.

        Raises:
            BenchError: it failed, or took more than `timeout` seconds.
        """
        try:
            done = subprocess.run(
                self.command(),
                # The current folder comes first on the path.
                cwd=self.library,
                env=self.environment(variables),
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{self.name} did not end within {timeout:g} s") from error
        if done.returncode:
            text = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise BenchError(f"{self.name} failed: {text}")
        return done.stdout


def cpu_seconds(program: Program, variables: Mapping[str, object]) -> float:
    """User and system time of one run; raises as `Program.run`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.run(variables)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def cpu_per_message(program: Program, variables: Mapping[str, object], count: int) -> float:
    """CPU microseconds for one message: a long run less a short one."""
    short = max(count // 10, 1)
    spent = cpu_seconds(program, {**variables, "COUNT": count})
    spent -= cpu_seconds(program, {**variables, "COUNT": short})
    # Of few messages on a busy machine, the long run may be the cheaper one.
    return max(1e6 * spent / (count - short), 0.001)


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

    @classmethod
    def ratio(cls, values: Sequence[float], base: Sequence[float]) -> Figure:
        """Of ratios, each within one round."""
        return cls.of([value / unit for value, unit in zip(values, base, strict=True)])

    def shown(self, digits: int = 1) -> str:
        """Median, and lowest and highest in brackets."""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


@dataclass(frozen=True)
class Run:
    """A program with its environment, and how many messages it takes to measure it."""

    program: Program
    variables: Mapping[str, object]
    count: int


def interleaved(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """CPU microseconds for a message of each, by round.

    In every round each of them has its turn, so that a busy moment hits all of them alike.

    Raises:
        BenchError: a program failed.
    """
    values: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            values[name].append(cpu_per_message(run.program, run.variables, run.count))
    return values
