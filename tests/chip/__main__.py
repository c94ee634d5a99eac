"""`python -m tests.chip`: the long run on the model of the chip, and what came of it."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import tempfile
from pathlib import Path

from simboard.chip import places

from .soak import Plan, Result, outages, run

# Bytes: more than a handshake of TLS can do without, an eighth of what a joined chip has.
LESS = 18_700


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chip", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="of the run (3600)")
    parser.add_argument("--outages", type=int, default=20, help="of 5 to 60 s (20)")
    parser.add_argument("--commands", type=float, default=60, help="seconds between them (60)")
    parser.add_argument("--version", help="of the model; oldest and newest at once when not given")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the outages (1)")
    parser.add_argument(
        "--no-cut", action="store_true", help="leave out the runs of boards with less memory"
    )
    parser.add_argument("--consoles", type=Path, help="folder for what the boards wrote")
    return parser.parse_args()


def show(name: str, result: Result) -> None:
    """Print a result, one figure per line."""
    print(f"{name}:")
    for field in dataclasses.fields(result):
        if field.name != "console":
            print(f"  {field.name}: {getattr(result, field.name)}")


async def main() -> int:
    """1 when something was lost, came twice, grew, or was silent."""
    options = arguments()
    versions = [options.version] if options.version else [places.OLDEST, places.NEWEST]
    if any(places.find(version) is None for version in versions):
        print("the model of the chip is not built: run `make chip`", file=sys.stderr)
        return 1
    cuts = outages(options.outages, options.seed)
    plans = {
        version: Plan(version, options.seconds, cuts, options.commands) for version in versions
    }
    if not options.no_cut:
        short = dataclasses.replace(
            plans[versions[-1]], seconds=min(options.seconds, 900), outages=cuts[:4]
        )
        # What a board can live with, and what it cannot.
        plans["a tenth less of the heap"] = dataclasses.replace(short, heap_cut=0.1)
        plans["an eighth less of all memory"] = dataclasses.replace(short, network_cut=LESS)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        folders = [Path(folder) / str(number) for number in range(len(plans))]
        for path in folders:
            path.mkdir()
        results = await asyncio.gather(
            *(run(plan, path) for plan, path in zip(plans.values(), folders, strict=True))
        )
    failed = False
    for (name, plan), result in zip(plans.items(), results, strict=True):
        show(name, result)
        if options.consoles:
            options.consoles.mkdir(parents=True, exist_ok=True)
            (options.consoles / f"{name}.txt").write_text(result.console, "utf-8")
        if plan.network_cut:
            faults = [] if result.announced_reset else ["no reset that it announced"]
        else:
            faults = result.faults()
        print(f"{name}: {'; '.join(faults) if faults else 'as it should be'}")
        failed = failed or bool(faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
