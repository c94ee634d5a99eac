"""Running servers until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from ..errors import HubtoolError


def cannot_listen(what: str, host: str, port: int, error: OSError) -> HubtoolError:
    """The error to raise when a server cannot listen.

    Args:
        what: the beginning of its text, up to the word "listen".
        host, port: where it was to listen.
        error: why it does not.
    """
    # asyncio puts the address, which the text below has, in front of the reason.
    reason = (error.strerror or str(error)).rpartition("): ")[2]
    return HubtoolError(
        f"{what} listen on {host} port {port}: {reason}: "
        "end the other program, or choose another port"
    )


def run_until_interrupted(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine; Ctrl-C and SIGTERM cancel it, and its clean-up runs to its end."""
    # Windows has no loop.add_signal_handler; raising SIGINT does the same everywhere.
    # A shell starts background jobs with SIGINT ignored: SIGTERM would go with it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        asyncio.run(main)
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
