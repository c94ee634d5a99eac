"""Brings what a board says back to the names, files and lines of the source.

Only what is certain is changed: the frames of a traceback, the line that ends it, and the place
of a text that could not be read. Everything else a board says is passed on as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from .build_map import BuildMap, Function

_FRAME = re.compile(r'^(\s*)File "([^"]+)", line (\d+)(?:, in (\S+))?(.*)$')
_BEGINS = re.compile(r"^\s*Traceback \(most recent call last\):")
_ERROR = re.compile(r"^([A-Za-z_][\w.]*)(: .*)?$")
_QUOTED = re.compile(r"'([A-Za-z_]\w*)'")
_TEXT = re.compile(r"\btext #(\d+)(?: |$)")
_STAMP = re.compile(r"\bbuild ([0-9a-f]{8})\b")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def stamp_in(line: str) -> str | None:
    """The stamp of the build that a line of a board's start names."""
    found = _STAMP.search(line)
    return found[1] if found else None


def needs_map(line: str) -> bool:
    """Whether a line may be one that is changed."""
    return bool(_BEGINS.match(line) or _FRAME.match(line) or _TEXT.search(line))


class Explainer:
    """Translates line after line.

    Args:
        build_map: of the build that is on the board.
        where: makes a path to show of a path in the project.
    """

    def __init__(
        self, build_map: BuildMap, where: Callable[[str], str] = lambda path: path
    ) -> None:
        self._map = build_map
        self._where = where
        self._in_traceback = False
        # Whether the last frame is the device code's: what is wrong there has its names.
        self._ours = False
        # The package of that frame.
        self._package = ""

    def line(self, text: str) -> str:
        """One line, without its end, in the names of the source."""
        if _BEGINS.match(text):
            self._in_traceback, self._ours = True, False
            return text
        frame = _FRAME.match(text)
        if frame:
            self._in_traceback = True
            return self._frame(frame)
        if self._in_traceback and not text.startswith(" "):
            self._in_traceback = False
            error = _ERROR.match(text)
            if error and self._ours:
                rest = _QUOTED.sub(lambda word: f"'{self._name(word[1])}'", error[2] or "")
                text = self._name(error[1]) + rest
        return self._texts(text)

    def _name(self, name: str) -> str:
        own = self._map.names_of.get(self._package, {})
        return own.get(name) or self._map.names.get(name, name)

    def _frame(self, frame: re.Match[str]) -> str:
        indent, source, number, function, rest = frame.groups()
        path = self._map.files.get(source)
        self._ours = path is not None
        if path is None:
            return frame[0]
        self._package = PurePosixPath(path).parent.name
        wanted = self._name(function or "<module>")
        listed = self._map.functions.get(path, ())
        found = [each for each in listed if each.name.rpartition(".")[2] == wanted]
        path = self._where(path)
        if self._map.lines:
            at = int(number)
            inside = [each for each in found if each.first <= at <= each.last]
            name = inside[-1].name if inside else wanted
            return f'{indent}File "{path}", line {at}, in {name}{rest}'
        if not found or wanted == "<module>":
            return f'{indent}File "{path}", in {wanted}{rest}'
        names = " or ".join(dict.fromkeys(each.name for each in found))
        return f'{indent}File "{path}", {_lines(found)}, in {names}{rest}'

    def _texts(self, text: str) -> str:
        at = 0
        while found := _TEXT.search(text, at):
            form = self._map.texts.get(int(found[1]))
            if form is None:
                at = found.end()
                continue
            end = _end_of_values(text, found.end())
            formatted = _formatted(form, text[found.end() : end])
            text = text[: found.start()] + formatted + text[end:]
            at = found.start() + len(formatted)
        return text


def _lines(found: Sequence[Function]) -> str:
    spans = [
        f"{each.first}-{each.last}" if each.last > each.first else str(each.first)
        for each in found
    ]
    word = "line" if len(found) == 1 and found[0].first == found[0].last else "lines"
    return f"{word} {' or '.join(dict.fromkeys(spans))}"


def _end_of_values(text: str, start: int) -> int:
    """Where the values behind the number of a text end: one literal, or the rest of the line."""
    open_: list[str] = []
    quote = ""
    at = start
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in "'\"":
            quote = sign
        elif sign in _PAIRS:
            open_.append(_PAIRS[sign])
        elif open_ and sign == open_[-1]:
            open_.pop()
        elif not open_ and sign in " ),;":
            return at
        at += 1
        if not open_ and not quote and text[at - 1] in ")]}'\"":
            return at
    return len(text)


def _formatted(form: str, values: str) -> str:
    try:
        return str(form % ast.literal_eval(values or "()"))
    except (ValueError, SyntaxError, TypeError):
        # An error among the values, say: its own words are there.
        return f"{form} {values}"
