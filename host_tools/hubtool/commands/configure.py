"""`hubtool configure`."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from ..board.failures import stopped_board
from ..board.files import BoardFiles
from ..console import print_json, reporter_for, say, tell_about, warn
from ..errors import ExitCode, HubtoolError
from ..secrets import Secret, expanded, from_environment, from_file, from_prompt
from ..settings.configuration import Configuration, load_configuration
from ..settings.plan import check_size, plan_configure
from ..settings.summary import describe, notes
from ..steps import run_plan
from .arguments import add_output, add_port, port_of

_URL = "client access URL"
# As a path it has lost a slash.
_IS_URL = re.compile(r"(wss?|https?):[/\\]", re.IGNORECASE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """File, URL, port and what happens at the end."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="settings file in TOML")
    add_port(parser)
    url = parser.add_mutually_exclusive_group()
    url.add_argument(
        "--url",
        action="store_true",
        help="ask for a client access URL: it replaces endpoint, hub and token of the file",
    )
    url.add_argument("--url-env", metavar="NAME", help="take that URL from this variable")
    url.add_argument("--url-file", type=Path, metavar="PATH", help="take that URL from this file")
    parser.add_argument("--id", metavar="NAME", help="name of the device, instead of device.id")
    parser.add_argument(
        "--no-reset", action="store_true", help="leave the board at its prompt afterwards"
    )
    add_output(parser)
    parser.epilog = "Secrets are never arguments: other users of this computer could read them."


def run(arguments: argparse.Namespace) -> int:
    """Check everything, then write, compare, reset."""
    configuration = load_configuration(arguments.file, _url(arguments), arguments.id)
    check_size(configuration)
    tell_about(device=configuration.settings.device.id)
    for note in notes(configuration):
        warn(note)
    if arguments.dry_run:
        _show(configuration, arguments.json)
        return ExitCode.OK
    port, restart = port_of(arguments), not arguments.no_reset
    tell_about(port=port)
    reporter = reporter_for(arguments.json)
    with stopped_board(port, restart=restart) as stopped:
        files = BoardFiles(stopped.link)
        tell_about(**files.identity().facts())
        plan = replace(plan_configure(files, configuration), facts=_facts(configuration))
        # A slot that is written in part does not count.
        stopped.said = "the settings in use are as they were"

        def last() -> None:
            stopped.said = "the settings were written"
            if restart:
                stopped.link.reset()

        run_plan(plan, reporter, last)
    if restart and not arguments.json:
        say("Board reset.")
    return ExitCode.OK


def _url(arguments: argparse.Namespace) -> Secret | None:
    if arguments.file is not None and _IS_URL.match(str(arguments.file)):
        raise HubtoolError(
            "a client access URL is never an argument, others could read it: give --url and "
            "nothing behind it, --url-env NAME or --url-file PATH"
        )
    if arguments.url_env is not None:
        return from_environment(arguments.url_env, _URL)
    if arguments.url_file is not None:
        return from_file(expanded(arguments.url_file), _URL)
    if arguments.url:
        return from_prompt(_URL)
    if arguments.file is None:
        raise HubtoolError("what to configure? Name a settings file, or use --url")
    return None


def _facts(configuration: Configuration) -> tuple[str, ...]:
    return tuple(f"{name + ':':<12}{text}" for name, text in describe(configuration))


def _show(configuration: Configuration, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "settings": dict(describe(configuration))})
        return
    say("Writing settings (dry run, nothing is written)")
    for fact in _facts(configuration):
        say(f"  {fact}")
    say("  Into the slot that the board does not use: remove settings, write secrets and CA,")
    say("  write settings, compare each by SHA-256; then reset.")
