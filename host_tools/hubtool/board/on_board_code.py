"""The code that hubtool sends to boards: the files of `on_board/`, and calls of their functions.

They are MicroPython (1.23 and later) in files of its own, so that it is linted and tested like
the rest of the device code. Values cross as Python literals, in both directions.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "on_board"


@cache
def source_of(name: str) -> str:
    """The source of `on_board/NAME.py` as it is sent: without comments and docstrings.

    They are half of it, and a serial port takes a tenth of a second for each kilobyte.
    """
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.unparse(tree) + "\n"


def call_of(function: str, *arguments: Any) -> str:
    """Code that calls a function on the board and prints the repr of what it returns.

    Args:
        function: its name.
        arguments: of the types that `literal` takes.

    Raises:
        TypeError: an argument is of another type.
    """
    return f"print(repr({function}({', '.join(map(literal, arguments))})))"


def literal(value: Any) -> str:
    """A value as a literal that MicroPython reads back.

    Args:
        value: None, a bool, int, str or bytes; a list, tuple or dict of these.

    Raises:
        TypeError: it is of another type, whose repr need not be a literal.
    """
    if value is None or type(value) in (bool, int, str, bytes):
        return repr(value)
    if type(value) is list:
        return f"[{', '.join(map(literal, value))}]"
    if type(value) is tuple:
        return f"({''.join(literal(item) + ', ' for item in value)})"
    if type(value) is dict:
        pairs = (f"{literal(key)}: {literal(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    raise TypeError(f"a {type(value).__name__} does not cross to a board as a literal")
