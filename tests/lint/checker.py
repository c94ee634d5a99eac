"""Finds in a source what the tables of `rules` name."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from .rules import ATTRIBUTES, BUILTINS, HOOKS, KEYWORDS, MODULES, OLDEST, OURS, RULES, Absent

_ASKING = frozenset({"ImportError", "AttributeError", "NameError"})


class Finding(NamedTuple):
    """One thing that would fail on a board.

    Attributes:
        line: in the source, from 1.
        text: what it is, since when it is there, what to do.
    """

    line: int
    text: str


def check(source: str) -> list[Finding]:
    """All findings in a source, by line.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(source)
    checker = _Checker(tree)
    checker.visit(tree)
    return sorted({*checker.found, *_joined_literals(source)})


def _say(what: str, absent: Absent) -> str:
    when = "no MicroPython has it"
    if absent.since is not None:
        when = f"MicroPython has it from {absent.since} on, and boards may have {OLDEST}"
    return f"{what}: {when}: {absent.remedy}"


class _Checker(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.found: list[Finding] = []
        # Below a `try: import` or a `hasattr`: the code knows that a name may be missing.
        self._asked = 0
        self._modules: dict[str, str] = {}
        self._own = _names_bound(tree)
        self._tuples = _tuples_bound(tree)

    def _add(self, node: ast.AST, text: str) -> None:
        self.found.append(Finding(getattr(node, "lineno", 1), text))

    def visit(self, node: ast.AST) -> None:
        for rule in RULES:
            if rule.finds(node):
                self._add(_first_with_line(node), _say(rule.name, Absent(rule.since, rule.remedy)))
        super().visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        caught = {
            name.id
            for handler in node.handlers
            if handler.type is not None
            for name in ast.walk(handler.type)
            if isinstance(name, ast.Name)
        }
        self._visit_below(node, bool(caught & _ASKING))

    def visit_If(self, node: ast.If) -> None:
        # Both branches: the other one is for the other runtime.
        self._visit_below(node, _asks(node.test))

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._visit_below(node, _asks(node.test))

    def _visit_below(self, node: ast.AST, asked: bool) -> None:
        self._asked += asked
        self.generic_visit(node)
        self._asked -= asked

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            name = item.name.partition(".")[0]
            self._modules[item.asname or name] = name
            self._check_module(node, name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        name = (node.module or "").partition(".")[0]
        if node.level == 0 and self._check_module(node, name):
            for item in node.names:
                self._check_name(node, name, item.name)

    def _check_module(self, node: ast.AST, name: str) -> bool:
        if name in OURS or name in MODULES:
            return name not in OURS
        if not self._asked:
            self._add(
                node,
                f"module {name}: not known to be in MicroPython {OLDEST}: look it up, and add it "
                "to MODULES, or do without",
            )
        return False

    def _check_name(self, node: ast.AST, module: str, name: str) -> None:
        if name not in MODULES[module].split() and name != "*" and not self._asked:
            self._add(
                node,
                f"{module}.{name}: not known to be in MicroPython {OLDEST}: look it up, and add "
                "it to MODULES, or do without",
            )

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            module = self._modules.get(node.value.id)
            if module in MODULES and not node.attr.startswith("__"):
                self._check_name(node, module, node.attr)
        absent = ATTRIBUTES.get(node.attr)
        # An attribute of the code's own may have any name.
        is_read = isinstance(node.ctx, ast.Load) and node.attr not in self._own
        if absent and is_read and not self._asked:
            self._add(node, _say(f".{node.attr}", absent))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load) or node.id in self._own or self._asked:
            return
        absent = BUILTINS.get(node.id)
        if absent is not None:
            self._add(node, _say(node.id, absent))

    def visit_Call(self, node: ast.Call) -> None:
        function = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for word in node.keywords:
            absent = KEYWORDS.get((function, word.arg or ""))
            if absent and function not in self._own:
                self._add(node, _say(f"{function}({word.arg}=)", absent))
        if function in ("startswith", "endswith") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Name) and first.id in self._tuples:
                rule = next(rule for rule in RULES if rule.name == "tuple-prefix")
                self._add(node, _say(rule.name, Absent(rule.since, rule.remedy)))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        absent = HOOKS.get(node.name)
        if absent:
            self._add(node, _say(node.name, absent))
        self.generic_visit(node)


def _asks(test: ast.expr) -> bool:
    """Whether a condition asks what the runtime is or has."""
    return any(
        (isinstance(part, ast.Name) and part.id in ("hasattr", "MICROPYTHON"))
        or (isinstance(part, ast.Attribute) and part.attr == "implementation")
        for part in ast.walk(test)
    )


def _first_with_line(node: ast.AST) -> ast.AST:
    return next((part for part in ast.walk(node) if hasattr(part, "lineno")), node)


def _names_bound(tree: ast.Module) -> frozenset[str]:
    """Names and attributes that the source defines itself."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return frozenset(found)


def _tuples_bound(tree: ast.Module) -> frozenset[str]:
    """Names that are given a tuple, also through const()."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            value = node.value
            if isinstance(value, ast.Call) and value.args:
                value = value.args[0] if ast.unparse(value.func) in ("const", "tuple") else value
            if isinstance(value, ast.Tuple):
                found.update(name.id for name in node.targets if isinstance(name, ast.Name))
    return frozenset(found)


def _joined_literals(source: str) -> Iterator[Finding]:
    """f-strings beside another literal, and raw f-strings: the syntax tree does not show them."""
    before = None
    for line, prefix in _literals(source):
        if prefix is not None and "f" in prefix and "r" in prefix:
            yield Finding(line, _say("raw f-string", Absent("1.24", "write two backslashes")))
        if prefix is not None and before is not None and "f" in prefix + before:
            absent = Absent("1.24, and braces in the other one never work", "one literal, or +")
            yield Finding(line, _say("f-string beside a literal", absent))
        before = prefix


def _literals(source: str) -> Iterator[tuple[int, str | None]]:
    """Line and prefix of each string literal; None in place of the prefix for what is between."""
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind in ("NL", "COMMENT"):
            continue
        # From Python 3.12 on an f-string is many tokens, and may hold others.
        starts, ends = kind == "FSTRING_START", kind == "FSTRING_END"
        if depth == 0:
            is_literal = starts or kind == "STRING"
            yield token.start[0], _prefix(token.string) if is_literal else None
        depth += starts - ends


def _prefix(literal: str) -> str:
    return literal[: len(literal) - len(literal.lstrip("rRbBuUfF"))].lower()
