"""Where the built interpreters lie, and which there are."""

from __future__ import annotations

import json
import os
from pathlib import Path

_VERSIONS = "versions.json"
OLDEST, NEWEST = "oldest", "newest"


def folder() -> Path:
    """The folder of everything that is built: the SIMBOARD_CHIP variable, else .chip.

    In a checkout that is its own .chip, else the one of the current folder.
    """
    if named := os.environ.get("SIMBOARD_CHIP"):
        return Path(named).absolute()
    checkout = Path(__file__).parents[3]
    return (checkout if (checkout / "pyproject.toml").exists() else Path.cwd()) / ".chip"


def remember(versions: dict[str, str]) -> None:
    """Write down which version is the oldest and which the newest."""
    (folder() / _VERSIONS).write_text(json.dumps(versions) + "\n", "utf-8")


def versions() -> dict[str, str]:
    """The versions that are built: `oldest` and `newest`, or nothing."""
    try:
        found = json.loads((folder() / _VERSIONS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {which: version for which, version in found.items() if program(version).exists()}


def program(version: str) -> Path:
    """The path of the interpreter of a version, whether it is there or not."""
    return folder() / version / "micropython"


def find(which: str) -> Path | None:
    """The interpreter of a version, or of `oldest` or `newest`; None when it is not built."""
    path = program(versions().get(which, which))
    return path if os.access(path, os.X_OK) else None
