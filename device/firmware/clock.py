"""The time for people, and for programs on a board (docs/firmware.md); `timekeeping` sets it.

The firmware loads this to show a date, with `once`: nothing here may wait or be kept.
"""

from webpubsub import clock

from .runtime import Uptime

__all__ = ("Uptime", "is_set", "iso", "unix_time")

is_set = clock.is_set
unix_time = clock.unix_time


def iso(seconds):
    """Unix time as text, such as `2026-11-22 09:30:00Z`.

    seconds: Unix time, int or float."""
    try:
        moment = clock.time.gmtime(int(seconds) - clock.EPOCH)
        return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(moment[:6])
    except OverflowError:
        return "a day in the far future"  # words of 32 bits, before MicroPython 1.26
