"""`hubtool flash`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..board.firmware_image import load_image
from ..board.flashing import Esptool, plan_flash
from ..console import plan_as_json, print_json, print_plan, reporter_for
from ..errors import ExitCode
from ..steps import run_plan
from .arguments import add_output, add_port, port_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Image, board and speed."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="MicroPython .bin file")
    add_port(parser)
    parser.add_argument(
        "--board", metavar="ID", help="board file; the generic one for the image's chip otherwise"
    )
    parser.add_argument("--baud", type=int, metavar="N", help="speed (default: the board file's)")
    parser.add_argument(
        "--erase", action="store_true", help="erase the whole flash first: files and settings go"
    )
    add_output(parser)
    parser.epilog = "Needs esptool: pip install 'micropython-webpubsub[flash]'."


def run(arguments: argparse.Namespace) -> int:
    """Check the image, then the chip; write, verify, reset."""
    image, board = load_image(arguments.image, arguments.board)
    port = port_of(arguments) if arguments.port or not arguments.dry_run else "(no port named)"
    reporter = reporter_for(arguments.json)
    plan = plan_flash(
        Esptool(port, arguments.baud or board.flash.baud, board),
        image,
        board,
        erase=arguments.erase,
        progress=reporter.progress,
    )
    if not arguments.dry_run:
        run_plan(plan, reporter)
    elif arguments.json:
        print_json(plan_as_json(plan))
    else:
        print_plan(plan)
    return ExitCode.OK
