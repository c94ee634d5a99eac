"""`hubtool negotiate`."""

from __future__ import annotations

import argparse
import asyncio
import ssl
from pathlib import Path

from ..console import counted, say, warn
from ..errors import ExitCode, HubtoolError
from ..servers.negotiate import running
from ..servers.negotiate_table import NegotiateTable, load_negotiate_table
from ..servers.running import run_until_interrupted
from ..tokens.access_token import is_loopback
from .arguments import port_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Table and address."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="TOML file with a [negotiate]"
    )
    parser.add_argument("--host", help="address to listen on (default: negotiate.host)")
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="port (default: negotiate.port)"
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="TLS by the local CA of `hubtool serve --tls`, in place of negotiate.tls",
    )
    parser.epilog = (
        "A device asks with its id and key, and gets a client access URL: signed with the key of "
        "negotiate.connection_string, or made by the service at negotiate.endpoint for your "
        "identity of Microsoft Entra ID."
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer devices until Ctrl-C.

    Raises:
        HubtoolError: the configuration is wrong, or has no table for it.
    """
    table = load_negotiate_table(arguments.config)
    if table is None:
        raise HubtoolError(
            f"{arguments.config}: has no [negotiate] table: add one with hub, connection_string "
            "and [[negotiate.devices]]"
        )
    run_until_interrupted(_serve(table, arguments))
    return ExitCode.OK


async def _serve(table: NegotiateTable, arguments: argparse.Namespace) -> None:
    host = table.host if arguments.host is None else arguments.host
    context, ca_file = _local_tls(host) if arguments.tls else (None, None)
    async with running(
        table, folder=arguments.config.parent, host=host, port=arguments.port, tls=context
    ) as url:
        say(f"Listening on {url}")
        if ca_file is not None:
            say(f"CA certificate: {ca_file}")
        base = url.removesuffix("/negotiate")
        if base.startswith("http://") and not is_loopback(base):
            warn("keys and tokens travel unencrypted: use --tls, or a reverse proxy that does TLS")
        by = "the access key" if table.connection_string is not None else "Microsoft Entra ID"
        say(f"{counted(len(table.devices), 'device')}, tokens by {by}; Ctrl-C ends it")
        await asyncio.Event().wait()


def _local_tls(host: str) -> tuple[ssl.SSLContext, Path]:
    from localhub import ConfigError
    from localhub.service import DEFAULT_STATE_FILE
    from localhub.transport.tls import LocalAuthority

    try:
        authority = LocalAuthority(DEFAULT_STATE_FILE.parent)
    except ConfigError as error:
        raise HubtoolError(str(error)) from None
    return authority.server_context(host), authority.pem_path
