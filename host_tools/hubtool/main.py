"""The command line: a table of commands, and one line for every error."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .errors import ExitCode, HubtoolError

# Verb -> what `hubtool --help` says. The modules are imported only when their verb is used.
COMMANDS = {
    "demo": "two simulated boards on a local Web PubSub service, in half a minute",
    "ports": "list serial ports and the boards that may be on them",
    "flash": "write MicroPython to a board",
    "deploy": "copy the device code to a board",
    "configure": "write a board's hub settings, Wi-Fi and token",
    "monitor": "show a board's console",
    "token": "make a Client Access Token, by access key or Microsoft Entra ID",
    "handler": "run the event handler that lets devices in",
    "negotiate": "run a server that hands devices their client access URLs",
    "serve": "run a local Web PubSub service",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        The exit code, see `ExitCode`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser(words).parse_args(words)
        if arguments.command is None:
            _parser(words).print_help()
            return ExitCode.USAGE
        return int(import_module(f"{__package__}.commands.{arguments.command}").run(arguments))
    except HubtoolError as error:
        print(f"hubtool: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("hubtool: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as in `hubtool ports | head -1`: keep the interpreter from
        # complaining when it flushes standard output on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hubtool",
        description="MicroPython boards on Azure Web PubSub.",
        epilog="`hubtool COMMAND --help` explains a command. "
        "Exit codes: 0 done, 1 input or configuration, 2 usage, 3 no device, "
        "4 device refused, 5 verification failed, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name == chosen:
            import_module(f"{__package__}.commands.{name}").add_arguments(command)
    return parser


class _Version(argparse.Action):
    """`--version`, looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and end")

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        from importlib.metadata import version

        print(version("micropython-webpubsub"))
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
