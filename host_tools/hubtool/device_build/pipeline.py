"""The build: from the device code that people read to the files that go onto a board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock

from micropython_webpubsub.assets import (
    DeviceFile,
    boards_folder,
    examples_folder,
    package_folders,
)

from ..errors import HubtoolError
from . import cache, flat, literals, texts
from .branches import without_cpython, without_leftovers
from .build_map import BuildMap, functions_of
from .bytecode import compile_source
from .identifiers import OF_SOME, REUSING, all_words, attributes, names_in, private_names
from .renaming import NoNames, assign, read_names, rename_source, renamed
from .source import Module

_LIBRARY = PurePosixPath("/lib")
# mpy-cross's -O: both leave asserts out, 3 leaves line numbers out too.
WITH_LINES, WITHOUT_LINES = 2, 3


def names_of_image(name: str = "esp32") -> Path:
    """The list of the names that a firmware image has."""
    return boards_folder() / "names" / f"{name}.txt"


def stubs() -> list[Path]:
    """The `.pyi` files, which say what of the packages programs use."""
    return [path for folder in package_folders().values() for path in sorted(folder.glob("*.pyi"))]


@dataclass(frozen=True)
class Options:
    """How to build.

    Attributes:
        plain: compile the sources as they stand.
        lines: keep line numbers in the bytecode.
        texts: move texts into a file; where code runs in place, they cost nothing in it.
        flat: give modules names of the image; where code runs in place, theirs cost nothing.
        names: file with the names of the firmware's image.
        avoid: names that are not given out, for programs beside the device code use them for
            something of their own.
    """

    plain: bool = False
    lines: bool = False
    texts: bool = True
    flat: bool = True
    names: Path | None = None
    avoid: frozenset[str] = frozenset()


# For images from which the code runs where it lies.
IN_PLACE = Options(texts=False, flat=False)


@dataclass(frozen=True)
class Prepared:
    """Sources as they are compiled.

    Attributes:
        modules: with branches, texts and names changed.
        names: name in the source -> name in the build.
        titles: module -> what tracebacks call its source.
        texts: text -> id.
        modules_as: module -> its name in the build, for those that have another one there.
        map: of all that.
    """

    modules: tuple[Module, ...]
    names: Mapping[str, str]
    titles: Mapping[str, str]
    texts: Mapping[str, int]
    modules_as: Mapping[str, str]
    map: BuildMap

    def output(self, module: str) -> str:
        """Where the code of a module lies below /lib."""
        if module in self.modules_as:
            return flat.output(self.modules_as[module])
        path = module.replace(".", "/")
        return f"{path}/__init__.mpy" if module in flat.PACKAGES else f"{path}.mpy"


@dataclass(frozen=True)
class Build:
    """What goes onto a board.

    Attributes:
        files: path below /lib -> content, such as "webpubsub/link.mpy".
        map: what was done; None for a plain build.
    """

    files: Mapping[str, bytes]
    map: BuildMap | None


def build(files: Sequence[DeviceFile], options: Options | None = None) -> Build:
    """Build the compiled part of the device code.

    The same sources and options give the same files, byte for byte.

    Args:
        files: device files; those that are not compiled are left out.

    Raises:
        HubtoolError: a file cannot be read or does not compile; the text names file and line.
    """
    options = options or Options()
    if options.plain:
        return Build(_plain([file for file in files if file.compiled]), None)
    name = cache.digest(_made_of(files, options))
    found = cache.load(name)
    if found is None:
        found = _build(files, options)
        cache.save(name, *found)
    return Build(*found)


def _build(files: Sequence[DeviceFile], options: Options) -> tuple[dict[str, bytes], BuildMap]:
    prepared = prepare_sources(files, options)
    compiled = [file for file in files if file.compiled]
    level = WITH_LINES if options.lines else WITHOUT_LINES
    built = {
        prepared.output(module.name): _compile(
            module.text, prepared.titles[module.name], file.source, level
        )
        for file, module in zip(compiled, prepared.modules, strict=True)
    }
    with_stubs = [f"{path.parent.name}.{path.stem}" for path in stubs()]
    for path, source in flat.stand_ins(prepared.modules_as, with_stubs).items():
        source = rename_source(source, prepared.names)
        built[path] = _compile(source, PurePosixPath(path).stem, Path(path), level)
    if prepared.texts:
        built[texts.FILE] = texts.packed(prepared.texts)
    return built, prepared.map


def _made_of(files: Sequence[DeviceFile], options: Options) -> Iterator[str]:
    """All that a build depends on but the code here."""
    yield f"{options.lines} {options.texts} {options.flat} {sorted(options.avoid)}"
    yield _read(options.names or names_of_image())
    for file in files:
        yield file.target
        yield _read(file.source)
    for path in [*stubs(), *sorted(examples_folder().glob("*.py"))]:
        yield path.stem
        yield _read(path)


# Of two or three builds: a run may need one several times.
@lru_cache(maxsize=256)
def _compile(text: str, name: str, origin: Path, level: int) -> bytes:
    return compile_source(text, name, origin, level)


def _plain(files: Sequence[DeviceFile]) -> dict[str, bytes]:
    return {
        _output(file): _compile(
            _read(file.source), _below_library(file.target), file.source, WITH_LINES
        )
        for file in files
    }


def prepare_sources(files: Sequence[DeviceFile], options: Options | None = None) -> Prepared:
    """All steps of the build before compiling.

    Raises:
        HubtoolError: a file cannot be read, or has a syntax error.
    """
    options = options or Options()
    compiled = [file for file in files if file.compiled]
    starters = [file.source for file in files if not file.compiled]
    with _ONE_AT_A_TIME:
        for file in compiled:
            _check_syntax(file.source)
        return _prepared(
            tuple((file.target, _read(file.source)) for file in compiled),
            tuple(_read(path) for path in stubs()),
            tuple(_read(path) for path in [*sorted(examples_folder().glob("*.py")), *starters]),
            options,
        )


# Threads that parse at the same time make CPython 3.11 lose count of its recursion depth.
_ONE_AT_A_TIME = Lock()


@lru_cache(maxsize=4)
def _prepared(
    sources: tuple[tuple[str, str], ...],
    stubs: tuple[str, ...],
    programs: tuple[str, ...],
    options: Options,
) -> Prepared:
    written = [
        Module(_module_name(target), f"device/{_below_library(target)}", text)
        for target, text in sources
    ]
    others = flat.flat_modules(module.name for module in written) if options.flat else ()
    if others:
        modules = [without_cpython(flat.with_loader(module)) for module in written]
    else:
        modules = [without_cpython(module) for module in written]
    modules = without_leftovers(modules, written)
    # Where a module is built alone, nothing could read them.
    readable = options.texts and any(module.name == texts.MODULE for module in modules)
    ids = texts.texts_of(modules) if readable else {}
    if ids:
        modules = [texts.without_texts(module, ids) for module in modules]
    reusing = [module for module in modules if module.package in REUSING]
    first = [module for module in modules if module.package not in REUSING]
    private = private_names(first, stubs, programs, others, reusing)
    # Each module's own name is in memory anyway, so tracebacks may use the last part of it.
    titles: dict[str, str] = {}
    doubled = set()
    for module in sorted(modules, key=lambda each: each.name):
        if module.name in others:
            continue
        if module.stem in titles.values():
            doubled.add(module.name)
        else:
            titles[module.name] = module.stem
    used = set(titles.values()) | options.avoid
    used |= {name for program in programs for name in names_in(program)}
    code = {name for module in reusing for name in names_in(module.text)}
    try:
        image = read_names(options.names or names_of_image())
        # What occurs in both must be free in both.
        wanted = private & code | doubled | {literals.TABLE}
        words = all_words(first)
        objects = attributes(module for module in first if module.name not in OF_SOME)
        mapped = assign(wanted, image, used | words | code, objects)
        used |= words | set(mapped.values())
        mapped |= assign(private - set(mapped), image, used, objects)
        # Names of the image that the reusing packages have, in the code or by the above.
        used = code | {mapped.get(name, name) for name in code} | set(titles.values())
        used |= options.avoid | {name for program in programs for name in names_in(program)}
        # Each module may get the table.
        used |= {mapped.get(name, name) for name in {literals.TABLE, *doubled}}
        own = private_names(reusing, stubs, programs, others) - words
        again = assign(own, image, used, attributes(reusing))
        of_modules = assign(others, image, flat.taken(first, mapped) | options.avoid)
    except NoNames as error:
        raise HubtoolError(str(error)) from None
    # What the image has no name for gets one of its own.
    modules_as = {name: of_modules.get(name, name.replace(".", "_")) for name in sorted(others)}
    titles.update(modules_as)
    table = mapped.pop(literals.TABLE, literals.TABLE)
    for name in doubled:
        titles[name] = mapped.pop(name, name)
    build_map = BuildMap(
        lines=options.lines,
        # A module and something in it may be called the same.
        names={new: old for old, new in (*modules_as.items(), *mapped.items())},
        names_of={
            package: {new: old for old, new in again.items()}
            for package in sorted({module.package for module in reusing})
        },
        files={titles[module.name]: module.path for module in written},
        functions={module.path: functions_of(module) for module in written},
        texts={number: text for text, number in ids.items()},
    )
    mapped |= again
    passing = literals.passing(modules) if others else frozenset()
    modules = [flat.flattened(module, modules_as) for module in modules] if others else modules
    modules = [renamed(module, mapped) for module in modules]
    # Every board has the names of the packages that all load, and only some those of others.
    anyway = set(image)
    for module in modules:
        if module.name not in passing | OF_SOME and module.package not in REUSING:
            anyway |= names_in(module.text) | literals.short_texts(module)
    of_some = set(anyway)
    for module in modules:
        if module.name not in passing and module.package in REUSING:
            of_some |= names_in(module.text) | literals.short_texts(module)
    modules = [
        literals.without_short_texts(
            module, of_some if module.package in REUSING else anyway, table
        )
        if module.name in passing
        else module
        for module in modules
    ]
    return Prepared(
        modules=tuple(modules),
        names=mapped,
        titles=titles,
        texts=ids,
        modules_as=modules_as,
        map=build_map,
    )


def _check_syntax(source: Path) -> None:
    try:
        compile(_read(source), str(source), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise HubtoolError(
            f"{source}:{error.lineno}: SyntaxError: {error.msg}: correct it, then try again"
        ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HubtoolError(f"{path}: cannot be read: {error.strerror}") from None


def _below_library(target: str) -> str:
    return str(PurePosixPath(target).relative_to(_LIBRARY))


def _output(file: DeviceFile) -> str:
    return str(PurePosixPath(_below_library(file.target)).with_suffix(".mpy"))


def _module_name(target: str) -> str:
    parts = PurePosixPath(_below_library(target)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
