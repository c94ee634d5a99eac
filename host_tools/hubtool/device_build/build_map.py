"""What a build did to the names, files and texts: what brings a board's words back to ours."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from micropython_webpubsub.text_files import NotUtf8, read_text

from .source import Module


class Function(NamedTuple):
    """A function of the device code.

    Attributes:
        name: with the classes and functions that it is in, such as "Link._recover".
        first, last: its lines.
    """

    name: str
    first: int
    last: int


class MapError(Exception):
    """A file is no map of a build; the text says why."""


@dataclass(frozen=True)
class BuildMap:
    """The map of one build.

    Attributes:
        lines: whether the bytecode has line numbers.
        names: name in the build -> name in the source.
        files: name of a source in tracebacks of the build -> its path in the project.
        functions: path in the project -> its functions, the outer ones first.
        texts: id -> text.
        names_of: package -> name in the build -> name in the source, for packages in which some
            names mean something else than in the others.
    """

    lines: bool
    names: Mapping[str, str]
    files: Mapping[str, str]
    functions: Mapping[str, tuple[Function, ...]]
    texts: Mapping[int, str]
    names_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Eight digits that no other build has: builds of one stamp have one map."""
        return hashlib.sha256(self._json().encode()).hexdigest()[:8]

    def _json(self) -> str:
        return json.dumps(self._content(), sort_keys=True, separators=(",", ":"))

    def _content(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "names": dict(self.names),
            "names_of": {package: dict(names) for package, names in self.names_of.items()},
            "files": dict(self.files),
            "functions": {path: list(found) for path, found in self.functions.items()},
            "texts": {str(number): text for number, text in self.texts.items()},
        }

    def to_json(self) -> str:
        """The text of the map's file."""
        content = {"stamp": self.stamp, **self._content()}
        return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_map(path: Path) -> BuildMap:
    """Read a map from its file.

    Raises:
        MapError: it cannot be read, or is no map.
    """
    try:
        text = read_text(path)
    except NotUtf8 as error:
        raise MapError(f"{path}: {error}") from None
    except OSError as error:
        raise MapError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return parse_map(text)
    except MapError as error:
        raise MapError(f"{path}: {error}") from None


def parse_map(text: str) -> BuildMap:
    """A map from the text of its file.

    Raises:
        MapError: it is none.
    """
    try:
        content = json.loads(text)
        return BuildMap(
            lines=bool(content["lines"]),
            names={str(new): str(old) for new, old in content["names"].items()},
            files={str(name): str(source) for name, source in content["files"].items()},
            functions={
                str(source): tuple(
                    Function(str(name), int(first), int(last)) for name, first, last in found
                )
                for source, found in content["functions"].items()
            },
            texts={int(number): str(text) for number, text in content["texts"].items()},
            names_of={
                str(package): {str(new): str(old) for new, old in names.items()}
                for package, names in content.get("names_of", {}).items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MapError("not a map that hubtool deploy has written") from None


def functions_of(module: Module) -> tuple[Function, ...]:
    """All functions of a module; the module itself is "<module>", as in tracebacks."""
    last = module.text.count("\n") + (not module.text.endswith("\n"))
    return (Function("<module>", 1, max(last, 1)), *_functions(module.tree, ""))


def _functions(node: ast.AST, outer: str) -> Iterable[Function]:
    for child in ast.iter_child_nodes(node):
        name = _name_of(child)
        if name is None:
            yield from _functions(child, outer)
            continue
        assert isinstance(child, (ast.stmt, ast.expr))
        qualified = f"{outer}.{name}" if outer else name
        if not isinstance(child, ast.ClassDef):
            yield Function(qualified, child.lineno, child.end_lineno or child.lineno)
        yield from _functions(child, qualified)


def _name_of(node: ast.AST) -> str | None:
    """What MicroPython calls it in a traceback; None for what is no scope of its own."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.ClassDef(name=name):
            return name
        case ast.Lambda():
            return "<lambda>"
        case ast.GeneratorExp():
            return "<genexpr>"
        case ast.ListComp():
            return "<listcomp>"
        case ast.SetComp():
            return "<setcomp>"
        case ast.DictComp():
            return "<dictcomp>"
    return None
