"""Options that several verbs share, and the choice of a port."""

from __future__ import annotations

import argparse
import time

from ..errors import HubtoolError, NoDevice


def add_port(parser: argparse.ArgumentParser) -> None:
    """`--port`, the same for every verb that talks to a board."""
    parser.add_argument(
        "-p",
        "--port",
        metavar="PORT",
        help="serial port of the board, such as /dev/ttyUSB0, COM3 or rfc2217://HOST:PORT; "
        "not needed when there is only one",
    )


def add_output(parser: argparse.ArgumentParser, *, dry_run: bool = True) -> None:
    """`--json` and `--dry-run`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    if dry_run:
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be done, write nothing"
        )


def port_of(arguments: argparse.Namespace) -> str:
    """The port that was named, or the only one there is.

    Raises:
        NoDevice: there is none.
        HubtoolError: there are several to choose from.
    """
    if arguments.port:
        return str(arguments.port)
    from ..board.ports import usb_ports
    from ..board.recent_ports import PAUSE, any_was_there, say_gone

    found = usb_ports()
    if not found and any_was_there():
        end = say_gone("the board")
        while not found and time.monotonic() < end:
            time.sleep(PAUSE)
            found = usb_ports()
    if not found:
        raise NoDevice(
            "no board found: plug it in (some cables only charge), or name a port with --port"
        )
    if len(found) > 1:
        names = ", ".join(port.device for port in found)
        raise HubtoolError(f"several ports to choose from: name one with --port ({names})")
    return found[0].device


def port_number(text: str) -> int:
    """A TCP port, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no TCP port: a number from 0 to 65535")
    return number
