"""Private names that cross a module: imported, or replaced by a test.

ruff's SLF finds those that are looked up (`other._state`); this, what it does not look at.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from .sources import ROOT

_FOLDERS = ("bench", "device", "host_tools", "tests")
_PRIVATE = re.compile(r"_[A-Za-z]\w*")
# A path to a private name, as `monkeypatch.setattr` takes it, or a private name alone.
_PATH = re.compile(r"(?:\w+\.)*_[A-Za-z]\w*")
_SETTERS = frozenset({"setattr", "delattr", "patch"})


class Reach(NamedTuple):
    """A module that reaches into another one.

    Attributes:
        path: of the file, from the top of the checkout.
        line: from 1.
        name: the private name.
    """

    path: str
    line: int
    name: str


def reaches_in(path: str, source: str) -> Iterator[Reach]:
    """Every such name of one file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if _PRIVATE.fullmatch(alias.name):
                    yield Reach(path, node.lineno, alias.name)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) in _SETTERS:
            # The first two arguments: an object and a name, or a path and what to put there.
            for argument in node.args[:2]:
                value = getattr(argument, "value", None)
                if isinstance(value, str) and _PATH.fullmatch(value):
                    yield Reach(path, node.lineno, value)


def all_reaches() -> Iterator[Reach]:
    """Those of all Python files."""
    for folder in _FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if "node_modules" not in path and not path.endswith("_pb2.py"):
                yield from reaches_in(path, file.read_text("utf-8"))
