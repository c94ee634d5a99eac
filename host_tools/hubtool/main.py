"""The command line: a table of commands, and one line for every error."""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise

from .errors import ExitCode, HubtoolError

# Verb -> what `hubtool --help` says. The modules are imported only when their verb is used.
COMMANDS = {
    "demo": "two simulated boards on a local Web PubSub service, in half a minute",
    "ports": "list serial ports and the boards that may be on them",
    "flash": "write MicroPython to a board",
    "deploy": "copy the device code to a board",
    "romfs": "build a ROMFS image of the device code",
    "configure": "write a board's hub settings, Wi-Fi and token",
    "monitor": "show a board's console",
    "explain": "bring a board's traceback back to files, lines and names of the source",
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
    with _terminated_like_interrupted():
        return _main(list(sys.argv[1:] if argv is None else argv))


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Have SIGTERM end a command as Ctrl-C does: by default it leaves a board as it stands.

    Servers, which end with exit code 0 then, set a handler of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _main(argv: list[str]) -> int:
    arguments = argparse.Namespace()
    try:
        arguments = _parse(argv)
        _refuse_blank(argv)
        if arguments.command is None:
            _parser(argv)[0].print_help()
            return ExitCode.USAGE
        return int(import_module(f"{__package__}.commands.{arguments.command}").run(arguments))
    except HubtoolError as error:
        if not error.reported:
            _report_failure(arguments, str(error))
        print(f"hubtool: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        _report_failure(arguments, "interrupted")
        print("hubtool: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as in `hubtool ports | head -1`: keep the interpreter from
        # complaining when it flushes standard output on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _report_failure(arguments: argparse.Namespace, message: str) -> None:
    """What `--json` prints when there is no document of the command's own."""
    if getattr(arguments, "json", False):
        from .console import print_json

        print_json({"ok": False, "error": message})


def _parse(argv: list[str]) -> argparse.Namespace:
    parser, command = _parser(argv)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        # argparse would show the usage of hubtool, which has none of the command's options.
        culprit = command or parser
        culprit.error(f"unrecognized arguments: {' '.join(unknown)}{_hint(culprit, unknown[0])}")
    return arguments


def _refuse_blank(argv: list[str]) -> None:
    """Refuse what a variable of the shell leaves that is not set: "" is nobody's id or port.

    Raises:
        HubtoolError: an argument is empty, or only white space.
    """
    for before, word in pairwise(["", *argv]):
        name, _, value = word.partition("=") if word.startswith("--") else (before, "", word)
        if not value.strip() and (word != name):
            option = name if name.startswith("-") else "an argument"
            raise HubtoolError(f"{option} is empty: is the variable that it comes from set?")


def option_strings(parser: argparse.ArgumentParser) -> list[str]:
    """Every spelling of every option of a parser, such as `-p` and `--port`."""
    # argparse shows them nowhere else, but in texts for people.
    return [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001


def _hint(parser: argparse.ArgumentParser, word: str) -> str:
    known = option_strings(parser)
    close = difflib.get_close_matches(word.partition("=")[0], known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _parser(argv: list[str]) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser | None]:
    """The parser, and that of the command that was chosen."""
    parser = argparse.ArgumentParser(
        prog="hubtool",
        description="MicroPython boards on Azure Web PubSub.",
        epilog="`hubtool COMMAND --help` explains a command. "
        "Exit codes: 0 done, 1 input or configuration, 2 usage, 3 no device, "
        "4 device refused, 5 verification failed, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    parsers = {}
    for name, summary in COMMANDS.items():
        command = parsers[name] = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name == chosen:
            import_module(f"{__package__}.commands.{name}").add_arguments(command)
    return parser, parsers.get(chosen or "")


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
