"""Tables for the terminal, and the page that keeps them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version

from rich.table import Table

from ..measure import Figure
from .results import Measure


def heading() -> str:
    """When, and on what."""
    now = datetime.now(timezone.utc)
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
    lines = Table("measure", "unit", "bare aiohttp", "localhub", "ratio", "lost", "")
    lines.title = "Local service beside bare aiohttp: median (lowest-highest) of the rounds"
    for one in measures:
        lines.add_row(*_cells(one))
    return lines


def _cells(one: Measure) -> list[str]:
    notes = ", ".join(f"{name} {value}" for name, value in one.notes.items())
    return [
        one.name,
        one.unit,
        _shown(one.ratio.bare),
        _shown(one.ratio.service),
        _shown(one.ratio.economy),
        str(one.lost),
        notes,
    ]


def markdown(measures: Sequence[Measure]) -> str:
    """The same as a table of a page."""
    lines = ["| Measure | Unit | Bare aiohttp | localhub | Ratio | Lost | |", "|---" * 7 + "|"]
    lines += ["| " + " | ".join(_cells(one)) + " |" for one in measures]
    return "\n".join(lines) + "\n"
