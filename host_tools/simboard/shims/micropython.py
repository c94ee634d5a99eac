"""`micropython` on CPython: constants are themselves, decorated functions stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Anything = TypeVar("Anything")
Function = TypeVar("Function", bound=Callable[..., Any])


def const(value: Anything) -> Anything:
    """The value."""
    return value


def native(function: Function) -> Function:
    """The function."""
    return function


viper = bytecode = native


def schedule(function: Callable[[Any], Any], argument: Any) -> None:
    """Call it, at once."""
    function(argument)


def opt_level(level: int | None = None) -> int | None:
    """0; setting it does nothing."""
    return 0 if level is None else None


def mem_info(verbose: bool = False) -> None:
    """Nothing to tell."""


def kbd_intr(character: int) -> None:
    """CPython's Ctrl-C stays as it is."""


def alloc_emergency_exception_buf(size: int) -> None:
    """CPython needs none."""
