"""Starts the hardware watchdog, and gives whoever works on a board time (see `watchdog`).

On ESP32 a watchdog cannot be stopped once it runs, not even by a soft reset. So there are two
ways to work on a board in peace: the file `/hub/maintenance` keeps it off from the next
reset on; and at the prompt it gets half an hour, after which a board that somebody forgot
goes back to work.

Loaded when a board starts and ends, with `once`: nothing here may wait, stay or be kept.
"""

import os

from . import console
from .runtime import const

MAINTENANCE_FILE = "/hub/maintenance"

# Seconds. The ESP-IDF counts in units of 500 us in 32 bits: stay far below 2^31 of them.
TIMEOUT = 90
SHORTEST = 60
_AT_THE_PROMPT = const(1800)


def in_maintenance(path=MAINTENANCE_FILE):
    """Whether somebody asked this board to stay without a watchdog.

    path: of the file that says so, str."""
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def start(watchdog, timeout=None):
    """Start the hardware; from here on it cannot be stopped.

    Args:
        timeout: seconds until it bites; TIMEOUT when None, raised to SHORTEST when less.
    """
    if in_maintenance():
        console.say("watchdog", "off: remove %s and reset to have it back" % MAINTENANCE_FILE)
    else:
        _arm(watchdog, max(timeout or TIMEOUT, SHORTEST))


def release(watchdog):
    """Give whoever is at the prompt half an hour."""
    if watchdog.wdt is not None:
        _arm(watchdog, _AT_THE_PROMPT)
        console.say("watchdog", "resets the board in %d minutes" % (_AT_THE_PROMPT // 60))


def _arm(watchdog, seconds):
    try:
        import machine

        watchdog.wdt = machine.WDT(timeout=seconds * 1000)
        watchdog.wdt.feed()
    except (ImportError, AttributeError, OSError, ValueError) as error:
        # The watchdog is a safety net: a board without one still does its work.
        console.say("watchdog", "not available (%s)" % error)
