"""What keeps a file from being TOML, for the person who wrote it: where, and what to write."""

from __future__ import annotations

import re
from typing import NamedTuple

# What tomllib ends its messages with; of a file that ends too early it tells no line.
_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_TWICE = re.compile(r"Cannot declare \((.*?),?\) twice")
_NAMES = re.compile("'([^']*)'")
_QUOTES = re.compile("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]")
_CAPITAL = re.compile(r"=\s*(True|False|None|TRUE|FALSE)\b")
_REMEDIES = {
    "Unescaped '\\'": "a backslash in \"...\" begins an escape: write the text in '...'",
    "Invalid hex value": "a backslash in \"...\" begins an escape: write the text in '...'",
    "Invalid value": "a text stands in quotes, a list in [ ]",
    "Invalid statement": "a line is KEY = VALUE or [TABLE]",
    "Expected '='": "a line is KEY = VALUE or [TABLE]",
    "Expected newline": "each KEY = VALUE has a line of its own, and text stands in quotes",
    "Cannot overwrite a value": "a key is there twice: leave one out",
    "Illegal character '\\n'": "a text ends on its line: is a quote missing?",
    "Expected \"'": "a text ends on its line: is a quote missing?",
    "Unterminated string": "a text ends on its line: is a quote missing?",
    "Unclosed": "is a bracket missing?",
}


class TomlProblem(NamedTuple):
    """Why a text is no TOML.

    Attributes:
        line: where it was found; the last one for a file that ends too early.
        message: what is wrong, and what to write; it quotes at most a character or a name.
    """

    line: int
    message: str


def explain_toml_error(text: str, message: str) -> TomlProblem:
    """What one of tomllib's errors means.

    Args:
        text: of the file.
        message: of the error.
    """
    lines = text.splitlines()
    found = _AT_LINE.search(message)
    line = int(found[1]) if found and found[1] else max(len(lines), 1)
    said = message[: found.start()] if found else message
    written = lines[line - 1] if line <= len(lines) else ""
    return TomlProblem(line, _explained(said, written))


def _explained(said: str, written: str) -> str:
    twice = _TWICE.match(said)
    if twice is not None:
        return f"the table [{'.'.join(_NAMES.findall(twice[1]))}] is there twice: make one of them"
    if "Invalid" in said or "Illegal" in said or "Expected" in said:
        if _QUOTES.search(written):
            return f"{said}: write quotes as \" or ', not as a word processor does"
        capital = _CAPITAL.search(written)
        if capital is not None:
            if capital[1] == "None":
                return f"{said}: TOML has no None: leave the key out"
            return f"{said}: write true and false in small letters"
    remedy = next((text for start, text in _REMEDIES.items() if said.startswith(start)), "")
    return f"{said}: {remedy}" if remedy else said
