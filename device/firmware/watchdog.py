"""The hardware watchdog, fed by progress and not by a timer.

Each part that must go on has a *duty*: it reports progress, and may be silent for so many
seconds at most. The watchdog is fed when a part reports while no duty is overdue. So a loop
that hangs leads to a reset, and so does a loop that runs while nothing gets done.

DNS blocks a board for up to 20 s and a TLS handshake on a bad link takes as long again: the
watchdog's own time is never less than a minute, and nothing here blocks twice in a row without
a turn for those who feed.

On ESP32 a watchdog cannot be stopped once it runs, not even by a soft reset. So there are two
ways to work on a board in peace: the file `/hub/maintenance` keeps it off from the next
reset on; and at the prompt it gets half an hour, after which a board that somebody forgot
goes back to work.
"""

import os

from .console import say
from .runtime import const, ticks_add, ticks_diff, ticks_ms

MAINTENANCE_FILE = "/hub/maintenance"

# Seconds.
TIMEOUT = 90
SHORTEST = 60
# The ESP-IDF counts in units of 500 us in 32 bits: stay far below 2^31 of them.
_AT_THE_PROMPT = const(1800)


def in_maintenance(path=MAINTENANCE_FILE):
    """Whether somebody asked this board to stay without a watchdog."""
    try:
        os.stat(path)
    except OSError:
        return False
    return True


class Watchdog:
    """The watchdog of a board.

    Args:
        timeout: seconds until it bites, TIMEOUT when None; raised to SHORTEST when less.
        enabled: False gives a watchdog that never starts (maintenance, tests on a laptop).
    """

    def __init__(self, timeout=None, enabled=True):
        self._timeout = max(timeout or TIMEOUT, SHORTEST)
        self._enabled = enabled
        self._wdt = None
        self._limits = {}
        self._marks = {}
        self._overdue = None

    def start(self):
        """Start the hardware; from here on it cannot be stopped."""
        if not self._enabled:
            say("watchdog", "off: remove %s and reset to have it back" % MAINTENANCE_FILE)
            return
        self._arm(self._timeout)

    def duty(self, name, limit):
        """Expect progress of `name` at least every `limit` seconds, starting now."""
        self._limits[name] = limit * 1000
        self._marks[name] = ticks_ms()

    def progress(self, name, ahead=0):
        """Report progress of a duty, and feed the watchdog if all the others are well too.

        Args:
            ahead: seconds for which it is known that nothing will happen, such as a pause
                that a service asked for.
        """
        now = ticks_ms()
        self._marks[name] = ticks_add(now, int(ahead * 1000))
        late = self._late(now)
        if late is None:
            if self._wdt is not None:
                self._wdt.feed()
        elif late != self._overdue:
            say("watchdog", "no progress of %s: the board will be reset" % late)
        self._overdue = late

    def release(self):
        """Give whoever is at the prompt half an hour."""
        if self._wdt is not None:
            self._arm(_AT_THE_PROMPT)
            say("watchdog", "resets the board in %d minutes" % (_AT_THE_PROMPT // 60))

    def _arm(self, seconds):
        try:
            import machine

            self._wdt = machine.WDT(timeout=seconds * 1000)
            self._wdt.feed()
        except (ImportError, AttributeError, OSError, ValueError) as error:
            # The watchdog is a safety net: a board without one still does its work.
            say("watchdog", "not available (%s)" % error)

    def _late(self, now):
        for name, limit in self._limits.items():
            if ticks_diff(now, self._marks[name]) > limit:
                return name
        return None
