"""Ports that come and go: one that has just been there is waited for.

A board whose USB is its own (ESP32-S2, S3, C3) takes its port away at each reset, for a second or
two. The next command, a process of its own, must know that the port has been there: a file of its
name says when a command of ours last had it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from platformdirs import user_state_path

from ..console import warn
from ..errors import HubtoolError, NoDevice

# Seconds. Windows takes the longest to find a port again.
RECENT = 60.0
PATIENCE = 10.0
# For whatever looks at each port that appears, and the command before that just ends.
_BRIEF = 1.0
_PAUSE = 0.1
_PSEUDO = quote("/dev/pts/", safe="")

_Opened = TypeVar("_Opened")


def folder() -> Path:
    """Where it is kept which ports have been there."""
    return user_state_path("hubtool", appauthor=False) / "ports"


def note(port: str) -> None:
    """Remember that a port is there now. Where there is no place for it, nothing is waited for."""
    if "://" in port:
        return  # of a network
    with contextlib.suppress(OSError):
        path = _file(port)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _was_there(port: str) -> bool:
    """Whether a port has just been there."""
    with contextlib.suppress(OSError):
        return time.time() - _file(port).stat().st_mtime < RECENT
    return False


def _any_was_there() -> bool:
    """Whether any port of a real board has just been there."""
    with contextlib.suppress(OSError):
        return any(
            time.time() - path.stat().st_mtime < RECENT
            for path in folder().iterdir()
            if not path.name.startswith(_PSEUDO)
        )
    return False


def _file(port: str) -> Path:
    return folder() / quote(port, safe="")


def until_back(what: str, look: Callable[[], list[_Opened]]) -> list[_Opened]:
    """Look for boards; where there is none, and one has just been there, wait for it.

    Args:
        what: whom the line that says so is about.
        look: looks once.
    """
    found = look()
    if not found and _any_was_there():
        end = _say_gone(what)
        while not found and time.monotonic() < end:
            time.sleep(_PAUSE)
            found = look()
    return found


def _say_gone(what: str) -> float:
    """Say that something has just been there and is waited for; until when, monotonic time."""
    warn(f"{what}: gone for the moment: waiting up to {PATIENCE:g} s for it to come back")
    return time.monotonic() + PATIENCE


def open_port(port: str, attempt: Callable[[], _Opened]) -> _Opened:
    """Open a port; when it has just been there and is gone, wait for it.

    Args:
        port: its name.
        attempt: opens it; raises NoDevice when there is none, another HubtoolError when it
            cannot be opened.

    Raises:
        HubtoolError: that of the last attempt.
    """
    known, gone = _was_there(port), False
    end = time.monotonic() + _BRIEF
    while True:
        try:
            opened = attempt()
        except HubtoolError as error:
            if not known:
                raise
            if isinstance(error, NoDevice) and not gone:
                gone, end = True, _say_gone(port)
            # Just back, it may still be without its permissions, or looked at by others.
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE)
        else:
            note(port)
            return opened
