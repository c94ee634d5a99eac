"""`hubtool flash`."""

from __future__ import annotations

import argparse
from pathlib import Path

from micropython_webpubsub.installing import install_extra

from ..board.failures import boot_loader_left
from ..board.firmware_image import load_image
from ..board.flashing import Esptool, plan_flash
from ..board.recent_ports import note
from ..console import plan_as_json, print_json, print_plan, reporter_for, tell_about
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
    parser.epilog = f"Needs esptool: {install_extra('flash')}"


def run(arguments: argparse.Namespace) -> int:
    """Check the image, then the chip; write, verify, reset."""
    image, board = load_image(arguments.image, arguments.board)
    port = port_of(arguments) if arguments.port or not arguments.dry_run else "(no port named)"
    reporter = reporter_for(arguments.json)
    tell_about(port=port)
    esptool = Esptool(port, arguments.baud or board.flash.baud, board)
    plan = plan_flash(
        esptool,
        image,
        board,
        erase=arguments.erase,
        progress=reporter.progress,
    )
    if not arguments.dry_run:
        with boot_loader_left(esptool.leave, lambda: esptool.under_way):
            run_plan(plan, reporter)
        note(port)
    elif arguments.json:
        print_json(plan_as_json(plan))
    else:
        print_plan(plan)
    return ExitCode.OK
