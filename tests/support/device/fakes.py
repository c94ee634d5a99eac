"""What the unit tests put in place of hardware and of time; runs on both interpreters."""

import asyncio
import sys

from firmware import runtime

_SEAMS = {name: getattr(runtime, name) for name in ("sleep", "ticks_ms", "ticks_diff", "reset")}


def restore():
    """What the runner calls before each test: the last one may have put its own time there."""
    for name, value in _SEAMS.items():
        setattr(runtime, name, value)
    if sys.implementation.name == "micropython":
        asyncio.new_event_loop()  # or tasks that it left behind go on in the next test


class Console:
    """Collects what the firmware says, instead of printing it."""

    def __init__(self, *modules):
        self.lines = []
        for module in modules:
            module.say = self.say

    def say(self, tag, text):
        self.lines.append(f"[{tag}] {text}")

    def __contains__(self, text):
        return any(text in line for line in self.lines)

    def count(self, text):
        return sum(1 for line in self.lines if text in line)

    def last(self):
        """The last three lines."""
        return "; ".join(self.lines[-3:])


class VirtualTime:
    """Time that passes only in sleep(): the firmware's until the end of the test."""

    def __init__(self):
        self.ms = 1000
        runtime.sleep = self.sleep
        runtime.ticks_ms = self.ticks_ms

    def ticks_ms(self):
        return self.ms

    async def sleep(self, seconds):
        self.ms += int(seconds * 1000)
        await asyncio.sleep(0)


class Module:
    """A module with these names in it."""

    def __init__(self, **names):
        for name, value in names.items():
            setattr(self, name, value)


def install(name, **names):
    """Make `import name` give a module with these names."""
    module = Module(**names)
    sys.modules[name] = module
    return module


def uninstall(name):
    """Undo `install`."""
    sys.modules.pop(name, None)


class Wdt:
    """A fake machine.WDT; every one made is in `made`."""

    made = []

    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout
        self.fed = 0
        Wdt.made.append(self)

    def feed(self):
        self.fed += 1


class Rtc:
    """A fake machine.RTC; what was set last is in `set_to`."""

    set_to = None

    def datetime(self, value):
        Rtc.set_to = value


class Wlan:
    """A fake network.WLAN that follows the ESP32 driver, faults included.

    `script` is called by connect(ssid, password) and returns the status that the try ends
    with (1010 for joined), or raises. The driver needs `takes` polls until it has the outcome.
    """

    def __init__(self, script, takes=3):
        self.script = script
        self.takes = takes
        self.calls = []
        self.reconnects = -1
        self.ssid = ""
        self.is_on = False
        self.is_joined = False
        self._status = 1000
        self._polls = 0
        self.outcome = None

    def active(self, value=None):
        if value is None:
            return self.is_on
        self.calls.append(f"active {value}")
        self.is_on = value
        if not value:
            self.is_joined = False
        return None

    def connect(self, ssid, password):
        self.calls.append("connect")
        del self.calls[:-100]
        if self.outcome is not None:
            raise OSError("Wifi Internal Error")
        self.outcome = self.script(ssid, password)
        self.ssid = ssid
        self._polls = 0
        if self._status == 1000:
            self._status = 1001

    def disconnect(self):
        self.calls.append("disconnect")
        self.is_joined = False
        self.outcome = None
        if self._status == 1010:
            self._status = 1000

    def lose(self, status=200):
        self.is_joined = False
        self._status = status

    def isconnected(self):
        self._step()
        return self.is_joined

    def status(self, what=None):
        if what == "rssi":
            return -61
        self._step()
        return self._status

    def _step(self):
        self._polls += 1
        if self.outcome is not None and self._polls > self.takes:
            self._status = self.outcome
            self.is_joined = self.outcome == 1010
            self.outcome = None

    def config(self, name=None, **values):
        if name == "ssid":
            return self.ssid
        if "reconnects" not in values:
            raise ValueError("unknown config param")
        self.reconnects = values["reconnects"]
        return None

    def ifconfig(self):
        return ("192.168.4.2", "255.255.255.0", "192.168.4.1", "192.168.4.1")
