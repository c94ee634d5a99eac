"""Gives private names the names of things that the firmware image has in its ROM."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .identifiers import folded_constants
from .source import Editor, Module

# Names that MicroPython itself looks up on objects of other people's classes, so that an
# attribute of ours must not be called so.
_LOOKED_UP = frozenset(
    {
        "add", "append", "args", "characters_written", "close", "coro", "data", "deinit", "done",
        "errno", "extend", "flush", "getvalue", "ioctl", "items", "keys", "next", "ph_key", "pop",
        "read", "readblocks", "readinto", "readline", "recv", "seek", "send", "state", "strerror",
        "tell", "throw", "update", "value", "values", "write", "writeblocks", "writeto",
    }
)  # fmt: skip


# Nobody calls an attribute so: capitals, digits, several underscores.
_ODD = re.compile(r"[A-Z0-9]|_.*_")
_BRACES = re.compile(r"(?<!\{)\{([^{}!:]+)")
_NAME = re.compile(r"(?<![\w'\"])[^\W\d]\w*(?![\w'\"])")


class NoNames(Exception):
    """The list of an image's names cannot be read; the text says why."""


def read_names(path: Path) -> list[str]:
    """The names of a firmware image: one a line, `#` begins a comment.

    Raises:
        NoNames: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise NoNames(f"{path}: cannot be read: {error.strerror}") from None
    return [line for line in lines if line.isidentifier()]


def assign(
    private: Iterable[str],
    image: Sequence[str],
    used: Iterable[str],
    of_objects: Iterable[str] = (),
) -> dict[str, str]:
    """A name of the image for each private name, one to one.

    Each takes the place in the list that follows from its own text, or the next one that is
    free: a name that is added or goes moves few others, so that few files change.

    Args:
        private: from `private_names`; one that the image has keeps its name, which is free.
        image: what the image has.
        used: what is in the code already, so that it cannot be given out again.
        of_objects: names that objects have. They get the odd names first: a program that derives
            a class from one of ours, and gives it attributes, shall not meet them by chance.
    """
    has = set(image)
    taken = set(private) | set(used) | set(keyword.kwlist) | _LOOKED_UP
    # Of `NAME = const(1)` the compiler keeps nothing that another module could ask for once NAME
    # begins with "_".
    free = [name for name in sorted(has - taken) if not name.startswith("_")]
    odd = [name for name in free if _ODD.search(name)]
    # Should the image have too few, the dearest come first.
    wanting = sorted(sorted(set(private) - has), key=len, reverse=True)
    objects = set(of_objects)
    found = _placed([name for name in wanting if name in objects], odd)
    left = set(found.values())
    rest = [name for name in wanting if name not in found]
    return found | _placed(rest, [name for name in free if name not in left])


def _placed(wanting: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    places: list[str | None] = [None] * len(free)
    for name in wanting[: len(free)]:
        at = zlib.crc32(name.encode()) % len(free)
        while places[at] is not None:
            at = (at + 1) % len(free)
        places[at] = name
        found[name] = free[at]
    return found


def renamed(module: Module, names: Mapping[str, str]) -> Module:
    """The module with its names changed, wherever they stand; strings are left alone."""
    folded = folded_constants(module)
    return module.changed(rename_source(module.text, names, folded))


def rename_source(text: str, names: Mapping[str, str], folded: Iterable[str] = ()) -> str:
    """Change names in a source text.

    Args:
        folded: private constants of this module, which the compiler must still know as private;
            as an attribute of something else, a name of theirs is changed.
    """
    kept = set(folded)
    editor = Editor(text)
    lines = text.split("\n")  # as tokens count them: a form feed, say, is no end of a line
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()) + 1)

    def place(row: int, column: int) -> int:
        return starts[row - 1] + len(lines[row - 1][:column].encode())

    def swap(at: int, name: str, before: str) -> None:
        if name in names and (name not in kept or before == "."):
            editor.replace(at, at + len(name.encode()), names[name])

    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            swap(place(*token.start), token.string, before)
        elif token.type == tokenize.STRING and _is_formatted(token.string):
            # From Python 3.12 on, its parts are tokens of their own.
            for at, name, ahead in _names_within(token.string):
                swap(place(*token.start) + at, name, ahead)
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = token.string
    return editor.result()


def _is_formatted(literal: str) -> bool:
    return "f" in literal[: min(literal.find('"') % 4, literal.find("'") % 4)].lower()


def _names_within(literal: str) -> Iterator[tuple[int, str, str]]:
    """Names in the braces of an f-string: offset in bytes, name, what stands before it."""
    for braces in _BRACES.finditer(literal):
        for word in _NAME.finditer(braces[1]):
            start = braces.start(1) + word.start()
            yield len(literal[:start].encode()), word[0], literal[start - 1]
