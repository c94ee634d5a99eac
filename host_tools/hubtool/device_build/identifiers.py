"""What names the device code has, and which of them are its own business.

A name of ours that the firmware image does not have costs a board its text and eight bytes more,
in tables that double. A *private* one may be called anything, so it gets the name of something
that the image has in its ROM. Private is what is defined in the device code, unless it is

* a name in a stub (`webpubsub/*.pyi`, `chargepoint/*.pyi`) that is not in internal.txt, or in the
  programs that people write or copy: boot.py, main.py and the examples;
* a setting (an attribute of `Settings` without an underscore), or an exception class without one;
* listed in public.txt, with its reason;
* a word of a string that is no more than that word, a dotted path, or source of several lines:
  strings are used for `getattr`, imports and `exec`; where a name is put together of parts for
  `getattr` and the like, each name that begins or ends with a part;
* a keyword that a function with `**fields` is called with: the fields of events;
* a module or a package, what is imported from those of others, what is looked up in them, and the
  keywords that their functions are called with; or `__of_python__`;
* a private `const`, which the compiler writes in place: it costs nothing already.

Everything is decided by these sources alone, so that the same sources give the same build.

An image has some 750 names to give away, and the device code has more. What only programs that
ask for it load (`REUSING`) may therefore be called what something in the other packages is called
already: its objects and theirs never meet, but for names that occur in both, and those are the
same in both. Its strings are what messages are made of, and name nothing.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .source import Module

_WORD = re.compile(r"[^\W\d]\w*")
_DUNDER = re.compile(r"__\w+__")
# A word alone, a dotted path, or source.
_NAMING = re.compile(r"^\w+$|\w\.\w|\n.*\n", re.DOTALL)
_BY_NAME = frozenset({"delattr", "getattr", "hasattr", "setattr"})
# Packages whose private names may have a name of the image that another package has, too.
REUSING = frozenset({"chargepoint"})
# Modules of other packages that only such programs load. They get no names of the image, which
# others need more; theirs are not on every board, and their strings name nothing either.
OF_SOME = frozenset(
    {"firmware.charge_settings", "firmware.charge_wiring", "firmware.charging"},
)
# The class whose attributes are the settings.
_SETTINGS = "Settings"
_PUBLIC_LIST = Path(__file__).with_name("public.txt")
_INTERNAL_LIST = Path(__file__).with_name("internal.txt")


def words(text: str) -> set[str]:
    """The words of a text that could be names."""
    return set(_WORD.findall(text))


def names_in(source: str) -> set[str]:
    """Every name that a source has as code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME} - set(keyword.kwlist)


def listed_public() -> set[str]:
    """The names of public.txt."""
    return _listed(_PUBLIC_LIST)


def listed_internal() -> set[str]:
    """The names of internal.txt."""
    return _listed(_INTERNAL_LIST)


def _listed(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name for line in lines for name in words(line.partition("#")[0])}


def private_names(
    modules: Iterable[Module],
    stubs: Iterable[str],
    programs: Iterable[str],
    others: Collection[str] = (),
    beside: Iterable[Module] = (),
) -> set[str]:
    """The names that the build may change.

    Args:
        modules: the device code.
        stubs: the texts of the `.pyi` files.
        programs: the sources of what users write, or see as source on their board.
        others: modules that are called otherwise in the build, so that their names are none.
        beside: modules of other packages, in which a name is changed wherever it stands.
    """
    listed = list(modules)
    elsewhere = list(beside)
    defined: set[str] = set()
    kept = listed_public() | {"const", "_"}
    for stub in stubs:
        kept |= {name for name in names_in(stub) if not name.startswith("_")} - listed_internal()
    for program in programs:
        kept |= names_in(program)
    with_fields = {
        node.name
        for module in listed
        for node in module.nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.args.kwarg
    }
    packages = {module.package for module in (*listed, *elsewhere)}
    for module in elsewhere:
        kept |= set(_of_others(module, packages, others)) | _looked_up_by_name(module)
    parts: set[str] = set()
    for module in listed:
        if module.name not in others:
            kept |= set(module.name.split("."))
        kept |= set(_of_others(module, packages, others))
        if module.name not in OF_SOME:
            defined |= set(_defined(module)) - folded_constants(module)
        defined |= {name for name, path in _our_modules(module) if path in others}
        if module.package in REUSING or module.name in OF_SOME:
            kept |= _looked_up_by_name(module)
        else:
            kept |= names_in_strings(module, others)
        parts |= set(_parts_of_names(module))
        kept |= (
            set(_settings(module)) | set(_exceptions(module)) | set(_fields(module, with_fields))
        )
    return {
        name
        for name in defined - kept
        if not _DUNDER.fullmatch(name)
        and not any(name.startswith(part) or name.endswith(part) for part in parts)
    }


def attributes(modules: Iterable[Module]) -> set[str]:
    """The names that are assigned behind a dot, or stand in a class: what objects have.

    What else stands behind a dot is a function of a module."""
    found: set[str] = set()
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                found |= set(_assigned_outside(node))
                found |= {each.name for each in node.body if isinstance(each, _FUNCTIONS)}
    return found


def all_words(modules: Iterable[Module]) -> set[str]:
    """Everything in these modules that is a name, or may be used as one."""
    found: set[str] = set()
    for module in modules:
        found |= names_in(module.text) | _of_strings(module)
        # Those in f-strings are tokens from Python 3.12 on only.
        found |= {node.id for node in module.nodes if isinstance(node, ast.Name)}
        found |= {node.attr for node in module.nodes if isinstance(node, ast.Attribute)}
    return found


def folded_constants(module: Module) -> set[str]:
    """Names of `_X = const(...)`: the compiler puts the value in their place."""
    found = set()
    for statement in module.tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"))
            ) if name.startswith("_"):
                found.add(name)
    return found


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _defined(module: Module) -> Iterator[str]:
    for node in module.nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Global(names=names):
                yield from names
            case ast.alias(asname=str(name)):
                yield name
    # Locals are no names in bytecode; what is assigned in modules and classes is.
    yield from _assigned_outside(module.tree)


def _assigned_outside(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        yield from _assigned_outside(child)


def names_in_strings(module: Module, others: Collection[str] = ()) -> set[str]:
    """The words of strings that the program may look something up by."""
    found = {text for text in _strings(module) if _NAMING.search(text)}
    return {word for text in found.difference(others) for word in words(text)}


def _our_modules(module: Module) -> Iterator[tuple[str, str]]:
    """What `from . import ...` binds: each name, and the module that it may be."""
    for node in module.nodes:
        match node:
            case ast.ImportFrom(module=path, names=names, level=level):
                source = (module.package if level else "", path)
                for alias in names:
                    yield alias.asname or alias.name, ".".join(filter(None, (*source, alias.name)))


def _parts_of_names(module: Module) -> Iterator[str]:
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Name(id=function), args=[_, name, *_]) if (
                function in _BY_NAME and not isinstance(name, ast.Constant)
            ):
                for inner in ast.walk(name):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                        yield from filter(None, re.split(r"%\w", inner.value))


def _looked_up_by_name(module: Module) -> set[str]:
    """The strings that a module gives to `getattr` and its kind."""
    found = set()
    for node in module.nodes:
        match node:
            case ast.Call(
                func=ast.Name(id=function), args=[_, ast.Constant(value=str(name)), *_]
            ) if function in _BY_NAME:
                found.add(name)
    return found


def _strings(module: Module) -> Iterator[str]:
    docstrings = {node.value for node in module.nodes if isinstance(node, ast.Expr)}
    for node in module.nodes:
        match node:
            case ast.Constant(value=str(text)) if node not in docstrings:
                yield text


def _of_strings(module: Module) -> set[str]:
    return {word for text in _strings(module) for word in words(text)}


def _of_others(module: Module, packages: set[str], others: Collection[str] = ()) -> Iterator[str]:
    """Names of modules, and what the modules of others define."""
    foreign = set()
    renamed = {name for name, path in _our_modules(module) if path in others}
    for node in module.nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from alias.name.split(".")
                    if alias.name.partition(".")[0] not in packages:
                        foreign.add(alias.asname or alias.name.partition(".")[0])
            case ast.ImportFrom(module=path, names=names, level=level):
                # `from . import name` imports modules, too.
                ours = level or (path or "").partition(".")[0] in packages
                if ".".join(filter(None, (module.package if level else "", path))) not in others:
                    yield from (path or "").split(".")
                if not ours or not path:
                    yield from (alias.name for alias in names if alias.name not in renamed)
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name)), keywords=keywords) if (
                name in foreign
            ):
                yield from (word.arg for word in keywords if word.arg)
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in foreign:
                yield attribute


def _settings(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if not isinstance(node, ast.ClassDef) or node.name != _SETTINGS:
            continue
        yield node.name
        for inner in ast.walk(node):
            match inner:
                case (
                    ast.Attribute(value=ast.Name(id="self"), attr=name)
                    | ast.FunctionDef(name=name)
                ) if not name.startswith("_"):
                    yield name


def _exceptions(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id.endswith(("Error", "Exception")):
                    yield node.name


def _fields(module: Module, with_fields: set[str]) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name) if name in with_fields:
                    yield from (word.arg for word in node.keywords if word.arg)
