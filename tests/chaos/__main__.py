"""`python -m tests.chaos`: cuts connections of real MicroPython, and prints what came of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import date
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from tests.support.interpreters import micropython_version

from .rig import Options, run
from .verdict import Result
from .wire import PHASES

_DIRECTIONS = {"up": "device to recorder", "sdk": "device to Microsoft's SDK", "down": "to device"}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000, help="of all devices together (1000)")
    parser.add_argument("--devices", type=int, default=4, help="that run at once (4)")
    parser.add_argument("--seed", type=int, default=1, help="of the plan of cuts (1)")
    parser.add_argument("--tls", action="store_true", help="wss instead of ws")
    parser.add_argument("--sdk", action="store_true", help="Microsoft's SDK is the other peer")
    parser.add_argument(
        "--expire", type=int, default=0, help="sessions lost by the service, per device (0)"
    )
    parser.add_argument(
        "--sabotage",
        default="",
        choices=("dedupe", "resend", "sequence_ack"),
        help="switch a safeguard of the devices off",
    )
    parser.add_argument(
        "--pace", type=float, default=0.05, help="seconds between the publisher's bursts (0.05)"
    )
    parser.add_argument("--heap", default="256K", help="of each device (256K)")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for all (3600)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def tables(options: Options, result: Result, console: Console) -> None:
    """Print a result."""
    kind = "wss" if options.tls else "ws"
    console.print(
        f"{date.today()}, micropython-webpubsub {version('micropython-webpubsub')}, "
        f"{micropython_version()}: "
        f"{options.devices} devices over {kind}, heap {options.heap}, seed {options.seed}"
        + (", other peer: Microsoft's SDK" if options.sdk else "")
        + (f", without {options.sabotage}" if options.sabotage else "")
    )
    cuts = Table("phase of the cut", "cuts")
    for phase in PHASES:
        cuts.add_row(phase, str(result.phases[phase]))
    cuts.add_row("all", str(result.phases.total()), end_section=True)
    for way, count in sorted(result.ways.items()):
        cuts.add_row(way, str(count))
    console.print(cuts)
    messages = Table("messages", "sent", "lost", "doubled", "out of order", "damaged")
    for name, title in _DIRECTIONS.items():
        if name in result.sent:
            counters = (result.sent, result.lost, result.doubled, result.disordered)
            row = [str(counter[name]) for counter in (*counters, result.damaged)]
            messages.add_row(title, *row)
    console.print(messages)
    console.print(
        f"{result.total('recoveries')} recoveries, {result.total('sessions_lost')} sessions lost; "
        f"{result.unknown} sends of unknown outcome and {result.gone} messages without a session "
        f"in these; {result.urls} fresh URLs, {result.rejoined} sessions joined again; "
        f"{result.total('replayed')} replays dropped; {result.seconds:.0f} s"
    )


def main() -> int:
    """Run; 0 only when nothing is wrong."""
    given = vars(arguments())
    as_json = given.pop("json")
    options = Options(**given)
    result = asyncio.run(run(options))
    if as_json:
        print(json.dumps({**vars(result), "faults": result.faults}))
    else:
        console = Console(width=99)
        tables(options, result, console)
        for fault in result.faults:
            console.print(fault)
    return 1 if result.faults else 0


sys.exit(main())
