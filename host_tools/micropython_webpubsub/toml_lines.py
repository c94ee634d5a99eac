"""On which line of a TOML file a key stands: no parser of TOML tells.

One walk over the tokens of a file that tomllib has parsed already: what is no TOML never gets
here, so nothing is checked again. Source: TOML v1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

Location = tuple["int | str", ...]

# Strings come first: all else may stand inside one. Up to two quotes more than the three that
# end a string of several lines belong to its content.
_TOKEN = re.compile(
    r'''
    """ (?: [^\\] | \\. )*? """ "{0,2} | \'\'\' .*? \'\'\' '{0,2}
    | " (?: [^"\\] | \\. )* " | ' [^']* '
    | \# [^\n]* | \n | [\[\]{},=] | [ \t\r]+ | [^\s"'\#\[\]{},=]+
    ''',
    re.DOTALL | re.VERBOSE,
)
_SPACE = " \t\r"


class _Tokens:
    """The tokens of a text, without space and comments.

    Attributes:
        next: the one that comes next; empty at the end.
        line: where it begins.
    """

    def __init__(self, text: str) -> None:
        self._found = _TOKEN.finditer(text)
        self._reached = 1
        self.next = ""
        self.line = 1
        self.advance()

    def advance(self) -> str:
        """Take a token."""
        taken, self.next = self.next, ""
        for match in self._found:
            token = match[0]
            if token[0] in _SPACE or token[0] == "#":
                continue
            self.next, self.line = token, self._reached
            self._reached += token.count("\n")
            break
        return taken

    def skip_newlines(self) -> None:
        """Go on to a token that is no line end."""
        while self.next == "\n":
            self.advance()

    def key(self, end: str) -> tuple[str, ...]:
        """The parts of the key that ends before `end`, which is taken too."""
        text = ""
        while self.next and self.next != end:
            text += self.advance()
        self.advance()
        return _parts(text)


class _Lines:
    """Collects the lines."""

    def __init__(self, text: str) -> None:
        self.found: dict[Location, int] = {}
        # How many tables each list of tables has so far.
        self._counts: dict[Location, int] = {}
        self._tokens = _Tokens(text)
        self._walk()

    def _walk(self) -> None:
        tokens = self._tokens
        table: Location = ()
        while True:
            tokens.skip_newlines()
            if not tokens.next:
                return
            if tokens.next == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Location:
        tokens, line = self._tokens, self._tokens.line
        tokens.advance()
        of_list = tokens.next == "["
        if of_list:
            tokens.advance()
        parts = tokens.key("]")
        if of_list:
            tokens.advance()
        table: Location = ()
        for position, part in enumerate(parts, 1):
            table = (*table, part)
            self.found.setdefault(table, line)
            if of_list and position == len(parts):
                self._counts[table] = self._counts.get(table, 0) + 1
            if table in self._counts:
                table = (*table, self._counts[table] - 1)
                self.found.setdefault(table, line)
        return table

    def _pair(self, table: Location) -> None:
        line = self._tokens.line
        for part in self._tokens.key("="):
            table = (*table, part)
            self.found.setdefault(table, line)
        self._value(table)

    def _value(self, at: Location) -> None:
        tokens = self._tokens
        if tokens.next == "[":
            tokens.advance()
            for item in self._items("]"):
                # A value in a list is named by its number: the line is that of the list.
                if tokens.next == "{":
                    self.found.setdefault((*at, item), tokens.line)
                self._value((*at, item))
        elif tokens.next == "{":
            tokens.advance()
            for _ in self._items("}"):
                self._pair(at)
        else:
            # A date may have a space in it.
            while tokens.next and tokens.next not in ("\n", ",", "]", "}"):
                tokens.advance()

    def _items(self, end: str) -> Iterator[int]:
        """Before each item of a list or an inline table; behind its end when there is none."""
        tokens, number = self._tokens, 0
        while True:
            tokens.skip_newlines()
            if tokens.next == ",":
                tokens.advance()
            elif not tokens.next or tokens.next == end:
                tokens.advance()
                return
            else:
                yield number
                number += 1


@lru_cache(1024)
def _parts(key: str) -> tuple[str, ...]:
    """The parts of a key, which may be quoted or not: `a."b.c"` is a and b.c."""
    content: Any = tomllib.loads(f"{key} = 0")
    parts = []
    while isinstance(content, dict):
        ((part, content),) = content.items()
        parts.append(part)
    return tuple(parts)


def lines_of(text: str) -> dict[Location, int]:
    """The line of every table and key, each by its path from the top.

    Takes time in proportion to the length of the text.

    Args:
        text: of a file that tomllib has parsed.
    """
    return _Lines(text).found


def line_of(lines: dict[Location, int], location: Sequence[int | str]) -> int:
    """The line of a key, or that of the nearest table above it; 1 when there is none."""
    for depth in range(len(location), 0, -1):
        line = lines.get(tuple(location[:depth]))
        if line is not None:
            return line
    return 1
