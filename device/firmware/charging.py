"""A charging point: the tasks of a board with the table `ocpp`, on a hub or without one.

`charge_wiring` puts it together. Only such boards load this.
"""

import gc

from webpubsub import clock
from webpubsub.memory import once

from . import runtime, shortage
from .console import say
from .node import Node
from .runtime import const

# Seconds: without a sign of life, until the network is joined anew; as in `node`.
_LIMIT = const(600)
_WELL = const(3600)
_DAY = const(86400)
_GOODBYE = const(2)


class ChargingNode(Node):
    """The Node of a charging point.

    app: the program, a module with `hardware`. context: for TLS, or None.

    `point` is the ChargePoint, None before it is made.
    """

    point = hub = None
    _last = None  # the text of the last failure
    _tries = 0
    _connected = False
    _due = 0  # uptime of the next attempt, in seconds

    def __init__(self, app, context):
        super().__init__()
        self.app = app
        self.context = context
        self.watchdog.limits["ocpp"] = _LIMIT

    async def run(self):
        """Run all parts. Ends only by cancellation."""
        begin = self._begin
        begin("ocpp", self.charge)
        begin("ocpp watch", self._listen)
        if self.hub:
            await super().run()
            return
        self.commands = self  # for a reset
        self.watchdog.progress("link")
        begin("link", self.link.run)
        try:
            await self.keep("board", self._watch)
        finally:
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()

    async def charge(self):
        """Run the charging point, and what the program does beside it."""
        self.watchdog.progress("ocpp")
        if not self.point:
            self.point = once("firmware.charge_wiring").point(self)
            charge = getattr(self.app, "charge", None)
            if charge:
                self._begin("charge", charge, self.point, self.settings)
        await self.point.run()

    async def ready(self, secure):
        """Return as soon as the central system may be connected to.

        secure: whether that is over TLS, bool."""
        progress = self.watchdog.progress
        await self.link.wait_up()
        progress("ocpp")
        if secure and not clock.is_set():
            say("clock", "not set: TLS waits for it")
        while secure and not clock.is_set():
            # Asking for the time is what goes on meanwhile, and says itself why it fails.
            progress("ocpp")
            await runtime.sleep(0.2)
        gc.collect()

    def outcome(self, reason, pause):
        """An attempt to connect, or a connection, came to its end; or one was made.

        reason: an exception, or None. pause: seconds until the next attempt; None when it was
        made."""
        self._connected = made = pause is None
        if made:
            pause = 0
            self._last = None
            shortage.over()
            say("ocpp", "connected as " + self.settings.ocpp["identity"])
        elif shortage.met(reason):
            return  # no progress
        self._due = self.uptime.seconds() + int(pause)
        self.watchdog.progress("ocpp", pause)
        if made or not self.link.is_up():
            return
        text = once("firmware.charge_wiring").explain(reason, self.settings.ocpp)
        if text != self._last:
            self._last = text
            self._tries = 0
        self._tries += 1
        # Once, and then after 2, 4, 8 ... tries.
        if not self._tries & (self._tries - 1):
            if self._tries > 1:
                text = "the same after %d tries" % self._tries
            say("ocpp", "%s; again in %d s" % (text, pause + 0.5))

    async def _listen(self):
        # Each byte from the central system is progress; without a link nobody can expect any.
        last = None
        was_up = True
        while True:
            point = self.point
            if point:
                uplink, up = point.uplink, self.link.is_up()
                heard = uplink.heard
                if heard != last or not up:
                    last = heard
                    # It may be quiet until the next ping or heartbeat is due, or the next attempt.
                    left = max(0, self._due - self.uptime.seconds())
                    left = uplink.quiet() if self._connected else left
                    self.watchdog.progress("ocpp", left)
                if up and not was_up:
                    uplink.hurry()
                was_up = up
                if point.clock.utc() is None and clock.is_set():
                    point.clock.set(clock.unix_time(), False)
            await runtime.sleep(1)

    async def _watch(self):
        # As Node.watch: whether anything moves, and whether there is memory to go on.
        since = runtime.ticks_ms()
        while True:
            seconds = self.uptime.seconds()
            up = self.link.is_up()
            self.watchdog.progress("board")
            if self._connected or not up:
                since = runtime.ticks_ms()
                if seconds > _WELL and up:
                    shortage.forget(self.settings.folder)
            elif runtime.ticks_diff(runtime.ticks_ms(), since) > _LIMIT * 1000:
                say("ocpp", "not reached for %d s: joining the network anew" % _LIMIT)
                self.link.restart()
                since = runtime.ticks_ms()
            if up and self._clock_at is not None and seconds >= self._clock_at:
                self._clock_at = None
                if self.settings.ntp:
                    self._begin("clock", self._set_clock)
            left = shortage.seconds_left(seconds)
            if left:
                self.watchdog.progress("ocpp", left)
            elif left is not None:
                await self._reset_for_memory()
            await runtime.sleep(1)

    async def reset(self):
        """Leave the central system in good order, and reset the board."""
        self._tasks["ocpp"].cancel()
        await runtime.sleep(_GOODBYE)
        runtime.reset()
