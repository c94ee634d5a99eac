"""Words of a dialect of our own that have left, and what a reader would search for instead.

docs/architecture.md has the words that are used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .sources import ROOT

# Anywhere, in code, comments and documents.
ANYWHERE = {
    r"[Rr]ooms": "packages",
    r"[Dd]oors?": "entry point, endpoint, listener",
    r"Peers": "HTTP connections",
    r"strangers": "clients without a valid token",
    r"link_to_nobody": "a WebSocket that is refused",
    r"relieve": "free memory, release",
    r"may_travel": "is a code that a close frame may have (RFC 6455, section 7.4)",
    r"[Ee]conomy": "deliveries for a second of CPU",
}
# As a name in Python, where prose may use the word.
NAMES = {
    "_life": "lifetime",
    "_strange": "unexpected",
    "_dear": "costly",
    "_dry": "exhausted",
    "told": "said of what, such as output, reported, answer",
    "whole": "complete, or of what: message, line, text",
}
# As a class: what there is one of, and where.
CLASSES = {
    "Hub": ("host_tools/localhub/hub/hub.py", "HubConnection, HubSettings, HubAccess"),
    "Link": ("", "NetworkLink, SerialLink, RadioLink"),
    "Door": ("", "endpoint, listener"),
}
# As a function, with the name of its first parameter.
FUNCTIONS = {
    ("whole", "buffer"): "complete",
    ("words", "error"): "error_text",
}
_FOLDERS = ("bench", "device", "docs", "host_tools", "tests")
_SUFFIXES = (".py", ".pyi", ".md", ".js", ".html")


class Word(NamedTuple):
    """A word that is not to be used.

    Attributes:
        path: of the file, from the top of the checkout.
        line: from 1.
        word: as it is in the tables, without what it may vary in.
        remedy: what to write in its place.
    """

    path: str
    line: int
    word: str
    remedy: str


def words_in(path: str, text: str) -> Iterator[Word]:
    """Every such word in a file."""
    for pattern, remedy in ANYWHERE.items():
        for found in re.finditer(rf"\b(?:{pattern})\b", text):
            yield Word(path, text.count("\n", 0, found.start()) + 1, found[0], remedy)
    if not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None)))
        if isinstance(name, str) and name in NAMES:
            yield Word(path, getattr(node, "lineno", 1), name, NAMES[name])
        if isinstance(node, ast.ClassDef) and node.name in CLASSES:
            home, remedy = CLASSES[node.name]
            if path != home:
                yield Word(path, node.lineno, node.name, remedy)
        if isinstance(node, ast.FunctionDef) and node.args.args:
            key = (node.name, node.args.args[0].arg)
            if key in FUNCTIONS:
                yield Word(path, node.lineno, node.name, FUNCTIONS[key])


def all_words() -> Iterator[Word]:
    """Those of every file that people read, but for what is about the words."""
    paths: list[Path] = [*ROOT.glob("*.md")]
    for folder in _FOLDERS:
        paths += [path for path in (ROOT / folder).rglob("*") if path.suffix in _SUFFIXES]
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if "node_modules" in name or name.startswith("tests/lint/"):
            continue
        yield from words_in(name, path.read_text("utf-8"))
