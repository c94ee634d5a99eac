"""The command `simboard`: one simulated board until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from micropython_webpubsub.consoles import tolerate_missing_characters

from . import Radio, SimulatorError

if TYPE_CHECKING:
    from . import SimulatedBoard
    from .serial_server import SerialServer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simboard", description="Run a simulated board until Ctrl-C."
    )
    parser.add_argument(
        "--board", default="simulated", help="id of a board, or path of a board file"
    )
    parser.add_argument(
        "--flash", type=Path, help="flash file, made when absent; without it nothing is kept"
    )
    parser.add_argument("--name", default="board", help="decides the unique id and MAC address")
    parser.add_argument(
        "--radio", type=Path, help="JSON file with the access points; read again when it changes"
    )
    parser.add_argument(
        "--chip",
        nargs="?",
        const="newest",
        default="",
        metavar="VERSION",
        help="run on the model of the ESP32: a version of MicroPython, oldest or newest",
    )
    parser.add_argument(
        "--rfc2217",
        type=int,
        metavar="PORT",
        help="offer the serial port on this TCP port of 127.0.0.1, too; 0 picks a free one",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0, 1 for a board that cannot run, 2 for usage)."""
    tolerate_missing_characters()
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except SimulatorError as error:
        print(f"simboard: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    from . import SimulatedBoard

    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(
            SimulatedBoard(
                options.board,
                flash=options.flash,
                name=options.name,
                radio=options.radio,
                chip=options.chip,
            )
        )
        print(f"Serial port: {board.port}", flush=True)
        if options.rfc2217 is not None:
            server = stack.enter_context(_serial_server(board, options.rfc2217))
            print(f"Network port: {server.url}", flush=True)
        radio_time = _modified(options.radio)
        while not done.wait(0.5):
            if board.failure:
                raise board.failure
            if _modified(options.radio) != radio_time:
                radio_time = _modified(options.radio)
                _reload(board.radio, options.radio)
    return 0


def _serial_server(board: SimulatedBoard, port: int) -> SerialServer:
    from .serial_server import SerialServer

    try:
        return SerialServer(board, port=port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "a port is a number from 0 to 65535"
        raise SimulatorError(
            f"port {port} cannot be used ({reason.partition(' (while ')[0]}): choose another one"
        ) from None


def _modified(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0


def _reload(radio: Radio, path: Path) -> None:
    """Take the changed file; keep the access points when it is wrong."""
    try:
        radio.load(path)
    except SimulatorError as error:
        print(f"simboard: {error}; the old one stays", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
