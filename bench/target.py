"""What `python -m bench NAME` measures, shows and keeps: the same for every target."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hubtool.errors import HubtoolError
from rich.console import Console

from .measure import ROOT, BenchError
from .plot import Bar, Chart
from .sheet import Sheet

DOCS = ROOT / "docs"
_WIDTH = 200


@dataclass(frozen=True)
class Found:
    """What one measurement has found.

    Attributes:
        sheets: its tables.
        bars: of the plot.
        lines: for the terminal only.
    """

    sheets: Sequence[Sheet] = ()
    bars: Sequence[Bar] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """Something that is measured, and the page that keeps it.

    Attributes:
        page: name of the page in docs/, without its ending.
        template: the page, with the names of `values` and {heading}, {tables} in braces.
        measured: from the number of rounds: what is found, each as soon as it is there.
        subjects: versions of what is measured and of what it is measured with.
        values: from the number of rounds: more of what the page says.
        chart: of the plot; None without one.
        missing: why it cannot be measured here, and the remedy; empty when it can be.
        place: of a table on the page, as a key to sort by.
    """

    page: str
    template: Path
    measured: Callable[[int], Iterator[Found]]
    subjects: Callable[[], Sequence[str]]
    values: Callable[[int], Mapping[str, str]] = field(default=lambda rounds: {})
    chart: Chart | None = None
    missing: Callable[[], str] = field(default=lambda: "")
    place: Callable[[Sheet], int] = field(default=lambda sheet: 0)

    def heading(self) -> str:
        """Of what release, when, and on what."""
        now = datetime.now(UTC)
        release = f"micropython-webpubsub {version('micropython-webpubsub')}"
        computer = f"{platform.system()} {platform.release()}, {platform.machine()}"
        parts = [release, f"{now:%Y-%m-%d %H:%M} UTC", *self.subjects(), computer]
        return ", ".join([*parts, f"{os.cpu_count()} cores"])

    def write(
        self, sheets: Sequence[Sheet], bars: Sequence[Bar], rounds: int, docs: Path = DOCS
    ) -> None:
        """Keep the page, and its picture.

        Args:
            sheets: the tables.
            bars: of the picture.
            rounds: how often everything was measured.
            docs: the folder.
        """
        tables = "\n".join(sheet.markdown() for sheet in sorted(sheets, key=self.place))
        values = {"heading": self.heading(), "tables": tables, **self.values(rounds)}
        text = self.template.read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        page = docs / f"{self.page}.md"
        page.write_text(text, "utf-8")
        if self.chart is not None:
            page.with_suffix(".svg").write_text(self.chart.svg(bars), "utf-8")


def run(target: Target, rounds: int, *, keep: bool, optional: bool) -> int:
    """Measure everything and print it.

    Args:
        target: what.
        rounds: how often.
        keep: whether to write the page in docs/ too.
        optional: whether it is no failure when it cannot be measured here.

    Returns:
        The exit code.
    """
    if reason := target.missing():
        print(f"bench: {reason}", file=sys.stderr)
        return 0 if optional else 1
    console = Console(width=_WIDTH)
    sheets: list[Sheet] = []
    bars: list[Bar] = []
    try:
        console.print(target.heading())
        for found in target.measured(rounds):
            for line in found.lines:
                console.print(line)
            for sheet in found.sheets:
                console.print(sheet.table())
            sheets += found.sheets
            bars += found.bars
    except (BenchError, HubtoolError, OSError, TimeoutError) as error:
        print(f"bench: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    if keep:
        target.write(sheets, bars, rounds)
    return 0
