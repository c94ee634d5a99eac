"""Lets device code import on CPython where it names modules that only a board has.

    import simboard.shims
    simboard.shims.install()

After that `import ubinascii`, `ujson`, `micropython`, `machine`, `network`, `esp32` and the like
work. For tests on CPython and for platforms without a MicroPython; `simboard` itself runs the
real interpreter.
"""

from __future__ import annotations

import importlib
import sys
import time
from types import ModuleType

# The names that MicroPython's old spellings stand for.
_ALIASES = {
    "uasyncio": "asyncio",
    "ubinascii": "binascii",
    "ucollections": "collections",
    "uerrno": "errno",
    "uhashlib": "hashlib",
    "uio": "io",
    "ujson": "json",
    "uos": "os",
    "urandom": "random",
    "ure": "re",
    "uselect": "select",
    "usocket": "socket",
    "ussl": "ssl",
    "ustruct": "struct",
    "usys": "sys",
    "utime": "time",
    "uzlib": "zlib",
}
_OWN = ("micropython", "machine", "network", "esp32")
_TICKS_PERIOD = 2**30


def install() -> list[str]:
    """Make the modules importable, and give `time` its ticks; what exists already stays.

    Returns:
        The names that were added, sorted. `uninstall` takes them away again.
    """
    added = []
    for alias, name in _ALIASES.items():
        if alias not in sys.modules:
            sys.modules[alias] = importlib.import_module(name)
            added.append(alias)
    for name in _OWN:
        if name not in sys.modules:
            sys.modules[name] = importlib.import_module(f"{__name__}.{name}")
            added.append(name)
    for name, function in _TIME.items():
        if not hasattr(time, name):
            setattr(time, name, function)
    return sorted(added)


def uninstall() -> None:
    """Take back what `install` did."""
    for alias, name in _ALIASES.items():
        if alias in sys.modules and sys.modules[alias] is sys.modules.get(name):
            del sys.modules[alias]
    for name in _OWN:
        if _is_ours(sys.modules.get(name)):
            del sys.modules[name]
    for name, function in _TIME.items():
        if getattr(time, name, None) is function:
            delattr(time, name)


def _is_ours(module: ModuleType | None) -> bool:
    return module is not None and module.__name__.startswith(__name__ + ".")


def ticks_ms() -> int:
    """Milliseconds of a clock that wraps around at 2**30."""
    return time.monotonic_ns() // 1_000_000 % _TICKS_PERIOD


def ticks_us() -> int:
    """Microseconds of a clock that wraps around at 2**30."""
    return time.monotonic_ns() // 1_000 % _TICKS_PERIOD


def ticks_add(ticks: int, delta: int) -> int:
    """A moment `delta` after (or before) another."""
    return (ticks + delta) % _TICKS_PERIOD


def ticks_diff(later: int, earlier: int) -> int:
    """How much later one moment is, from -2**29 to 2**29 - 1."""
    half = _TICKS_PERIOD // 2
    return (later - earlier + half) % _TICKS_PERIOD - half


def sleep_ms(milliseconds: int) -> None:
    """Sleep."""
    time.sleep(max(0, milliseconds) / 1000)


def sleep_us(microseconds: int) -> None:
    """Sleep."""
    time.sleep(max(0, microseconds) / 1_000_000)


_TIME = {
    "ticks_ms": ticks_ms,
    "ticks_us": ticks_us,
    "ticks_add": ticks_add,
    "ticks_diff": ticks_diff,
    "sleep_ms": sleep_ms,
    "sleep_us": sleep_us,
}
