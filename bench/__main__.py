"""`make bench`: every measurement, as tables; `--write` also keeps them in docs/."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

from rich.console import Console

from . import client
from .measure import MICROPYTHON, ROOT

DOCUMENT = ROOT / "docs" / "measurements.md"


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name} too")
    options = parser.parse_args()
    build = subprocess.run(
        [MICROPYTHON, "-c", "import sys; print(sys.version.split('; ')[1])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    sys.path.insert(0, str(ROOT / "device"))
    from webpubsub import __version__

    heading = (
        f"micropython-webpubsub {__version__}, {date.today().isoformat()}, {build}, "
        f"CPython {platform.python_version()}, {platform.machine()}"
    )
    console = Console(width=110)
    console.print(heading)
    kept = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in client.run(options.rounds):
        console.print(table)
        kept.print(table)
    if options.write:
        write(DOCUMENT, heading, kept.export_text())
    return 0


def write(document: Path, heading: str, text: str) -> None:
    """Keep the tables."""
    intro = f"`make bench` printed this: {heading}."
    document.write_text(f"# Measurements\n\n{intro}\n\n```text\n{text.rstrip()}\n```\n")


sys.exit(main())
