"""What the docstrings of delivered code have to say; `make lint` names those that do not.

* Each public module, class, function and method has one. Methods that asyncio's documentation
  describes need none (`FROM_ELSEWHERE`), nor do programs that a board runs by their names.
* Device code, and what hubtool runs on boards, has no annotations, so its docstrings describe each
  parameter: `name: ...`, or the name in backquotes, in the docstring of the function, or of its
  class or module where several functions have the same one.
* Fields of a public dataclass or NamedTuple are described in its docstring.
* An exception that a public function raises itself is named, there or in the docstring of its
  class or module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .sources import ROOT

_FOLDERS = ("device/webpubsub", "device/chargepoint", "device/firmware", "host_tools")
# Without annotations: MicroPython has no typing module.
_UNTYPED = ("device/", "host_tools/hubtool/board/on_board/")
# Programs that stand in for something else, whose documentation is that of what they stand for.
_STAND_INS = ("host_tools/simboard/fakes", "host_tools/simboard/shims", "host_tools/simboard/chip")
# What a board runs at its start. They are read there as they are, so a docstring would cost heap.
_PROGRAMS = frozenset({"device/firmware/boot.py", "device/firmware/main.py"})
# Methods that somebody else's documentation describes: asyncio's protocols.
FROM_ELSEWHERE = frozenset(
    {
        "connection_made",
        "connection_lost",
        "data_received",
        "eof_received",
        "pause_writing",
        "resume_writing",
    }
)
# Raised to say that a caller of ours is wrong, which no caller is to expect.
_FAULTS = frozenset({"AssertionError", "NotImplementedError", "StopAsyncIteration"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Gap(NamedTuple):
    """Something that a docstring does not say.

    Attributes:
        path: of the file, from the top of the checkout.
        line: where the name is defined, from 1.
        name: with its class, such as `Session.add`.
        text: what is missing.
    """

    path: str
    line: int
    name: str
    text: str


def gaps_in(path: str, source: str) -> Iterator[Gap]:
    """Every such gap of one file."""
    module = ast.parse(source)
    above = ast.get_docstring(module) or ""
    if not above and path not in _PROGRAMS:
        yield Gap(path, 1, Path(path).stem, "no docstring")
    for name, node, of_class in _public(module, "", None):
        text = ast.get_docstring(node)
        if text is None:
            if node.name not in FROM_ELSEWHERE:
                yield Gap(path, node.lineno, name, "no docstring")
            continue
        if isinstance(node, ast.ClassDef):
            for field in _fields(node):
                if not _describes(text, field):
                    yield Gap(path, node.lineno, name, f"does not describe {field}")
            continue
        around = (ast.get_docstring(of_class) or "") if of_class else ""
        said = "\n".join((text, around, above))
        if path.startswith(_UNTYPED):
            for parameter in _parameters(node):
                if not _describes(said, parameter):
                    yield Gap(path, node.lineno, name, f"does not describe {parameter}")
        for error in sorted(_raised(node)):
            if not re.search(rf"\b{error}\b", said):
                yield Gap(path, node.lineno, name, f"does not say that it raises {error}")


def all_gaps() -> Iterator[Gap]:
    """Those of all that is delivered."""
    for folder in _FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if not path.startswith(_STAND_INS) and not path.endswith("_pb2.py"):
                yield from gaps_in(path, file.read_text("utf-8"))


def _public(
    parent: ast.AST, prefix: str, of_class: ast.ClassDef | None
) -> Iterator[tuple[str, ast.ClassDef | _Function, ast.ClassDef | None]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef | _Function):
            if node.name.startswith("_"):
                continue
            yield prefix + node.name, node, of_class
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{prefix}{node.name}.", node)
        elif isinstance(node, ast.If | ast.Try):
            yield from _public(node, prefix, of_class)


def _fields(of_class: ast.ClassDef) -> list[str]:
    made_of = [*of_class.decorator_list, *of_class.bases]
    if not any(
        "dataclass" in ast.unparse(one) or "NamedTuple" in ast.unparse(one) for one in made_of
    ):
        return []
    return [
        one.target.id
        for one in of_class.body
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and not one.target.id.startswith("_")
    ]


def _parameters(function: _Function) -> list[str]:
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def _describes(text: str, name: str) -> bool:
    # "a, b: what they are", "b (seconds): ...", or "`a`" in a sentence.
    return re.search(rf"\b{name}\b[\w\s,*()\"]*:|`{name}`", text) is not None


def _raised(function: _Function) -> set[str]:
    """Names of the exceptions that a function raises, but for those of functions in it."""
    found = set()
    for node in _body(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            called = node.exc.func
            if isinstance(called, ast.Name) and called.id.lstrip("_")[:1].isupper():
                found.add(called.id)
    return {name for name in found - _FAULTS if not name.startswith("_")}


def _body(parent: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(parent):
        if not isinstance(node, _Function | ast.ClassDef | ast.Lambda):
            yield node
            yield from _body(node)
