"""Tables for the terminal, and the page that keeps them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from rich.table import Column, Table

from ..measure import Figure
from .plot import svg
from .results import Measure
from .servers import HERE, ROOT

PAGE = ROOT / "docs" / "measurements-service.md"


def heading() -> str:
    """When, and on what."""
    now = datetime.now(UTC)
    return (
        f"micropython-webpubsub {version('micropython-webpubsub')}, {now:%Y-%m-%d %H:%M} UTC, "
        f"CPython {platform.python_version()}, aiohttp {version('aiohttp')}, "
        f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"{os.cpu_count()} cores"
    )


def _shown(figure: Figure) -> str:
    digits = 2 if figure.median < 100 else 0
    return f"{figure.median:,.{digits}f} ({figure.low:,.{digits}f}-{figure.high:,.{digits}f})"


def table(measures: Iterable[Measure]) -> Table:
    """One line for each measure."""
    lines = Table(Column(_COLUMNS[0], no_wrap=True), *_COLUMNS[1:])
    lines.title = "Local service beside bare aiohttp: median (lowest-highest) of the rounds"
    for one in measures:
        lines.add_row(*_cells(one))
    return lines


_COLUMNS = ("Measure", "Unit", "Bare aiohttp", "localhub", "Ratio", "Goal", "Lost", "Notes")


def _cells(one: Measure) -> list[str]:
    return [
        one.name,
        one.unit,
        _shown(one.ratio.bare),
        _shown(one.ratio.service),
        _shown(one.ratio.economy) if one.plotted else "",
        one.goal,
        str(one.lost),
        ", ".join(f"{name} {value}" for name, value in one.notes.items()),
    ]


def write(measures: Sequence[Measure], rounds: int, few: int) -> None:
    """Keep the page and its picture.

    Args:
        measures: what was found.
        rounds: how often most of it was measured.
        few: how often the long scenarios were.
    """
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *map(_cells, measures)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    page = (HERE / "page.md").read_text("utf-8")
    filled = page.replace("{heading}", heading()).replace("{table}", rows)
    filled = filled.replace("{rounds}", str(rounds)).replace("{few}", str(few))
    PAGE.write_text(filled, "utf-8")
    PAGE.with_suffix(".svg").write_text(svg(measures), "utf-8")
