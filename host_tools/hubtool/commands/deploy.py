"""`hubtool deploy`."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from ..board.choice import find_board, named_board
from ..board.deployment import check_firmware, fit_to_board, map_of, plan_deploy, prepare
from ..board.failures import StoppedBoard, stopped_board
from ..board.files import BoardFiles
from ..console import plan_as_json, print_json, print_plan, reporter_for, say, tell_about
from ..device_build import BuildMap, Options
from ..device_build.maps import keep
from ..errors import ExitCode, HubtoolError
from ..steps import Plan, Reporter, run_plan
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
    # First whatever needs no board: none is interrupted for nothing.
    options = Options(plain=arguments.plain, lines=arguments.lines)
    payloads = prepare(arguments.app, options=options)
    build_map = map_of(options)
    if arguments.map and build_map:
        _write_map(build_map, arguments.map)
    try:
        chosen = None if arguments.board is None else named_board(arguments.board)
    except HubtoolError as error:
        error.add("the board's program was not stopped")
        raise
    port, restart = port_of(arguments), not arguments.no_reset
    tell_about(port=port, firmware=version("micropython-webpubsub"))
    reporter = reporter_for(arguments.json)
    with stopped_board(port, restart=restart) as stopped:
        files = BoardFiles(stopped.link)
        identity = files.identity()
        tell_about(**identity.facts())
        board = chosen or find_board(identity)
        check_firmware(identity, board, payloads)
        payloads = fit_to_board(files, payloads, board)
        plan = plan_deploy(files, payloads, reporter.progress)
        if arguments.dry_run:
            if restart:
                stopped.link.reset()
        else:
            _carry_out(plan, reporter, stopped, build_map, restart=restart)
    if not arguments.dry_run:
        if restart and not arguments.json:
            say("Board reset.")
    elif arguments.json:
        print_json(plan_as_json(plan))
    else:
        print_plan(plan)
        if restart:
            say("Nothing was written. Looking had stopped the board's program: it starts again.")
    return ExitCode.OK


def _carry_out(
    plan: Plan,
    reporter: Reporter,
    stopped: StoppedBoard,
    build_map: BuildMap | None,
    *,
    restart: bool,
) -> None:
    if build_map:
        keep(build_map)
    if plan.pending:
        stopped.said = None

    def last() -> None:
        stopped.said = "everything was written"
        if restart:
            stopped.link.reset()

    run_plan(plan, reporter, last)


def _write_map(build_map: BuildMap, path: Path) -> None:
    try:
        path.write_text(build_map.to_json(), encoding="utf-8")
    except OSError as error:
        raise HubtoolError(
            f"{path}: cannot be written: {error.strerror}: name another file"
        ) from None
