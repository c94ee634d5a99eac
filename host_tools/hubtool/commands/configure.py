"""`hubtool configure`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..board.failures import restarts_on_failure
from ..board.files import BoardFiles
from ..board.serial_link import SerialLink
from ..console import print_json, reporter_for, say, warn
from ..errors import ExitCode, HubtoolError
from ..secrets import Secret, from_environment, from_file, from_prompt
from ..settings.configuration import Configuration, load_configuration
from ..settings.plan import plan_configure
from ..settings.summary import describe, notes
from ..steps import run_plan
from .arguments import add_output, add_port, port_of

_URL = "client access URL"


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
    for note in notes(configuration):
        warn(note)
    if arguments.dry_run:
        _show(configuration, arguments.json)
        return ExitCode.OK
    with SerialLink.open(port_of(arguments)) as link:
        with restarts_on_failure(link, restart=not arguments.no_reset):
            plan = replace(
                plan_configure(BoardFiles(link), configuration), facts=_facts(configuration)
            )
        reporter = reporter_for(arguments.json)
        # A slot that is written in part does not count.
        old = "the settings in use are as they were"
        with restarts_on_failure(link, restart=not arguments.no_reset, said=old):
            run_plan(plan, reporter, None if arguments.no_reset else link.reset)
        if not arguments.no_reset and not arguments.json:
            say("Board reset.")
    return ExitCode.OK


def _url(arguments: argparse.Namespace) -> Secret | None:
    if arguments.url_env:
        return from_environment(arguments.url_env, _URL)
    if arguments.url_file:
        return from_file(arguments.url_file.expanduser(), _URL)
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
