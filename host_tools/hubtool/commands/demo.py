"""`hubtool demo`."""

from __future__ import annotations

import argparse
import asyncio

from ..errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long it lasts."""
    parser.add_argument(
        "--seconds", type=float, default=20, metavar="N", help="how long it lasts (default: 20)"
    )
    parser.epilog = (
        "Needs no hardware, no account and no network. "
        "It succeeds only if messages flowed both ways on both boards."
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from ..demo.run import run_demo

    return ExitCode.OK if asyncio.run(run_demo(arguments.seconds)) else ExitCode.USER
