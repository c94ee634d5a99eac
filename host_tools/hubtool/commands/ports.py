"""`hubtool ports`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..board.ports import serial_ports
from ..console import print_json, print_table, say
from ..errors import ExitCode
from .arguments import add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose but the form of the output."""
    add_output(parser, dry_run=False)
    parser.epilog = (
        "A pseudo-terminal of a simulated board is not listed: give its path to --port."
    )


def run(arguments: argparse.Namespace) -> int:
    """List the ports."""
    ports = serial_ports()
    if arguments.json:
        print_json([asdict(port) for port in ports])
    elif ports:
        print_table(
            ["Port", "USB id", "Description", "Board files"],
            [
                [port.device, port.usb_id, port.description, ", ".join(port.boards)]
                for port in ports
            ],
        )
    else:
        say("No serial ports. Plug a board in; some cables only charge.")
    return ExitCode.OK
