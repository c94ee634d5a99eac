"""A module's source text, edited in place: every line keeps its number.

Tracebacks of a board count the lines of what was compiled, so what was compiled must have the
lines of what people read. Hence no `ast.unparse`: each step parses, notes what is to stand in
the place of which piece of text, and writes that there with as many line breaks as before.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Module:
    """One module of the device code.

    Attributes:
        name: its dotted name, such as "webpubsub.link".
        path: where it is read, from the root of the project: "device/webpubsub/link.py".
        text: its source.
    """

    name: str
    path: str
    text: str

    @property
    def package(self) -> str:
        """The package it is in, such as "webpubsub"."""
        return self.name.partition(".")[0]

    @property
    def stem(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of its tree: each step looks at them all."""
        return tuple(ast.walk(self.tree))

    def changed(self, text: str) -> Module:
        """The same module with another text, of as many lines."""
        if text.count("\n") != self.text.count("\n"):
            raise AssertionError(f"{self.path}: a build step has moved lines")
        return self if text == self.text else Module(self.name, self.path, text)


@dataclass
class Editor:
    """Collects replacements of pieces of a text, and makes them all at once.

    Places are offsets in bytes of UTF-8, as `ast` counts columns. Pieces do not overlap, except
    that one may lie inside another one that is blanked: the outer one wins.

    Attributes:
        text: as it was.
    """

    text: str
    _edits: list[tuple[int, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._data = self.text.encode()
        self._lines = [0]
        for line in self._data.split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def start(self, node: ast.expr | ast.stmt | ast.alias | ast.excepthandler) -> int:
        """Where a node begins."""
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.alias | ast.excepthandler) -> int:
        """Where a node ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def line_start(self, place: int) -> int:
        """Where the line of a place begins."""
        return self._data.rfind(b"\n", 0, place) + 1

    def piece(self, start: int, end: int) -> str:
        """What stands there."""
        return self._data[start:end].decode()

    def replace(self, start: int, end: int, text: str = "") -> None:
        """Put `text`, which has no line break, in the place of a piece; its line breaks stay."""
        breaks = self._data.count(b"\n", start, end)
        self._edits.append((start, end, text.encode() + b"\n" * breaks))

    def replace_statement(self, node: ast.stmt, text: str = "pass") -> None:
        """Put a short statement in the place of another one."""
        self.replace(self.start(node), self.end(node), text)

    def result(self) -> str:
        """The edited text."""
        out = []
        at = 0
        for start, end, data in sorted(self._edits, key=lambda edit: (edit[0], -edit[1])):
            if start < at:
                if end <= at:
                    continue  # inside a piece that is gone
                raise AssertionError(f"overlapping edits at {self._data[start:end]!r}")
            out += [self._data[at:start], data]
            at = end
        return (b"".join(out) + self._data[at:]).decode()
