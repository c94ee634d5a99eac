"""Which modules device code loads by name, with `once("firmware.report")` and its kind.

No import statement says so, so what reads import statements does not see it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .sources import ROOT

DEVICE = ROOT / "device"
PACKAGES = ("webpubsub", "chargepoint", "firmware")
# Names that are put together when they are needed: (module, the expression) to what it can be.
# An attribute is an empty tuple where the modules that set it have the name as a literal.
COMPUTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("webpubsub.client", "codec"): ("webpubsub.json_protocol", "webpubsub.protobuf_protocol"),
    ("webpubsub.memory", "name"): (),
    ("firmware.link", "self.joining"): (),
}
# Made by `hubtool deploy`, so it has no source here.
GENERATED = frozenset({"firmware.build"})


class Load(NamedTuple):
    """One module loads another one by its name.

    Attributes:
        importer: the module that does, such as `firmware.node`.
        imported: the module that is loaded.
        line: where the name is, from 1.
        text: the code of that line.
    """

    importer: str
    imported: str
    line: int
    text: str


class UnknownLoad(ValueError):
    """A name is that of no module, or it is computed and `COMPUTED` does not have it."""


def loads() -> list[Load]:
    """Every load by name in `device/`.

    Raises:
        UnknownLoad: as said there.
    """
    files = {
        f"{package}.{path.stem}": path
        for package in PACKAGES
        for path in sorted((DEVICE / package).glob("*.py"))
        if path.stem != "__init__"
    }
    found: list[Load] = []
    for module, path in files.items():
        found += loads_of(module, path, path.read_text("utf-8"), frozenset(files))
    return found


def loads_of(module: str, path: Path, source: str, modules: frozenset[str]) -> Iterator[Load]:
    """The loads in the source of one module; a text that is the name of a module is one.

    Raises:
        UnknownLoad: as said there.
    """
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for name in _computed(module, path, node, modules):
                yield Load(module, name, node.lineno, lines[node.lineno - 1].strip())
        elif isinstance(node, ast.Constant) and node.value in modules - {module}:
            yield Load(module, node.value, node.lineno, lines[node.lineno - 1].strip())


def _computed(module: str, path: Path, call: ast.Call, modules: frozenset[str]) -> tuple[str, ...]:
    """What a call loads whose argument is no literal; checks the literals on the way."""
    function = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if function not in ("once", "__import__") or not call.args:
        return ()
    argument = call.args[0]
    if isinstance(argument, ast.Constant):
        name = str(argument.value)
        ours = name.partition(".")[0] in PACKAGES
        if ours and name not in modules and name not in GENERATED:
            raise UnknownLoad(f"{path}:{call.lineno}: there is no module {name}")
        return ()
    expression = ast.unparse(argument)
    try:
        return COMPUTED[module, expression]
    except KeyError:
        raise UnknownLoad(
            f"{path}:{call.lineno}: {function}({expression}): write the name of the module as a "
            "literal, or add what it can be to COMPUTED in tests/lint/loads.py"
        ) from None
