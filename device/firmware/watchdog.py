"""The hardware watchdog, fed by progress and not by a timer.

Each part that must go on has a *duty*: it reports progress, and may be silent for so many
seconds at most. The watchdog is fed when a part reports while no duty is overdue. So a loop
that hangs leads to a reset, and so does a loop that runs while nothing gets done.

DNS blocks a board for up to 20 s and a TLS handshake on a bad link takes as long again: the
watchdog's own time is never less than a minute, and nothing here blocks twice in a row without
a turn for those who feed. `arming` starts it.
"""

from . import runtime
from .console import say


class Watchdog:
    """The watchdog of a board, as it runs.

    `limits` has the seconds for which each duty may be silent; `wdt` is the hardware, None as
    long as there is none (maintenance, tests on a laptop).
    """

    wdt = None
    _overdue = None

    def __init__(self):
        self.limits = {}
        self._ends = {}

    def progress(self, name, ahead=0):
        """Report progress of a duty, and feed the watchdog if all the others are well too.

        Args:
            name: what begins here is watched from now on, if `limits` has it.
            ahead: seconds for which it is known that nothing will happen, such as a pause
                that a service asked for.
        """
        now = runtime.ticks_ms()
        if name in self.limits:
            self._ends[name] = runtime.ticks_add(now, int((self.limits[name] + ahead) * 1000))
        late = None
        for each, end in self._ends.items():
            if runtime.ticks_diff(now, end) > 0:
                late = each
        if not late:
            if self.wdt:
                self.wdt.feed()
        elif late != self._overdue:
            say("watchdog", "no progress of %s: the board will be reset" % late)
        self._overdue = late
