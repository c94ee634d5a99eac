"""What each module takes of the heap, and what it takes to load it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..measure import BenchError
from .build import Board
from .figures import Names

# Of the heap, for a name that is not in the image: hash, length and address in a table.
NAME = 7


@dataclass(frozen=True)
class Module:
    """One module.

    Attributes:
        name: as it is imported.
        code: bytes that stay, or are there during a use: functions, constants, tables, objects.
        names: how many it brings that are not in the image, and no module before it brought.
        name_bytes: what they take, without room for more in their tables.
        load: the most that was taken while it was loaded, with nothing freed meanwhile.
        rest: what a passing module leaves behind; 0 for one that stays.
    """

    name: str
    code: int
    names: int
    name_bytes: int
    load: int
    rest: int = 0


@dataclass(frozen=True)
class Modules:
    """The modules of a program.

    Attributes:
        stays, passes: see `measure`.
        room: bytes of the tables of names that are free for more names.
        total: bytes of all that stays.
    """

    stays: tuple[Module, ...]
    passes: tuple[Module, ...]
    room: int
    total: int


def measure(
    micropython: Path,
    board: Board,
    stays: Sequence[str],
    passes: Sequence[str] = (),
    first: Sequence[str] = ("asyncio",),
    more: Mapping[str, str] | None = None,
) -> Modules:
    """Import modules on the model of the chip, each with all before it there.

    Args:
        stays: what a program keeps, in the order of loading.
        passes: what it loads for a use.
        first: what does not count.
        more: of the environment.

    Raises:
        BenchError: a module could not be loaded.
    """
    environment = {"FIRST": first, "STAYS": stays, "PASSES": passes}
    done = subprocess.run(
        # The IDF heap is no part of this, and an image may need room.
        [str(micropython), "-X", "heapsize=1M", "-m", "modules"],
        cwd=board.programs,
        env={
            **os.environ,
            "MICROPYPATH": ":.frozen",
            "BOARD": str(board.root),
            **{name: " ".join(value) for name, value in environment.items()},
            **(more or {}),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode or "Traceback" in done.stdout:
        raise BenchError(f"modules could not be measured: {(done.stdout + done.stderr).strip()}")
    return _read(done.stdout.splitlines())


def _read(lines: Sequence[str]) -> Modules:
    staying: list[Module] = []
    passing: list[Module] = []
    words: list[str] = []
    total = room = 0
    before: Names | None = None
    for line in lines:
        if line.startswith(("stays ", "passes ")):
            words = line.split()
        elif line.startswith("qstr pool:"):
            now = Names.of(line)
            if words and before:
                count, text = now.count - before.count, now.text - before.text
                grown, names = now.total - before.total, NAME * count + text
                name, taken, load = words[1], int(words[2]), int(words[3])
                if words[0] == "stays":
                    staying.append(Module(name, taken - grown, count, names, load))
                    total += taken
                    room += grown - names
                else:
                    passing.append(Module(name, taken, count, names, load, int(words[4])))
            before, words = now, []
    return Modules(tuple(staying), tuple(passing), room, total)
