"""Takes out what only CPython runs, by what is known of every MicroPython.

Nothing is guessed: a condition goes when it follows from the table below, and stays otherwise.
"""

from __future__ import annotations

import ast

from .source import Editor, Module

# What these expressions are on any MicroPython that the device code supports.
_KNOWN: dict[str, object] = {
    "sys.implementation.name": "micropython",
    "hasattr(gc, 'mem_alloc')": True,
    "hasattr(gc, 'mem_free')": True,
    "hasattr(sys, 'print_exception')": True,
}
# What can be imported on any of them.
_THERE = {
    "micropython": frozenset({"const"}),
    "time": frozenset({"ticks_add", "ticks_diff", "ticks_ms"}),
}
# Modules in C: they are in memory anyway, and importing one does nothing else.
_BUILT_IN = frozenset({"errno", "gc", "json", "micropython", "os", "sys", "time"})


class _Unknown(Exception):
    """Only the board can say."""


def without_cpython(module: Module) -> Module:
    """The module without the branches that no board takes."""
    for _ in range(3):
        reduced = _once(module)
        if reduced is module:
            break
        module = reduced
    return module


def _once(module: Module) -> Module:
    known = _known_names(module)
    editor = Editor(module.text)
    for node in module.nodes:
        if isinstance(node, ast.If):
            _reduce_if(editor, node, known)
        elif isinstance(node, ast.IfExp):
            _reduce_choice(editor, node, known)
        elif isinstance(node, ast.Try):
            _reduce_try(editor, node)
    return module.changed(editor.result())


def _known_names(module: Module) -> dict[str, object]:
    """Private globals that stand for something known, such as `_MICROPYTHON`."""
    found: dict[str, object] = {}
    assigned = [
        node.id
        for node in module.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    for statement in module.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if name.startswith("_") and assigned.count(name) == 1:
                    try:
                        found[name] = _value(value, {})
                    except _Unknown:
                        continue
    # A number or a text of its own is no condition.
    return {name: value for name, value in found.items() if isinstance(value, bool)}


def _value(node: ast.expr, names: dict[str, object]) -> object:
    """What an expression is on a board; raises _Unknown."""
    written = ast.unparse(node)
    if written in _KNOWN:
        return _KNOWN[written]
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, names)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _value(left, names) == _value(right, names)
        case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
            return _value(left, names) != _value(right, names)
        case ast.BoolOp(op=op, values=values):
            decides = isinstance(op, ast.Or)
            unknown = False
            for operand in values:
                try:
                    if bool(_value(operand, names)) == decides:
                        return decides
                except _Unknown:
                    # What stands before it is run in any case, so it must stay.
                    unknown = True
                    break
            if not unknown:
                return not decides
    raise _Unknown


def _truth(node: ast.expr, names: dict[str, object]) -> bool | None:
    try:
        return bool(_value(node, names))
    except _Unknown:
        return None


def _reduce_if(editor: Editor, node: ast.If, known: dict[str, object]) -> None:
    if isinstance(node.test, ast.Constant):
        return
    truth = _truth(node.test, known)
    if truth is None:
        return
    start, body_end = editor.start(node), editor.end(node.body[-1])
    is_elif = _is_elif(editor, node)
    if truth:
        # mpy-cross writes no code for the condition.
        editor.replace(editor.start(node.test), editor.end(node.test), "True")
        editor.replace(body_end, editor.end(node))
    elif not node.orelse:
        editor.replace_statement(node, "" if is_elif else "pass")
    elif isinstance(node.orelse[0], ast.If) and _is_elif(editor, node.orelse[0]):
        # What comes next stands in its place, with the indentation of its own line.
        following = editor.start(node.orelse[0])
        editor.replace(start, editor.line_start(following))
        if not is_elif:
            editor.replace(following, following + len("elif"), "if")
    else:
        after = editor.piece(body_end, editor.start(node.orelse[0]))
        colon = body_end + len(after[: after.rindex("else:")].encode())
        if is_elif:
            editor.replace(start, editor.line_start(colon))
        else:
            editor.replace(start, colon + len("else:"), "if True:")


def _is_elif(editor: Editor, node: ast.If) -> bool:
    start = editor.start(node)
    return editor.piece(start, start + 4) == "elif"


def _reduce_choice(editor: Editor, node: ast.IfExp, known: dict[str, object]) -> None:
    truth = _truth(node.test, known)
    if truth is None:
        return
    chosen = node.body if truth else node.orelse
    editor.replace(editor.start(node), editor.start(chosen), "(")
    editor.replace(editor.end(chosen), editor.end(node), ")")


def _reduce_try(editor: Editor, node: ast.Try) -> None:
    """An import that cannot fail needs no handler."""
    if node.finalbody or node.orelse or not all(_is_there(each) for each in node.body):
        return
    if not all(_is_import_error(handler.type) for handler in node.handlers):
        return
    start = editor.start(node)
    editor.replace(start, start + len("try"), "if True")
    editor.replace(editor.end(node.body[-1]), editor.end(node))


def _is_there(statement: ast.stmt) -> bool:
    match statement:
        case ast.ImportFrom(module=str(name), names=names, level=0):
            return all(alias.name in _THERE.get(name, ()) for alias in names)
    return False


def _is_import_error(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id == "ImportError"


def without_leftovers(modules: list[Module], before: list[Module]) -> list[Module]:
    """Take out what nothing needs any more: `const`, conditions' names, `__all__`, imports.

    Args:
        modules: without CPython's branches.
        before: the same modules as people wrote them: what was unused there is left alone.
    """
    if any(_imports_star(module) for module in modules):
        raise AssertionError("`import *` needs `__all__`, which the build step takes out")
    for _ in range(2):  # what only an assignment needs that has gone goes, too
        modules = [_tidied(module, old) for module, old in zip(modules, before, strict=True)]
    return modules


def _imports_star(module: Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        for node in module.nodes
    )


def _tidied(module: Module, old: Module) -> Module:
    used, used_before = _loaded(module), _loaded(old)
    known = _known_names(module)
    editor = Editor(module.text)
    needs_const = _needs_const(module)
    for node in module.nodes:
        match node:
            case ast.ImportFrom(names=names) if not needs_const and "const" in used_before:
                # A module that does not use it itself offers it to others.
                _drop_aliases(editor, node, [a for a in names if (a.asname or a.name) == "const"])
            case ast.Import(names=[ast.alias(name=name, asname=None)]):
                if name in _BUILT_IN and name in used_before and name not in used:
                    editor.replace_statement(node)
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                editor.replace_statement(node)
            case ast.Assign(targets=[ast.Name(id=name)]) if name in known and name not in used:
                editor.replace_statement(node)
    return module.changed(editor.result())


def _loaded(module: Module) -> set[str]:
    return {
        node.id
        for node in module.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _needs_const(module: Module) -> bool:
    """Whether `const` is used otherwise than in `NAME = const(...)`, which the compiler folds."""
    folded = {
        id(statement.value.func)
        for statement in module.tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Call)
    }
    return any(
        isinstance(node, ast.Name) and node.id == "const" and id(node) not in folded
        for node in module.nodes
    )


def _drop_aliases(editor: Editor, node: ast.ImportFrom, dropped: list[ast.alias]) -> None:
    if not dropped:
        return
    if len(dropped) == len(node.names):
        editor.replace_statement(node)
        return
    for alias in dropped:
        at = node.names.index(alias)
        if at + 1 < len(node.names):
            editor.replace(editor.start(alias), editor.start(node.names[at + 1]))
        else:
            editor.replace(editor.end(node.names[at - 1]), editor.end(alias))
