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
    parser.add_argument(
        "what", nargs="?", choices=("client", "service", "all"), default="all", help="which room"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/ too")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.what in ("client", "all"):
        bench_client(options.rounds, options.write)
    if options.what in ("service", "all"):
        # The client's bench needs nothing of it.
        from .service import bench_service

        return bench_service(options.rounds, options.write)
    return 0


def bench_client(rounds: int, keep: bool) -> None:
    """The device client beside its baselines."""
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
    for table in client.run(rounds):
        console.print(table)
        kept.print(table)
    if keep:
        write(DOCUMENT, heading, kept.export_text())


def write(document: Path, heading: str, text: str) -> None:
    """Keep the tables."""
    intro = f"`make bench` printed this: {heading}."
    document.write_text(f"# Measurements\n\n{intro}\n\n```text\n{text.rstrip()}\n```\n")


sys.exit(main())
