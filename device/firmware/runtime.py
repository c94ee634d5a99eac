"""What MicroPython has and CPython lacks, so that the same files run on both."""

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


if hasattr(sys, "print_exception"):
    print_exception = sys.print_exception
else:

    def print_exception(error):
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)


def reset():
    """Reset the board."""
    import machine

    machine.reset()
