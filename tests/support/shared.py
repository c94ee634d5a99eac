"""What is built once for a run of tests, whichever worker needs it first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def folder_of_run(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all workers of a run share."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def built_once(target: Path, make: Callable[[Path], None]) -> Path:
    """A folder, made by whoever comes first; the others wait for it.

    Args:
        target: the folder, within `folder_of_run`.
        make: fills the empty folder that it gets, which becomes the target when all is there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a try that failed
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(target)
    return target
