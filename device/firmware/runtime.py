"""The clock, the pauses and the reset of all firmware, in one place, on both interpreters.

Whoever waits or looks at the time does it as `runtime.sleep(1)` and `runtime.ticks_ms()`, and not
by a name of its own: tests put their time here, and nowhere else. Nothing of asyncio but `sleep`
goes through here: what has a deadline (`asyncio.wait_for`) takes the time of the event loop.
"""

import asyncio
import sys

try:
    from micropython import const
except ImportError:

    def const(value):
        return value


try:
    from time import ticks_add, ticks_diff, ticks_ms
except ImportError:
    import time

    def ticks_ms():
        return int(time.monotonic() * 1000)

    def ticks_add(ticks, delta):
        return ticks + delta

    def ticks_diff(later, earlier):
        return later - earlier


sleep = asyncio.sleep  # seconds, an int or a float

if hasattr(sys, "print_exception"):
    print_exception = sys.print_exception
else:

    def print_exception(error):
        """Print an exception with its traceback, as MicroPython's `sys.print_exception` does.

        error: that exception."""
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)


def reset():
    """Reset the board."""
    import machine

    machine.reset()


class Uptime:
    """Seconds since it was made, right for ever as long as it is asked now and then.

    `ticks_ms` starts again at 0 after 12.4 days, and the wall clock jumps when it is set.
    """

    def __init__(self):
        self._last = ticks_ms()
        self._total = 0

    def seconds(self):
        """An int."""
        now = ticks_ms()
        self._total += ticks_diff(now, self._last)
        self._last = now
        return self._total // 1000
