"""`hubtool monitor`."""

from __future__ import annotations

import argparse

from ..errors import ExitCode
from ..monitoring import run_monitor
from .arguments import add_port, port_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The port."""
    add_port(parser)
    parser.epilog = "Ctrl-] ends; every other key, Ctrl-C too, goes to the board."


def run(arguments: argparse.Namespace) -> int:
    """Show the console until Ctrl-]."""
    run_monitor(port_of(arguments))
    return ExitCode.OK
