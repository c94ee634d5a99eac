"""Moves texts for people out of the code, into a file that is read when one is needed.

On a board a text costs 16 bytes and its own length, for as long as its module is loaded, and
most are never shown. `"no answer from %s" % host` becomes `read_text(4711, host)`; see
device/webpubsub/texts.py for the other side.
"""

from __future__ import annotations

import ast
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

from .source import Editor, Module

MODULE = "webpubsub.texts"
FILE = "webpubsub/texts.bin"
FUNCTION = "read_text"

_SHORTEST = 12
# Two words with a blank between: prose, and neither a format nor a piece of a protocol.
_PROSE = re.compile(r"[A-Za-z]{2}.* .*[a-z]{2}|[a-z]{2}.* .*[A-Za-z]{2}")
# Two bytes of bytecode hold a number below this.
_IDS = 1 << 13
# Methods whose arguments, or whose object, are looked at by the program and not by people.
_LOOKING = frozenset(
    {
        "count", "decode", "encode", "endswith", "find", "index", "join", "lstrip", "partition",
        "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "startswith",
        "strip",
    }
)  # fmt: skip
_BY_NAME = frozenset(
    {
        "__import__", "bytes", "compile", "delattr", "eval", "exec", "getattr", "hasattr", "open",
        "setattr",
        # Made each second, and hardly ever shown.
        "debug",
    }
)  # fmt: skip


def texts_of(modules: Iterable[Module]) -> dict[str, int]:
    """Each text that is moved, and its id.

    An id comes from its text, so that a changed text changes the code of its own module only,
    and old code finds no new text by mistake.
    """
    found = sorted({text for module in modules for text in _texts(module)})
    ids: dict[str, int] = {}
    taken: set[int] = set()
    for text in found:
        salt = 0
        while (number := zlib.crc32(f"{text}\0{salt}".encode()) % _IDS) in taken:
            salt += 1
        taken.add(number)
        ids[text] = number
    return ids


def _texts(module: Module) -> Iterator[str]:
    for node, formatted in _movable(module.tree):
        yield _stored(node, formatted)


def _stored(node: ast.Constant, formatted: ast.BinOp | None) -> str:
    # What is read is always formatted.
    text = str(node.value)
    return text if formatted else text.replace("%", "%%")


def packed(ids: Mapping[str, int]) -> bytes:
    """The file of the texts.

    Raises:
        ValueError: they are too long in sum.
    """
    listed = sorted((number, text.encode()) for text, number in ids.items())
    at = 2 + 4 * (len(listed) + 1)
    table = struct.pack("<H", len(listed))
    for number, data in listed:
        table += struct.pack("<HH", number, at)
        at += len(data)
    if at > 0xFFFF:
        raise ValueError(f"{at} bytes of texts: the file holds 65,535")
    return table + struct.pack("<HH", 0, at) + b"".join(data for _, data in listed)


def without_texts(module: Module, ids: Mapping[str, int]) -> Module:
    """The module with calls in the place of its texts."""
    tree = module.tree
    editor = Editor(module.text)
    moved = False
    for node, formatted in _movable(tree):
        moved = True
        call = f"{FUNCTION}({ids[_stored(node, formatted)]}"
        if formatted is None:
            editor.replace(editor.start(node), editor.end(node), call + ")")
        else:
            values = formatted.right
            editor.replace(editor.start(formatted), editor.start(values), call + ",")
            editor.replace(editor.end(values), editor.end(formatted), ")")
    if not moved:
        return module
    statement = f"from {MODULE} import {FUNCTION}"
    first = tree.body[0]
    if ast.get_docstring(tree) is not None:
        at = editor.end(first)
        editor.replace(at, at, ";" + statement)
    elif not hasattr(first, "body"):
        at = editor.start(first)
        editor.replace(at, at, statement + ";")
    else:
        # No line before a `def` is free; functions look the name up when they are called.
        return module.changed(editor.result() + statement)
    return module.changed(editor.result())


def _movable(tree: ast.Module) -> Iterator[tuple[ast.Constant, ast.BinOp | None]]:
    """Each text to move, with the formatting that it is the left side of."""
    for function in _outer_functions(tree):
        for statement in function.body:
            yield from _in_node(statement)


def _outer_functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        else:
            yield from _outer_functions(node)


def _in_node(node: ast.AST) -> Iterator[tuple[ast.Constant, ast.BinOp | None]]:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Compare() | ast.JoinedStr():
            return  # docstrings; what the program compares with
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            for statement in node.body:
                yield from _in_node(statement)
            return
        case ast.ClassDef():
            for inner in _outer_functions(node):
                yield from _in_node(inner)
            return
        case ast.Lambda():
            yield from _in_node(node.body)
            return
        case ast.Dict(values=values):
            for value in values:
                yield from _in_node(value)
            return
        case ast.Subscript(value=value):
            yield from _in_node(value)
            return
        case ast.Call(func=ast.Attribute(attr=name)) if name in _LOOKING:
            return
        case ast.Call(func=ast.Name(id=name)) if name in _BY_NAME:
            return
        case ast.BinOp(op=ast.Mod(), left=ast.Constant() as text) if _is_prose(text):
            yield text, node
            yield from _in_node(node.right)
            return
        case ast.Constant() if _is_prose(node):
            yield node, None
            return
    for child in ast.iter_child_nodes(node):
        yield from _in_node(child)


def _is_prose(node: ast.Constant) -> bool:
    text = node.value
    return (
        isinstance(text, str)
        and len(text) >= _SHORTEST
        and text.isprintable()
        and _PROSE.search(text) is not None
    )
