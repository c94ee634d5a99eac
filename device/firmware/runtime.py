"""What MicroPython has and CPython lacks, so that the same files run on both."""

import os
import sys
import time

try:
    from micropython import const
except ImportError:

    def const(value):
        return value


try:
    from time import ticks_add, ticks_diff, ticks_ms
except ImportError:

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


def versions():
    """What runs on this board, as a dict of texts."""
    from webpubsub import __version__

    python = sys.implementation
    return {
        "webpubsub": __version__,
        "python": "%s %s" % (python.name, ".".join(str(part) for part in python.version[:3])),
        "machine": os.uname().machine if hasattr(os, "uname") else sys.platform,
    }


__all__ = ("const", "print_exception", "ticks_add", "ticks_diff", "ticks_ms", "versions")
