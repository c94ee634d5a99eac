"""`make bench`: every measurement, as tables; `--write` also keeps them in docs/."""

from __future__ import annotations

import argparse
import importlib
import sys

from .target import run

# Each is a module of `targets`; none needs anything of the others.
TARGETS = ("client", "memory", "service")


def main() -> int:
    """Run the benches."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "target",
        nargs="?",
        choices=(*TARGETS, "all"),
        default="all",
        help="the device client, its memory, the local service, or all of them (all)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each measurement (5)")
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/ too")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    everything = options.target == "all"
    for name in TARGETS if everything else (options.target,):
        target = importlib.import_module(f".targets.{name}", __package__).TARGET
        if code := run(target, options.rounds, keep=options.write, optional=everything):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
