"""`hubtool explain`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from micropython_webpubsub.text_files import NotUtf8, without_mark

from ..board.tracebacks import Translator
from ..device_build import BuildMap, MapError, read_map
from ..device_build.explain import stamp_in
from ..device_build.maps import find
from ..errors import ExitCode, HubtoolError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to read, and by which map."""
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="a log or traceback; - for input"
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="map from hubtool deploy --map")
    parser.add_argument("--build", metavar="STAMP", help="the build, as the board names it")


def run(arguments: argparse.Namespace) -> int:
    """Translate line by line.

    Raises:
        HubtoolError: the file cannot be read.
    """
    chosen = _chosen(arguments)
    if arguments.file == "-":
        _translate(_input(), chosen)
        return ExitCode.OK
    try:
        text = without_mark(Path(arguments.file).read_bytes()).decode(errors="replace")
    except NotUtf8 as error:
        raise HubtoolError(f"{arguments.file}: {error}") from None
    except OSError as error:
        raise HubtoolError(
            f"{arguments.file}: cannot be read: {error.strerror}: name another file"
        ) from None
    lines = text.splitlines()
    first = next(filter(None, map(stamp_in, lines)), None)
    _translate(lines, chosen, find(first) if first else None)
    return ExitCode.OK


def _input() -> Iterable[str]:
    """Standard input line by line: a board's first bytes after a reset may be no text at all."""
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8-sig", errors="replace")
    return sys.stdin


def _chosen(arguments: argparse.Namespace) -> BuildMap | None:
    if arguments.map is not None:
        try:
            return read_map(arguments.map)
        except MapError as error:
            raise HubtoolError(str(error)) from None
    if arguments.build is not None:
        found = find(arguments.build)
        if found is None:
            raise HubtoolError(
                f"build {arguments.build}: no map of it on this computer, and the installed "
                "sources make another build: name its map with --map"
            )
        return found
    return None


def _translate(
    lines: Iterable[str], chosen: BuildMap | None, first: BuildMap | None = None
) -> None:
    translator = Translator(
        chosen or first,
        lambda text: print(f"hubtool: {text}", file=sys.stderr),
        fixed=chosen is not None,
    )
    for line in lines:
        print(translator.line(line.rstrip("\r\n")), flush=True)
