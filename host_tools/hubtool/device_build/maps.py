"""Where maps of builds are kept on this computer, and how the right one is found."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from micropython_webpubsub.assets import device_files
from platformdirs import user_state_path

from ..errors import HubtoolError
from .build_map import BuildMap, MapError, read_map
from .pipeline import IN_PLACE, Options, prepare_sources

_STAMP = re.compile(r"[0-9a-f]{8}")
# What `deploy` and `romfs` can have made of the sources that are installed.
_BUILDS = (
    Options(),
    Options(lines=True),
    IN_PLACE,
)


def folder() -> Path:
    """Where `deploy` keeps the maps of what it has written."""
    return user_state_path("hubtool", appauthor=False) / "builds"


def keep(build_map: BuildMap) -> Path | None:
    """Keep a map for whoever reads a traceback later; None where there is no place for it."""
    path = folder() / f"{build_map.stamp}.json"
    half = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(build_map.to_json(), encoding="utf-8")
        os.replace(half, path)
    except OSError:
        # It can be made again as long as these sources are installed.
        with contextlib.suppress(OSError):
            half.unlink()
        return None
    return path


def find(stamp: str) -> BuildMap | None:
    """The map of a build: the one that was kept, or that of the installed sources."""
    if not _STAMP.fullmatch(stamp):
        return None
    with contextlib.suppress(MapError):
        return read_map(folder() / f"{stamp}.json")
    for build_map in _of_installed():
        if build_map.stamp == stamp:
            return build_map
    return None


def installed() -> BuildMap | None:
    """The map of what `deploy` would write now; None when these sources cannot be built."""
    return next(_of_installed(), None)


def _of_installed() -> Iterator[BuildMap]:
    """One after another: each takes a second to make."""
    with contextlib.suppress(HubtoolError):
        for options in _BUILDS:
            yield prepare_sources(device_files(), options).map
