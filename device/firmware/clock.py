"""The time: what it is, and whether it can be trusted. `timekeeping` sets it."""

from webpubsub import clock as wall
from webpubsub.memory import once

from . import runtime

# For programs on a board, too: docs/firmware.md.
unix_time = wall.unix_time
is_set = wall.is_set
# `hubtool deploy` writes its own day into `build`; a time server that answers with less is lying.
try:
    wall.floor = max(wall.floor, once("firmware.build").DATE)
except ImportError:
    pass


def iso(seconds):
    """Unix time as text, such as `2026-11-22 09:30:00Z`."""
    try:
        moment = wall.time.gmtime(int(seconds) - wall.EPOCH)
        return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(moment[:6])
    except OverflowError:
        return "a day in the far future"  # words of 32 bits, before MicroPython 1.26


class Uptime:
    """Seconds since it was made, right for ever as long as it is asked now and then.

    `ticks_ms` starts again at 0 after 12.4 days, and the wall clock jumps when it is set.
    """

    def __init__(self):
        self._last = runtime.ticks_ms()
        self._total = 0

    def seconds(self):
        now = runtime.ticks_ms()
        self._total += runtime.ticks_diff(now, self._last)
        self._last = now
        return self._total // 1000
