"""How to install what is missing, where the reader stands: a line for an error text.

A bare `pip` may belong to another Python than the one that runs, and on many systems it does:
`.venv/bin/hubtool` needs no activated environment.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_NAME = "micropython-webpubsub"


def install_extra(extra: str) -> str:
    """The command that installs an extra of this distribution.

    From a wheel as from a checkout (`pip install -e`), pip takes the extra from what is
    installed. Where the sources only lie on the path, it takes it from their folder.
    """
    try:
        version(_NAME)
    except PackageNotFoundError:
        folder = Path(__file__).resolve().parents[2]
        return f"{_install()} {_editable(folder)}{_quoted(f'{folder}[{extra}]')}"
    return f"{_install()} {_quoted(f'{_NAME}[{extra}]')}"


def update_package(name: str) -> str:
    """The command that brings a package beside this one to its newest version."""
    return f"{_install()} -U {_quoted(name)}"


def install_package(requirement: str) -> str:
    """The command that installs a package beside this one."""
    return f"{_install()} {_quoted(requirement)}"


def _install() -> str:
    python = sys.executable or "python3"
    if importlib.util.find_spec("pip") is None:
        # As uv makes environments.
        return f"uv pip install --python {_quoted(python)}"
    return f"{_quoted(python)} -m pip install"


def _editable(folder: Path) -> str:
    return "-e " if (folder / "pyproject.toml").exists() else ""


def _quoted(text: str) -> str:
    """As a shell of this system takes it: cmd.exe knows double quotes only."""
    if os.name == "nt":
        return f'"{text}"' if set(text) & set(" []<>=&") else text
    return shlex.quote(text)
