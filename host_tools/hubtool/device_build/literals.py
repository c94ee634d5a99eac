"""Keeps short texts of passing modules out of the table that a board never clears.

MicroPython's compiler makes a name of each text of up to ten characters, and names stay. In a
tuple of constants a text is an object like any other, which goes with its module. So a module
gets one tuple of all of them, behind its docstring:

    url.partition("://")  ->  url.partition(TABLE[2])

While its module is there a text takes some twenty bytes more so, hence only modules that are
loaded for one use get this; what is a name in the others, or in the image, is left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable

from .source import Editor, Module

# What the tuple is called unless the image has a name for it.
TABLE = "_short_texts"
# MICROPY_ALLOC_PARSE_INTERN_STRING_LEN, in bytes.
_LONGEST = 10


def passing(modules: Iterable[Module]) -> frozenset[str]:
    """The modules that are only loaded by their names in strings, as by `once`."""
    listed = list(modules)
    named = {
        node.value
        for module in listed
        for node in module.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    imported = {path for module in listed for path in _imported(module)}
    return frozenset(module.name for module in listed) & named - imported


def _imported(module: Module) -> Iterable[str]:
    for node in module.nodes:
        match node:
            case ast.ImportFrom(module=path, names=names, level=level):
                source = ".".join(filter(None, (module.package if level else "", path)))
                yield source
                yield from (f"{source}.{alias.name}" for alias in names)
            case ast.Import(names=names):
                yield from (alias.name for alias in names)


def short_texts(module: Module) -> set[str]:
    """The texts of a module that the compiler makes names of."""
    return {str(node.value) for node in _short(module)}


def without_short_texts(module: Module, kept: Collection[str], table: str = TABLE) -> Module:
    """The module with its short texts as objects; one without a docstring as it is.

    Args:
        kept: what is a name anyway.
        table: what the tuple is called.
    """
    if ast.get_docstring(module.tree) is None:
        return module
    editor = Editor(module.text)
    texts: list[str] = []
    for node in _short(module):
        text = str(node.value)
        if text not in kept:
            if text not in texts:
                texts.append(text)
            editor.replace(editor.start(node), editor.end(node), f"{table}[{texts.index(text)}]")
    if texts:
        at = editor.end(module.tree.body[0])
        editor.replace(at, at, f";{table}=({','.join(map(repr, texts))},)")
    return module.changed(editor.result())


def _short(module: Module) -> Iterable[ast.Constant]:
    left = {id(inner) for node in module.nodes for inner in _left_alone(node)}
    for node in module.nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value.encode()) <= _LONGEST
            and id(node) not in left
        ):
            yield node


def _left_alone(node: ast.AST) -> Iterable[ast.AST]:
    """Constants that are no texts of the program, or objects already."""
    match node:
        case ast.JoinedStr():
            yield from ast.walk(node)
        case ast.Expr(value=ast.Constant() as text):
            yield text
        case ast.Tuple(elts=elements) if all(isinstance(each, ast.Constant) for each in elements):
            yield from elements
