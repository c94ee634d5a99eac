"""`hubtool handler`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from ..console import counted, say
from ..errors import ExitCode, HubtoolError
from ..servers.handler import running
from ..servers.handler_table import HandlerTable, load_handler_table
from ..servers.running import run_until_interrupted
from .arguments import port_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Table and address."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="TOML file with a [handler]"
    )
    parser.add_argument("--host", help="address to listen on (default: handler.host)")
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="port (default: handler.port)"
    )
    parser.epilog = (
        "Give the service http(s)://HOST:PORT/eventhandler/{event} as URL template, with the "
        "system events connect, connected, disconnected. Azure needs a public https address: "
        "put a reverse proxy in front."
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer events until Ctrl-C.

    Raises:
        HubtoolError: the configuration is wrong, or has no table for it.
    """
    table = load_handler_table(arguments.config)
    if table is None:
        raise HubtoolError(
            f"{arguments.config}: has no [handler] table: add [[handler.devices]] rules"
        )
    run_until_interrupted(_serve(table, arguments))
    return ExitCode.OK


async def _serve(table: HandlerTable, arguments: argparse.Namespace) -> None:
    folder = arguments.config.parent
    async with running(table, folder=folder, host=arguments.host, port=arguments.port) as url:
        say(f"Listening on {url}")
        say(f"{counted(len(table.devices), 'rule')}; Ctrl-C ends it")
        await asyncio.Event().wait()
