"""The command line: a table of commands, and one line for every error."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import pairwise
from typing import Any, NoReturn

from micropython_webpubsub.consoles import tolerate_missing_characters

from .errors import ExitCode, HubtoolError
from .hiding import concealed, shown_words
from .interrupts import all_interrupt, held_off
from .output import GuardedStream, guarded

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
    "charger": "a charging point on the desk, which talks OCPP 1.6-J to a central system",
    "serve": "run a local Web PubSub service",
}


# Verbs of which the output is what was asked for; the others do a job, and go on without a reader.
_SAY = ("explain", "monitor", "ports", "token")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        The exit code, see `ExitCode`.
    """
    tolerate_missing_characters()
    with ExitStack() as stack:
        stack.enter_context(all_interrupt())
        output = stack.enter_context(guarded())
        arguments = argparse.Namespace()
        status, problem, fault = int(ExitCode.OK), "", None
        try:
            status = _run(list(sys.argv[1:] if argv is None else argv), arguments, output)
        except HubtoolError as error:
            status, problem = error.exit_code, str(error)
        except KeyboardInterrupt as interruption:
            status = ExitCode.INTERRUPTED
            problem = "; ".join(("interrupted", *map(str, interruption.args)))
        except Exception as error:  # noqa: BLE001 - it is raised again
            # Its text may quote anything; the traceback is for whoever mends it.
            fault = error
            problem = f"an error of hubtool's own: {type(error).__name__}"
        stack.enter_context(held_off())
        status = _end(arguments, output, status, problem)
        if argv is None:
            # The process ends: a further Ctrl-C must not change its exit code.
            _to_the_end.append(stack.pop_all())
        if fault is not None:
            raise fault
        return status


# What is not put back; without a reference it would be.
_to_the_end: list[ExitStack] = []


def _run(argv: list[str], arguments: argparse.Namespace, output: GuardedStream) -> int:
    _parse(argv, arguments)
    _refuse_blank(argv)
    if arguments.command is None:
        _parser(argv)[0].print_help()
        return ExitCode.USAGE
    output.carry_on = arguments.command not in _SAY
    return int(import_module(f"{__package__}.commands.{arguments.command}").run(arguments))


def _end(arguments: argparse.Namespace, output: GuardedStream, status: int, problem: str) -> int:
    """Say how it ended, once, and in agreement with the exit code, which this returns."""
    from .console import print_document

    output.carry_on = True
    print_document(problem, wanted=getattr(arguments, "json", False))
    output.flush()
    if output.failure is not None and not problem and not _was_optional(arguments, output):
        status, problem = ExitCode.USER, str(output.lost())
    if problem:
        print(f"hubtool: {problem}", file=sys.stderr, flush=True)
    return status


def _was_optional(arguments: argparse.Namespace, output: GuardedStream) -> bool:
    """Whether nothing is missing when a reader has left: the job is done."""
    asked = getattr(arguments, "json", False) or getattr(arguments, "dry_run", False)
    if arguments.command == "monitor":
        return output.reader_left  # it has seen what it was waiting for
    return output.reader_left and not asked and arguments.command not in _SAY


def _parse(argv: list[str], arguments: argparse.Namespace) -> None:
    parser, command = _parser(argv)
    _, unknown = parser.parse_known_args(argv, arguments)
    if unknown:
        # argparse would show the usage of hubtool, which has none of the command's options.
        culprit = command or parser
        shown = shown_words(unknown)
        culprit.error(f"unrecognized arguments: {shown}{_hint(culprit, unknown[0])}")


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
    parser = _Parser(
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


class _Parser(argparse.ArgumentParser):
    """One that prints no secret back, and takes no option twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("action", None, _StoreOnce)
        self.register("action", "store", _StoreOnce)

    def error(self, message: str) -> NoReturn:
        """Show usage and message, and end."""
        explicit = message.partition("ignored explicit argument")
        if explicit[1]:
            # argparse quotes it, as in `--url=wss://...?access_token=...`.
            message = f"{explicit[0]}takes no value (secrets are never arguments)"
        super().error(concealed(message))


class _StoreOnce(argparse._StoreAction):  # noqa: SLF001
    """What argparse does with an option that takes a value; it would let the last one win."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        given = namespace.__dict__.setdefault("given_options", set())
        if option_string is not None and self.dest in given:
            parser.error(
                f"argument {'/'.join(self.option_strings)}: given several times: give it once"
            )
        given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)  # type: ignore[arg-type]


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
