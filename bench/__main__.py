"""`make bench`: every measurement, as tables; `--write` also keeps them in docs/."""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("client", "memory", "service", "all"),
        default="all",
        help="which room",
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/ too")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    code = 0
    # None needs anything of the others.
    if options.what in ("client", "all"):
        from .client import bench_client

        code = bench_client(options.rounds, options.write)
    if options.what in ("memory", "all") and not code:
        from .memory import bench_memory

        code = bench_memory(options.write, optional=options.what == "all")
    if options.what in ("service", "all") and not code:
        from .service import bench_service

        code = bench_service(options.rounds, options.write)
    return code


sys.exit(main())
