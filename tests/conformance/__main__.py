"""`make conformance`: WebSocket conformance of the device code on real MicroPython, as a table."""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.support.interpreters import micropython_version

from .runner import CORE, HUGE, LARGE, MEGABYTE, run


def main() -> int:
    """Run all groups; 0 only when no case went wrong."""
    table = Table("cases", "heap", "right", "informational", "wrong", "seconds")
    table.title = f"Autobahn cases (kosoku {version('kosoku')}) on {micropython_version()}"
    wrong: dict[str, str] = {}
    for group in (CORE, LARGE, MEGABYTE, HUGE):
        with tempfile.TemporaryDirectory() as folder:
            verdict = run(group, Path(folder))
        wrong.update(verdict.wrong)
        table.add_row(
            group.title,
            group.heap,
            str(len(verdict.right)),
            " ".join(verdict.informational) or "0",
            str(len(verdict.wrong)),
            f"{verdict.seconds:.1f}",
        )
    console = Console()
    console.print(table)
    for case, why in wrong.items():
        console.print(f"{case}: {why}")
    return 1 if wrong else 0


sys.exit(main())
