"""Programs that the build calls, and the error with which it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path


class BuildError(Exception):
    """The model of the chip cannot be built; the text names the remedy."""


def run(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program of the build to its end.

    Returns:
        What it wrote to its standard output.

    Raises:
        BuildError: it failed; the text has the last lines that it wrote.
    """
    return run_with_input(command, "", cwd=cwd, env=env)


def run_with_input(
    command: list[str], text: str, *, cwd: Path, env: dict[str, str] | None = None
) -> str:
    """`run` with a text on its standard input."""
    done = subprocess.run(
        command, cwd=cwd, env=env, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise BuildError("\n".join([f"{command[0]} failed:", *said]))
    return done.stdout
