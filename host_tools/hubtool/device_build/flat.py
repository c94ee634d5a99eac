"""Gives the modules names of the firmware's image, so that importing them leaves none behind.

A board keeps three names for each module that it imports: its dotted name, the last part of it,
and the path of its file; some 70 bytes in all, for ever, also where the module is gone again. In
the build the code of each module is a file of its own that is called by a name of the image; the
package `webpubsub` loads it when it is first asked for (see device/webpubsub/__init__.py):

    from .keeper import Keeper      ->  Keeper=__import__("webpubsub")._module("AUTH_WEP").Keeper
    from . import frames            ->  frames=__import__("webpubsub")._module("FF_WRITE")
    once("webpubsub.url")           ->  once("I2SOut")

These names stand in strings only, so they may be names of anything else but of what is in the
package `webpubsub`, which keeps its modules by them, and of what is in `sys.modules`.

What programs import gets a file under its own name beside it, which passes on what is asked of
it, so that there is one of each class. As they stand remain the packages, and modules that
programs import and this code loads for one use only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from .identifiers import all_words
from .source import Editor, Module

PACKAGE = "webpubsub"
PACKAGES = (PACKAGE, "chargepoint", "firmware")
# In device/webpubsub/__init__.py.
_OFF, _ON = "\n_FLAT = False\n", "\n_FLAT = True\n"
# Loaded for one use, by name, by main.py and by programs: passing on would keep them.
_AS_THEY_ARE = frozenset(f"webpubsub.{name}" for name in ("anonymous", "heap", "negotiate", "tls"))
# docs/firmware.md offers these to programs; of the other packages it is what has a stub.
OFFERED = frozenset(
    f"firmware.{name}" for name in ("clock", "commands", "console", "node", "runtime", "settings")
)
# What somebody may have as a module of their own, or as an extended one: the package looks there.
_OF_MICROPYTHON = frozenset(
    {
        "array", "asyncio", "binascii", "bluetooth", "boot", "btree", "builtins", "cmath",
        "collections", "cryptolib", "deflate", "dht", "ds18x20", "errno", "esp", "esp32",
        "espnow", "flashbdev", "framebuf", "gc", "gzip", "hashlib", "heapq", "inisetup", "io",
        "json", "lwip", "machine", "main", "math", "micropython", "mip", "neopixel", "network",
        "ntptime", "onewire", "openamp", "os", "platform", "random", "re", "requests", "select",
        "socket", "ssl", "struct", "sys", "termios", "time", "tls", "uasyncio", "uctypes",
        "umqtt", "upysh", "urequests", "vfs", "webrepl", "websocket", "zlib",
    }
)  # fmt: skip
_PASSING_ON = "def __getattr__(name):\n    return getattr({module}, name)\n"


def flat_modules(names: Iterable[str]) -> frozenset[str]:
    """Those of the modules that get other names; none where their package is not built."""
    listed = frozenset(names)
    if PACKAGE not in listed:
        return frozenset()
    return frozenset(name for name in listed if "." in name) - _AS_THEY_ARE


def taken(modules: Iterable[Module], names: Mapping[str, str]) -> set[str]:
    """What no module may be called, since the package `webpubsub` or `sys.modules` has it.

    Args:
        modules: the device code.
        names: private name -> its name in the build.
    """
    found = {name for module in modules if module.name == PACKAGE for name in all_words([module])}
    found |= {names.get(name, name) for name in found}
    return found | _OF_MICROPYTHON | {f"u{name}" for name in _OF_MICROPYTHON}


def with_loader(module: Module) -> Module:
    """The package `webpubsub` with its loader; any other module as it is."""
    if module.name != PACKAGE:
        return module
    if _OFF not in module.text:
        raise AssertionError(f"{module.path}: no line {_OFF.strip()!r}")
    return module.changed(module.text.replace(_OFF, _ON))


def output(name: str) -> str:
    """Where the code of a module lies below /lib, by its new name."""
    return f"{PACKAGE}/_{name}.mpy"


def stand_ins(new_names: Mapping[str, str], with_stubs: Iterable[str]) -> dict[str, str]:
    """The sources of the modules that pass on, by their path below /lib; not renamed yet.

    Args:
        new_names: module -> its new name.
        with_stubs: modules that have a stub.
    """
    offered = OFFERED.union(with_stubs)
    return {
        f"{name.replace('.', '/')}.mpy": _PASSING_ON.format(module=_of(new))
        for name, new in new_names.items()
        if name in offered
    }


def flattened(module: Module, new_names: Mapping[str, str]) -> Module:
    """The module with its imports of others, and their names in its strings, changed."""
    is_package = module.name in PACKAGES
    above = module.name if is_package else module.name.rpartition(".")[0]
    return module.changed(flatten(module.text, new_names, above))


def flatten(text: str, new_names: Mapping[str, str], above: str = "") -> str:
    """A source text with imports of our modules, and their names in its strings, changed.

    Args:
        above: the package that relative imports start from.
    """
    editor = Editor(text)
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ImportFrom(module=path, names=aliases, level=level):
                source = ".".join(filter(None, (above if level else "", path)))
                if source.partition(".")[0] in PACKAGES:
                    editor.replace_statement(node, _import_from(source, aliases, new_names))
            case ast.Import(names=[ast.alias(name=name, asname=str(asname))]) if name in new_names:
                editor.replace_statement(node, f"{asname}={_of(new_names[name])}")
            case ast.Constant(value=str(name)) if name in new_names:
                editor.replace(editor.start(node), editor.end(node), f'"{new_names[name]}"')
            case ast.Assign(targets=[ast.Name(id="_NAMES")], value=value) if above == PACKAGE:
                listed = re.sub(
                    r"(?<= )\w+(?=\.)",
                    lambda found: new_names.get(path := f"{PACKAGE}.{found[0]}", path),
                    ast.literal_eval(value),
                )
                editor.replace(editor.start(value), editor.end(value), repr(listed))
    return editor.result()


def _import_from(source: str, aliases: Iterable[ast.alias], new_names: Mapping[str, str]) -> str:
    found, others = [], []
    for alias in aliases:
        bound = alias.asname or alias.name
        if f"{source}.{alias.name}" in new_names:
            found.append(f"{bound}={_of(new_names[f'{source}.{alias.name}'])}")
        elif source in new_names:
            found.append(f"{bound}={_of(new_names[source])}.{alias.name}")
        else:
            others.append(alias.name + (f" as {alias.asname}" if alias.asname else ""))
    if others:
        found.append(f"from {source} import {','.join(others)}")
    return ";".join(found)


def _of(new: str) -> str:
    return f'__import__("{PACKAGE}")._module("{new}")'
