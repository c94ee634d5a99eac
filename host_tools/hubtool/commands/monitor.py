"""`hubtool monitor`."""

from __future__ import annotations

import argparse

from ..board.monitoring import run_monitor
from ..errors import ExitCode
from ..output import OutputLost
from .arguments import add_port, port_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The port, and how to begin."""
    add_port(parser)
    parser.add_argument(
        "--reset", action="store_true", help="reset the board first, to see how it starts"
    )
    parser.add_argument(
        "--raw", action="store_true", help="show tracebacks as they come, not by the source"
    )
    parser.epilog = (
        "Ctrl-] ends, Ctrl-R resets the board; every other key, Ctrl-C too, goes to the board."
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the console until Ctrl-]."""
    try:
        run_monitor(port_of(arguments), reset=arguments.reset, explain=not arguments.raw)
    except OutputLost as error:
        # As in `hubtool monitor | grep -q connected`: it has seen what it was waiting for.
        if not error.reader_left:
            raise
    return ExitCode.OK
