"""A charging point on the desk: what is typed is its hardware, and what it does is printed.

docs/chargepoint.md has the words. It is the same on a pipe, on a simulated board and on a board.
"""

import asyncio
import sys

from webpubsub.compat import const

from . import timestamps
from .point import ChargePoint
from .simulated import Simulated

# What is below this is no Unix time: seconds since a power-up.
_UNIX = const(1000000000)
_CODES = (
    " ConnectorLockFailure EVCommunicationError GroundFailure HighTemperature InternalError"
    " LocalListConflict OtherError OverCurrentFailure OverVoltage PowerMeterFailure"
    " PowerSwitchFailure ReaderFailure ResetFailure UnderVoltage WeakSignal "
)
_WORDS = {
    "plug": "plug C",
    "unplug": "unplug C",
    "ready": "ready C",
    "pause": "pause C",
    "power": "power C W",
    "swipe": "swipe C TAG",
    "fault": "fault C CODE",
    "clear": "clear C",
}


class Desk:
    """One charging point, over all its power-ups.

    folder: where it keeps all. count: of connectors. make: function(hardware) that gives the
    ChargePoint of one power-up. say: function(line) that prints.
    """

    def __init__(self, folder, count, make, say=print):
        self._make = make
        self._say = say
        self._again = asyncio.Event()
        self.hardware = Simulated(count, folder, self._restart)
        self.hardware.listeners = (self._changed,)
        self.point = None
        self._stamp = 0  # of the last message that was made

    def _restart(self, hard):
        self._again.set()

    async def run(self):
        """Power up, for ever: a Reset ends one life and begins the next.

        The cables stay where they are meanwhile."""
        while True:
            self._again.clear()
            self.start()
            running = asyncio.create_task(self._live())
            try:
                await self._again.wait()
            finally:
                running.cancel()
                try:
                    await running
                except asyncio.CancelledError:
                    pass

    async def _live(self):
        try:
            await self.point.run()
        finally:
            self._again.set()  # also by an error, which then ends `run`

    def start(self):
        """Power up once, with the cables where they are."""
        for outlet in self.hardware.outlets:
            outlet.closed = outlet.locked = False
            outlet.amperes = 0
        self._stamp = 0  # of the stops of what ran when the power went
        self.point = point = self._make(self.hardware)
        stamp = point.clock.stamp

        def remember():
            self._stamp = stamp()
            return self._stamp

        # What is printed is the very time that the message has.
        point.clock.stamp = remember
        for number, outlet in enumerate(self.hardware.outlets, 1):
            if outlet.cable:
                self._plugged(number, outlet)

    def _plugged(self, number, outlet):
        self.point.plugged(number)
        if outlet.wants:
            self.point.ready(number)

    def _changed(self, kind, number, value):
        if kind == "contactor":
            value = "%s %d" % ("closed" if value else "open", self.hardware.energy(number))
        elif kind == "offer":
            value = "%g" % value
        elif kind == "lock":
            value = "locked" if value else "unlocked"
        elif kind == "message":
            number = value
            value = timestamps.format(self._stamp) if self._stamp >= _UNIX else "-"
        self._say("%s %s %s" % (kind, number, value))

    def complain(self, text):
        """Print a line of complaint.

        text: str."""
        self._say("? " + text)

    def typed(self, line):
        """Do what a line says; a complaint in one line when it says nothing.

        line: str."""
        words = line.split()
        if not words:
            return
        form = _WORDS.get(words[0])
        if form is None:
            self.complain("%s: type %s" % (words[0][:20], ", ".join(sorted(_WORDS))))
            return
        if len(words) != len(form.split()):
            self.complain("type it as: " + form)
            return
        count = len(self.hardware.outlets)
        if not words[1].isdigit() or not 1 <= int(words[1][:3]) <= count:
            self.complain("C is the number of a connector, 1 to %d" % count)
            return
        number = int(words[1])
        done = {
            "plug": self._plug,
            "unplug": self._unplug,
            "ready": self._ready,
            "pause": self._pause,
            "power": self._power,
            "swipe": self._swipe,
            "fault": self._fault,
            "clear": self._clear,
        }
        done[words[0]](number, self.hardware.outlet(number), *words[2:])

    def _plug(self, number, outlet):
        outlet.cable = outlet.wants = True
        self._plugged(number, outlet)

    def _unplug(self, number, outlet):
        # The cable first: no energy flows any more, whatever the contactor does.
        outlet.cable = outlet.wants = False
        self.point.unplugged(number)

    def _ready(self, number, outlet):
        outlet.wants = True
        self.point.ready(number)

    def _pause(self, number, outlet):
        outlet.wants = False
        self.point.paused(number)

    def _power(self, number, outlet, watts):
        if not watts.isdigit() or len(watts) > 6:
            self.complain("W is a power in watts, 0 to 999999")
            return
        outlet.watts = int(watts)

    def _swipe(self, number, outlet, tag):
        if len(tag) > 20:
            self.complain("a TAG has at most 20 characters")
            return
        self.point.tag(number, tag)

    def _fault(self, number, outlet, code):
        if " " + code + " " not in _CODES:
            self.complain("CODE is one of" + _CODES[:-1])
            return
        self.point.fault(number, code)

    def _clear(self, number, outlet):
        self.point.cleared(number)


async def type_into(desk, stream=None):
    """Give a Desk each line of the input; its end ends nothing.

    desk: a Desk. stream: of bytes; standard input when None."""
    reader = asyncio.StreamReader(stream or sys.stdin.buffer)
    line = b""
    while True:
        # A byte at a time: a line that is not there yet must not hold up the charging point.
        byte = await reader.read(1)
        if not byte:
            return
        if byte not in b"\r\n":
            line = (line + byte)[:200]
            continue
        try:
            desk.typed(str(line, "utf-8"))
        except Exception as error:  # noqa: BLE001 no UTF-8, or what failed: the next line may not
            desk.complain(repr(error))
        line = b""


async def run(url, identity, folder, count=1, **options):
    """A charging point on the desk, for ever.

    url, identity, options: as for ChargePoint. folder: for all that it keeps. count: of
    connectors."""

    def make(hardware):
        return ChargePoint(url, identity, hardware, connectors=count, folder=folder, **options)

    await serve(Desk(folder, count, make))


async def serve(desk):
    """Let a Desk run, with standard input for its hardware.

    desk: a Desk."""
    typing = asyncio.create_task(type_into(desk))
    try:
        await desk.run()
    finally:
        typing.cancel()
