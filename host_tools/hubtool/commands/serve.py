"""`hubtool serve`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ExitCode
from ..servers.serve import ServeOptions, run_serve
from .arguments import port_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Configuration and address."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file: service, hubs, handler"
    )
    parser.add_argument("--host", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=port_number, metavar="N", help="0 picks a free one")
    parser.add_argument(
        "--tls", action="store_true", help="listen with TLS too, by a CA of its own"
    )
    parser.add_argument(
        "--no-page",
        dest="page",
        action="store_const",
        const=False,
        help="without the page at / that shows what goes on",
    )
    parser.epilog = "The connection string that is printed holds a key that was made here."


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    run_serve(
        ServeOptions(
            arguments.config, arguments.host, arguments.port, arguments.tls, arguments.page
        )
    )
    return ExitCode.OK
