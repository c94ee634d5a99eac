"""`hubtool deploy`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..board.choice import find_board
from ..board.deployment import check_firmware, fit_to_board, map_of, plan_deploy, prepare
from ..board.failures import restarts_on_failure, stays_stopped_on_failure
from ..board.files import BoardFiles
from ..board.serial_link import SerialLink
from ..console import plan_as_json, print_json, print_plan, reporter_for, say
from ..device_build import BuildMap, Options
from ..device_build.maps import keep
from ..errors import ExitCode, HubtoolError
from ..steps import run_plan
from .arguments import add_output, add_port, port_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Port, program and what happens at the end."""
    add_port(parser)
    parser.add_argument("--app", type=Path, metavar="FILE", help="put your program on as /app.py")
    parser.add_argument(
        "--board", metavar="ID", help="board file to check against; found out when not given"
    )
    parser.add_argument(
        "--no-reset", action="store_true", help="leave the board at its prompt afterwards"
    )
    parser.add_argument(
        "--lines", action="store_true", help="line numbers in tracebacks (2 KB of the heap)"
    )
    parser.add_argument(
        "--plain", action="store_true", help="compile the sources as they stand (14 KB more)"
    )
    parser.add_argument(
        "--map", type=Path, metavar="FILE", help="write the map for hubtool explain here, too"
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compile, compare, write what differs, reset."""
    # First: after a syntax error no board has been interrupted for nothing.
    options = Options(plain=arguments.plain, lines=arguments.lines)
    payloads = prepare(arguments.app, options=options)
    build_map = map_of(options)
    if arguments.map and build_map:
        _write_map(build_map, arguments.map)
    with SerialLink.open(port_of(arguments)) as link:
        reporter = reporter_for(arguments.json)
        with restarts_on_failure(link, restart=not arguments.no_reset):
            files = BoardFiles(link)
            identity = files.identity()
            board = find_board(identity, arguments.board)
            check_firmware(identity, board, payloads)
            payloads = fit_to_board(files, payloads, board)
            plan = plan_deploy(files, payloads, reporter.progress)
        last = _nothing if arguments.no_reset else link.reset
        if not arguments.dry_run:
            if build_map:
                keep(build_map)
            with stays_stopped_on_failure(link):
                run_plan(plan, reporter, last)
            if not arguments.no_reset and not arguments.json:
                say("Board reset.")
            return ExitCode.OK
        last()
        if arguments.json:
            print_json(plan_as_json(plan))
            return ExitCode.OK
        print_plan(plan)
        if not arguments.no_reset:
            say("Nothing was written. Looking had stopped the board's program: it starts again.")
    return ExitCode.OK


def _write_map(build_map: BuildMap, path: Path) -> None:
    try:
        path.write_text(build_map.to_json(), encoding="utf-8")
    except OSError as error:
        raise HubtoolError(
            f"{path}: cannot be written: {error.strerror}: name another file"
        ) from None


def _nothing() -> None:
    pass
