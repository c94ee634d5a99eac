"""`machine` on CPython, as far as a networked device uses it. A reset ends the process."""

from __future__ import annotations

import datetime as _datetime
import time as _time

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
Moment = tuple[int, int, int, int, int, int, int, int]


class Reset(SystemExit):
    """The program asked for a reset; there is no board to restart."""


def reset() -> None:
    """Leave the program: SystemExit."""
    raise Reset("machine.reset()")


soft_reset = reset


def deepsleep(milliseconds: int = 0) -> None:
    """Leave the program: SystemExit."""
    raise Reset("machine.deepsleep()")


def lightsleep(milliseconds: int = 0) -> None:
    """Sleep."""
    _time.sleep(milliseconds / 1000)


def idle() -> None:
    """Nothing."""


def reset_cause() -> int:
    """Always a power-up."""
    return PWRON_RESET


def unique_id() -> bytes:
    """Six bytes, the same on every computer."""
    return b"\x02simul"


def freq() -> int:
    """Hertz."""
    return 160_000_000


class WDT:
    """A watchdog that never bites."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        self.timeout = timeout

    def feed(self) -> None:
        """Nothing."""


class RTC:
    """This computer's clock in UTC, shifted by what `datetime` was set to. Shared by all."""

    _offset = _datetime.timedelta(0)
    _memory = b""

    def datetime(self, moment: Moment | None = None) -> Moment | None:
        """Get or set (year, month, day, weekday, hour, minute, second, microsecond)."""
        now = _datetime.datetime.now(_datetime.UTC).replace(tzinfo=None)
        if moment is not None:
            year, month, day, _, hour, minute, second, fraction = moment
            wanted = _datetime.datetime(year, month, day, hour, minute, second, fraction)
            RTC._offset = wanted - now
            return None
        now += RTC._offset
        date = (now.year, now.month, now.day, now.weekday())
        return (*date, now.hour, now.minute, now.second, now.microsecond)

    def memory(self, data: bytes | None = None) -> bytes | None:
        """Get or set up to 2048 bytes."""
        if data is None:
            return RTC._memory
        RTC._memory = bytes(data)
        return None


class Pin:
    """A pin that remembers its level."""

    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN = 1, 3, 7, 2, 1

    def __init__(self, id: int, mode: int = -1, pull: int = -1, *, value: int = 0) -> None:
        self.id, self._level = id, int(bool(value))

    def value(self, level: int | None = None) -> int | None:
        """Get or set the level."""
        if level is None:
            return self._level
        self._level = int(bool(level))
        return None

    __call__ = value

    def on(self) -> None:
        """Level 1."""
        self._level = 1

    def off(self) -> None:
        """Level 0."""
        self._level = 0
