"""`hubtool demo`."""

from __future__ import annotations

import argparse
import asyncio

from ..errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long it lasts."""
    parser.add_argument(
        "--seconds", type=_seconds, default=20, metavar="N", help="how long it lasts (default: 20)"
    )
    parser.add_argument(
        "--negotiate",
        action="store_true",
        help="a third board, which has a key and asks a negotiate server for its token",
    )
    parser.epilog = (
        "Needs no hardware, no account and no network. "
        "It succeeds only if messages flowed both ways on all boards."
    )


def _seconds(text: str) -> float:
    """A duration, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds from 1 to 86400")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    from ..demo.run import run_demo

    course = run_demo(arguments.seconds, negotiate=arguments.negotiate)
    return ExitCode.OK if asyncio.run(course) else ExitCode.USER
