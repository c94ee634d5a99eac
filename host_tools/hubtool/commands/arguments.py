"""Options that several verbs share, and the choice of a port."""

from __future__ import annotations

import argparse

from ..errors import HubtoolError, NoDevice

# What a board may be named by in place of its port, with an example.
_NUMBERS = {"serial": "serial:0001", "id": "id:0001", "mac": "mac:7c:df:a1:00:00:01"}


def add_port(parser: argparse.ArgumentParser) -> None:
    """`--port`, the same for every verb that talks to a board."""
    parser.add_argument(
        "-p",
        "--port",
        metavar="PORT",
        help="serial port of the board, such as /dev/ttyUSB0, COM3 or rfc2217://HOST:PORT, or "
        "serial:NUMBER of its USB; "
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
        return _named(str(arguments.port))
    from ..board.ports import usb_ports
    from ..board.recent_ports import until_back

    found = until_back("the board", usb_ports)
    if not found:
        raise NoDevice(
            "no board found: plug it in (some cables only charge), or name a port with --port"
        )
    if len(found) > 1:
        names = ", ".join(port.device for port in found)
        raise HubtoolError(f"several ports to choose from: name one with --port ({names})")
    return found[0].device


def _named(port: str) -> str:
    """The port that `serial:NUMBER`, `id:NUMBER` or `mac:ADDRESS` name; any other one as it is.

    Names of ports change with the socket and from start to start, these do not.

    Raises:
        NoDevice: no board that is plugged in has this number.
        HubtoolError: several have, or none is given.
    """
    kind, colon, wanted = port.partition(":")
    if not colon or kind not in _NUMBERS:
        return port
    from ..board.ports import usb_ports
    from ..board.recent_ports import until_back

    if not _plain(wanted):
        raise HubtoolError(f"{port}: write the number behind the colon, such as {_NUMBERS[kind]}")
    found = until_back(
        port, lambda: [p for p in usb_ports() if _plain(p.serial_number) == _plain(wanted)]
    )
    if not found:
        hint = (
            "only boards whose USB is their own tell it"
            if kind == "mac"
            else "some bridges have none"
        )
        raise NoDevice(
            f"{port}: no board with this number on USB ({hint}): `hubtool ports --json` lists "
            "the numbers there are"
        )
    if len(found) > 1:
        names = ", ".join(each.device for each in found)
        raise HubtoolError(f"{port}: several boards have this number: name a port ({names})")
    return found[0].device


def _plain(number: str) -> str:
    """A serial number as it is compared: a MAC address is written in several ways."""
    return "".join(mark for mark in number.lower() if mark.isalnum())


def port_number(text: str) -> int:
    """A TCP port, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no TCP port: a number from 0 to 65535")
    return number
