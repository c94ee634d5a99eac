"""Signals that ask a command to end: each interrupts it as Ctrl-C does, and none breaks off what
puts a board in order again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# By default the ones after the first end a process on the spot, and leave a board as it stands:
# `kill`, a terminal or connection that was closed, Ctrl-Break on Windows.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def _signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextmanager
def _handlers(chosen: dict[signal.Signals, Any]) -> Iterator[None]:
    """Set handlers for a while; only the main thread may, in others nothing changes."""
    before: dict[signal.Signals, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number, handler in chosen.items():
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, handler in before.items():
            # None: set by something other than Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def all_interrupt() -> Iterator[None]:
    """Have every signal that ends a process raise KeyboardInterrupt.

    What is ignored stays ignored, as after `nohup`. Servers, which end with exit code 0 then,
    set handlers of their own.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with _handlers(
        {
            number: interrupt
            for number in _signals()
            if number != signal.SIGINT and signal.getsignal(number) != signal.SIG_IGN
        }
    ):
        yield


@contextmanager
def held_off() -> Iterator[None]:
    """Ignore these signals: for what must come to its end, and does so within seconds."""
    with _handlers(dict.fromkeys(_signals(), signal.SIG_IGN)):
        yield
