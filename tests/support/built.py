"""The device code as `hubtool deploy` builds it, and test scripts that speak its language.

The build gives private names other names. Tests of the inside use private names, so the scripts
that run over the built files are translated by the same map, which is one to one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from hubtool.device_build import Options, Prepared, build, prepare_sources
from hubtool.device_build.flat import flatten
from hubtool.device_build.identifiers import names_in
from hubtool.device_build.renaming import rename_source
from micropython_webpubsub.assets import device_files

TESTS = Path(__file__).parents[1]
# Folders with scripts for the device's side.
_FOLDERS = ("chargepoint", "firmware", "support/device", "webpubsub")


@lru_cache
def options() -> Options:
    """As for a board, but that no name is given out which a test script uses for its own."""
    scripts = [path for folder in _FOLDERS for path in _scripts(folder)]
    used = {name for path in scripts for name in names_in(path.read_text(encoding="utf-8"))}
    return Options(avoid=frozenset(used))


def _scripts(folder: str) -> Iterable[Path]:
    return sorted((TESTS / folder).glob("*.py"))


def write_library(folder: Path) -> None:
    """Write the built packages, and the texts that go with them."""
    for name, content in build(device_files(), options()).files.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


@lru_cache
def _prepared(how: Options) -> Prepared:
    return prepare_sources(device_files(), how)


def translated(text: str, how: Options | None = None) -> str:
    """A script in the names of a build, that of `options()` when none is named."""
    built = _prepared(how or options())
    return rename_source(flatten(text, built.modules_as), built.names)


def translate_folder(folder: Path, target: Path) -> None:
    """Write the scripts of a folder of tests into another one, in the names of the build."""
    for path in folder.glob("*.py"):
        if not path.name.startswith(("test_", "conftest")):
            text = translated(path.read_text(encoding="utf-8"))
            (target / path.name).write_text(text, encoding="utf-8")
