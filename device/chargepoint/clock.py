"""The clock of a charging point: seconds since power-up, and UTC once somebody told it."""

from webpubsub.compat import const

# Ticks of every port wrap at a multiple of this.
_PERIOD = const((1 << 30) - 1)
# What is below this is no time of this century: seconds since a power-up.
_UNIX = const(1000000000)
# So many power-ups are known: a stamp of an older one is as good as lost.
_KNOWN = const(4)


class Clock:
    """Time that only goes on, and what it is called.

    ticks: function that gives milliseconds, such as `time.ticks_ms`; somebody must ask the clock
    once in 12 days. boot: number of this power-up, int.

    known: [number, Unix seconds] of the last power-ups of which the central system said when they
    were, oldest first. keep: function that is called when this one is among them, or None.
    """

    keep = None

    def __init__(self, ticks, boot=0):
        self._ticks = ticks
        self._last = ticks()
        self._ms = self._seconds = 0
        self._offset = None
        self._by_answer = False
        self.boot = boot
        self.known = []

    def uptime(self):
        """Whole seconds since power-up: an int, since a board's floats have 24 bits."""
        now = self._ticks()
        self._ms += (now - self._last) & _PERIOD
        self._last = now
        if self._ms >= 1000:
            self._seconds += self._ms // 1000
            self._ms %= 1000
        return self._seconds

    def utc(self):
        """Unix seconds, an int; None while the time is not known."""
        return None if self._offset is None else self.uptime() + self._offset

    def set(self, unix, answer=True):
        """Say what time it is now; whether that was taken.

        unix: Unix seconds, int. answer: whether the central system says so. Once it did, nobody
        else is believed.
        """
        if self._by_answer and not answer:
            return False
        self._offset = unix - self.uptime()
        if answer and not self._by_answer:
            self._by_answer = True
            # For good: what is sent again has the time that it had.
            self.known = self.known[1 - _KNOWN :] + [[self.boot, self._offset]]
            if self.keep:
                self.keep()
        return True

    def stamp(self):
        """What records keep as the time of now: Unix seconds, or those since power-up."""
        return self.uptime() + (self._offset or 0)

    def true(self, stamp, boot):
        """The Unix seconds that a stamp means; None when nobody can say yet.

        Of a power-up that nobody said the time of, it is that of the next one.

        stamp: from `stamp`. boot: number of the power-up in which it was made."""
        if stamp >= _UNIX:
            return stamp
        for number, began in self.known:
            if number >= boot:
                return began + (stamp if number == boot else 0)
        if boot != self.boot or self._offset is None:
            return None
        return stamp + self._offset
