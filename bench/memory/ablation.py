"""What functions cost: the bytes by which the heap is smaller where they are missing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hubtool.device_build.bytecode import compile_source
from hubtool.device_build.pipeline import WITHOUT_LINES

from ..measure import BenchError
from .build import Boards
from .modules import Modules, measure


class Ablation:
    """Builds of the device code without some functions, measured on the model of the chip.

    Args:
        micropython: the interpreter.
        boards: with all of the code.
        folder: for a copy of it.
        stays, passes: the modules of the program; see `modules.measure`.

    Attributes:
        complete: with nothing missing.
    """

    def __init__(
        self,
        micropython: Path,
        boards: Boards,
        folder: Path,
        stays: Sequence[str],
        passes: Sequence[str],
    ) -> None:
        self._micropython = micropython
        self._board = boards.usual.copy(folder)
        self._prepared = boards.prepared
        self._stays, self._passes = stays, passes
        self._modules = {module.name: module for module in boards.prepared.modules}
        self.complete = self._measured()

    def saved(self, missing: Mapping[str, Iterable[str]]) -> int:
        """Bytes of what stays, less those without some functions.

        Args:
            missing: module -> functions, such as "Class.method"; of a class alone, all of it.

        Raises:
            BenchError: there is no such function.
        """
        changed = []
        try:
            for name, functions in missing.items():
                module = self._modules[name]
                text = self._without(name, functions)
                path = self._board.path_of(name)
                changed.append((path, path.read_bytes()))
                title = self._prepared.titles[name]
                path.write_bytes(compile_source(text, title, Path(module.path), WITHOUT_LINES))
            return self._sum(self.complete) - self._sum(self._measured())
        finally:
            for path, content in changed:
                path.write_bytes(content)

    def _measured(self) -> Modules:
        return measure(self._micropython, self._board, self._stays, self._passes)

    @staticmethod
    def _sum(modules: Modules) -> int:
        # Without the room in the tables of names: it comes in steps that say nothing.
        return sum(module.code + module.name_bytes for module in modules.stays)

    def _without(self, name: str, functions: Iterable[str]) -> str:
        tree = ast.parse(self._modules[name].text)
        for function in functions:
            *outer, last = (self._prepared.names.get(part, part) for part in function.split("."))
            body: list[ast.stmt] = tree.body
            for part in outer:
                body = _named(body, part, name, function).body
            # A property is one of several of its name.
            node = _named(body, last, name, function)
            if outer:
                body[body.index(node)] = ast.Pass()
            else:
                # Others may import it.
                stub = ast.parse(f"{last} = None").body
                body[body.index(node)] = stub[0]
        return ast.unparse(ast.fix_missing_locations(tree))


def _named(
    body: Sequence[ast.stmt], name: str, module: str, function: str
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef:
    for node in body:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and node.name == name:
            return node
    raise BenchError(f"{module} has no {function}: correct bench/memory/promises.py")
