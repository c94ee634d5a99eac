"""A table, for the terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        title: what it shows.
        columns: their headings.
        rows: the cells, as text.
        note: a paragraph below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def table(self) -> Table:
        """For the terminal."""
        table = Table(*self.columns, title=self.title, caption=self.note or None)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a page: a section."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        note = f"\n{self.note}\n" if self.note else ""
        return f"## {self.title}\n{rows}{note}"
