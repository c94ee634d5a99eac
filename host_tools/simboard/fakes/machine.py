# mypy: ignore-errors
"""`machine` as on an ESP32, as far as a networked device uses it."""

import time
from sys import exit as _exit
from umachine import PinBase as _PinBase, Signal, idle, time_pulse_us

import _control

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
WLAN_WAKE = 2
PIN_WAKE = 2
TIMER_WAKE = 4


def reset():
    _control.restart("reset")


def soft_reset():
    _exit()


def bootloader():
    _control.restart("bootloader")


def reset_cause():
    return _control.call("reset_cause")


def wake_reason():
    return TIMER_WAKE if reset_cause() == DEEPSLEEP_RESET else 0


def unique_id():
    return bytes(_control.call("unique_id"))


_frequency = 160000000


def freq(hertz=None):
    global _frequency
    if hertz is None:
        return _frequency
    if hertz not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    _frequency = hertz


def disable_irq():
    return 0


def enable_irq(state):
    pass


def lightsleep(milliseconds=0):
    time.sleep_ms(milliseconds)


sleep = lightsleep


def deepsleep(milliseconds=0):
    _control.restart("deepsleep", milliseconds)


class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0 or timeout < 1:
            raise ValueError
        _control.call("watchdog", timeout)

    def feed(self):
        _control.write(b'[0,"feed"]\n')


class RTC:
    def __init__(self, id=0):
        pass

    def datetime(self, moment=None):
        if moment is None:
            now = time.gmtime()
            fraction = time.time_ns() // 1000 % 1000000
            return now[:3] + (now[6],) + now[3:6] + (fraction,)
        year, month, day, _, hour, minute, second, fraction = moment
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0))
        ahead = time.set_time_ns(seconds * 1000000000 + fraction * 1000)
        _control.call("clock", ahead)

    def init(self, moment):
        self.datetime(moment)

    def memory(self, data=None):
        if data is None:
            return bytes(_control.call("rtc_memory"))
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _control.call("rtc_memory", list(bytes(data)))


class Pin(_PinBase):
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_UP = 2
    PULL_DOWN = 1
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    _pins = {}  # noqa: RUF012

    def __new__(cls, id, *arguments, **options):
        if not isinstance(id, int) or not 0 <= id < 40:
            raise ValueError("invalid pin")
        if id not in cls._pins:
            cls._pins[id] = pin = super().__new__(cls)
            pin._level = 0
        return cls._pins[id]

    def __init__(self, id, mode=None, pull=-1, *, value=None, drive=None, hold=None):
        self.id = id
        self.init(mode, pull, value=value)

    def init(self, mode=None, pull=-1, *, value=None, drive=None, hold=None):
        if value is not None:
            self._level = int(bool(value))
        elif pull == self.PULL_UP:
            self._level = 1

    def value(self, level=None):
        if level is None:
            return self._level
        self._level = int(bool(level))

    __call__ = value

    def on(self):
        self._level = 1

    def off(self):
        self._level = 0

    def toggle(self):
        self._level ^= 1

    def irq(self, handler=None, trigger=3, *, wake=None, hard=False):
        return None

    def __repr__(self):
        return "Pin(%d)" % self.id
