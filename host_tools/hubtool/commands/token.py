"""`hubtool token`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

from ..console import print_json, say, warn
from ..errors import ExitCode, HubtoolError
from ..secrets import Secret, expanded, from_environment, from_file, from_prompt
from ..tokens.access_token import date_text
from ..tokens.maker import ClientAccess, TokenMaker, parse_connection_string, parse_lifetime

_WHAT = "connection string"
# RFC 7518, section 3.2, for HS256; the service's own keys are longer.
_SHORTEST_KEY = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who the token is for, what it allows, where the key comes from, where it goes."""
    parser.add_argument("hub", metavar="HUB", help="hub that the device connects to")
    parser.add_argument("--user-id", metavar="ID", help="user id of the device")
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE",
        help="such as webpubsub.sendToGroup.telemetry; may be given several times",
    )
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="GROUP",
        help="group the service puts the device into; may be given several times",
    )
    parser.add_argument("--lifetime", metavar="TIME", help="60m, 12h or 90d; asked for otherwise")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--connection-string-env", metavar="NAME", help="environment variable that holds it"
    )
    source.add_argument(
        "--connection-string-file", type=Path, metavar="PATH", help="file that holds it"
    )
    source.add_argument(
        "--entra",
        action="store_true",
        help="no key: the service makes the token for your identity of Microsoft Entra ID",
    )
    parser.add_argument("--endpoint", metavar="URL", help="of the service; only with --entra")
    parser.add_argument("--url", action="store_true", help="print the complete client access URL")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write it to a file that only you can read"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.epilog = (
        "Without a source the connection string is asked for and not shown. --entra takes the "
        "identity that azure-identity's DefaultAzureCredential finds."
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the token; it goes to standard output or a file, all else to standard error."""
    with _maker(arguments) as maker:
        lifetime = parse_lifetime(arguments.lifetime or _ask_lifetime())
        with warnings.catch_warnings():
            # PyJWT warns of short keys too, in a text for programmers.
            warnings.simplefilter("ignore")
            made = maker.make(
                lifetime, user_id=arguments.user_id, roles=arguments.role, groups=arguments.group
            )
    _deliver(arguments, made)
    warn(f"expires {date_text(made.expires)}; whoever has it is this device until then")
    return ExitCode.OK


def _maker(arguments: argparse.Namespace) -> TokenMaker:
    if not arguments.entra:
        if arguments.endpoint is not None:
            raise HubtoolError(
                "--endpoint goes with --entra: a connection string holds the endpoint"
            )
        connection_string = _connection_string(arguments)
        if len(parse_connection_string(connection_string)["accesskey"]) < _SHORTEST_KEY:
            warn(f"the AccessKey has fewer than {_SHORTEST_KEY} characters: was it copied fully?")
        return TokenMaker.from_connection_string(connection_string, arguments.hub)
    if arguments.endpoint is None:
        raise HubtoolError(
            "--entra needs --endpoint: https://NAME.webpubsub.azure.com, or that of "
            "`hubtool serve --tls`"
        )
    from ..tokens.entra import token_maker

    return token_maker(arguments.endpoint, arguments.hub)


def _connection_string(arguments: argparse.Namespace) -> Secret:
    if arguments.connection_string_env is not None:
        return from_environment(arguments.connection_string_env, _WHAT)
    if arguments.connection_string_file is not None:
        return from_file(expanded(arguments.connection_string_file), _WHAT)
    return from_prompt(_WHAT)


def _ask_lifetime() -> str:
    if not sys.stdin.isatty():
        raise HubtoolError("how long may the token be used? Say so with --lifetime, such as 90d")
    # On standard error: standard output carries the token alone.
    print("Lifetime of the token (60m, 12h, 90d): ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer:
        raise HubtoolError("lifetime: nothing was typed: say it with --lifetime, such as 90d")
    return answer


def _deliver(arguments: argparse.Namespace, made: ClientAccess) -> None:
    text = (made.url if arguments.url else made.token).get_secret_value()
    if arguments.output is not None:
        _write_private(arguments.output, text + "\n")
        if arguments.json:
            print_json({"output": str(arguments.output), "expires": made.expires.isoformat()})
    elif arguments.json:
        kind = "url" if arguments.url else "token"
        print_json({kind: text, "expires": made.expires.isoformat()})
    else:
        say(text)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        HubtoolError: it cannot be written; what was there before still is.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe, or a device
            path.write_text(text, encoding="utf-8")
            return
        # The file itself where the path is a link to it.
        target = path.resolve()
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            # mkstemp makes it for the owner alone.
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HubtoolError(
            f"{path}: cannot be written: {error.strerror}: name another file"
        ) from None
