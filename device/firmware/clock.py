"""The time: what it is, and whether it can be trusted. `timekeeping` sets it."""

import time

from webpubsub.memory import once

from . import runtime

# The floor: no clock that is right can show an earlier time than the one when this firmware was
# made. A board powers up in 2000 or 1970, so anything below means "not set", and a time server
# that answers with less is lying. `hubtool deploy` writes its own day into `build`; firmware
# that came another way has the day of this file.
BUILD_DATE = 1795305600  # 2026-11-22T00:00:00Z
try:
    BUILD_DATE = max(BUILD_DATE, once("firmware.build").DATE)
except ImportError:
    pass

# ESP32 counts from 2000-01-01, the unix port and CPython from 1970-01-01. Token and
# certificate dates are off by 30 years for whoever forgets (on hardware only).
EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0


def unix_time():
    """Seconds since 1970-01-01T00:00:00Z, as an int, whatever the board's epoch is."""
    return int(time.time()) + EPOCH


def is_set():
    """Whether the clock can be right: not before this firmware was made."""
    return unix_time() >= BUILD_DATE


def iso(seconds):
    """Unix time as text, such as `2026-11-22 09:30:00Z`."""
    try:
        return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(time.gmtime(int(seconds) - EPOCH)[:6])
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
