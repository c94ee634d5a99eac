"""A device on a hub: what main.py starts, and the tasks that keep it going.

`wiring` puts it together: settings -> link -> client -> telemetry, commands, and the user's
/app.py. Each part is a task of its own. One that fails is reported and started again; the
others go on. What is only needed for a moment is in modules that are let go after their use
(docs/device-code.md, "What lives how long").
"""

import asyncio
import gc
import sys

from webpubsub import clock
from webpubsub.memory import once
from webpubsub.stream import ends_task

from . import FOLDER, runtime, shortage, telemetry
from .console import debug, say, say_new
from .runtime import const, print_exception
from .watchdog import Watchdog

# Seconds.
_UNREACHED = const(600)
_APP_WAITS = const(60)
_LONGEST_DELAY = const(60)
_LASTED = const(60)
_WELL = const(3600)
# What waits for an app that is about to be started again.
_BACKLOG = const(16)


def start(folder=FOLDER, ballast=None):
    """Run the device until Ctrl-C, or until there is nothing to go on with.

    Whatever ends it ends at the prompt, with one line that says why.

    Args:
        folder: where the settings are, str.
        ballast: what `webpubsub.heap.shape` gave.
    """
    shortage.ballast = ballast
    node = Node()
    fault = None
    try:
        node = once("firmware.wiring").wire(node, folder)
        asyncio.run(node.run())
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the prompt must come
        fault = error
    if sys.implementation.name == "micropython":
        # asyncio.run leaves what was pending behind, with sockets and buffers.
        asyncio.new_event_loop()
        gc.collect()
    once("firmware.ending").ended(node, fault)


class Node:
    """The tasks of one device, and what they share.

    `wiring` gives it its parts: `settings`, `link`, `commands`, `hub`, `has_app`;
    and `trial`, when the settings were changed from afar.
    """

    trial = None
    _missed = None
    _clock_at = 0  # at this uptime, in seconds; None while it is being set, and without servers
    _pause = 0

    def __init__(self):
        self.watchdog = Watchdog()
        self.uptime = runtime.Uptime()
        self._tasks = {}

    def report(self):
        """The long report, as a dict."""
        found = telemetry.report(self.settings, self.link, self.uptime)
        report = once("firmware.report")
        found.update(report.details(self.settings, self.link, self.hub.client))
        return found

    def change_settings(self, *arguments):
        """Make a candidate of new settings; the arguments of `care.change` after the first."""
        return once("firmware.care").change(self.settings, *arguments)

    def accept(self, message):
        """Take a message of the hub: for the commands, and for an app that is not there."""
        self.commands.accept(message)
        missed = self._missed
        if missed is not None:
            missed.append(message)
            if len(missed) > _BACKLOG:
                missed.pop(0)
                say_new("app", "a message was dropped: more than %d wait" % _BACKLOG)

    async def run(self):
        """Run all parts. Ends only by cancellation."""
        begin = self._begin
        client = self.hub.client
        progress = self.watchdog.progress
        progress("hub")
        progress("link")
        begin("link", self.link.run)
        begin("telemetry", telemetry.run, client, self.settings, self.link, self.uptime)
        begin("board", self.watch)
        if self.trial is not None:
            begin("settings", self._try)
        if self.has_app:
            begin("app", self.run_app)
        try:
            await self.keep("hub", self.connect)
        finally:
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()  # so they see whom it is that ends them

    def _begin(self, part, *work):
        # The reference keeps the task from being collected in mid-run.
        self._tasks[part] = asyncio.create_task(self.keep(part, *work))

    async def keep(self, part, work, *arguments):
        """Do `work` until it comes to its end; after a failure say so, pause, and do it again.

        part: its name on the console, str."""
        delay = 1
        while True:
            since = runtime.ticks_ms()
            try:
                await work(*arguments)
                # A task that is over holds what it has worked with.
                self._tasks.pop(part, None)
                return
            except BaseException as error:
                if ends_task(error, self._tasks.values()):
                    raise
                if runtime.ticks_diff(runtime.ticks_ms(), since) > _LASTED * 1000:
                    delay = 1
                try:
                    if shortage.is_shortage(error):
                        shortage.met(error)
                        say(part, shortage.in_words(error))
                    else:
                        print_exception(error)
                    say(part, "failed; again in %d s" % delay)
                except MemoryError:
                    pass  # there is not even memory to say so
            await runtime.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def connect(self):
        """Run the connection to the hub, once the clock is good enough for TLS."""
        if self.settings.uses_tls and not clock.is_set():
            say("clock", "not set: TLS waits for it")
            while not clock.is_set():
                await runtime.sleep(0.2)
        # The buffers of TLS come from what the Python heap has not taken: be early, and tidy.
        gc.collect()
        await self.hub.run()

    async def _try(self):
        await self.trial.run(self.hub, self.commands)
        self.trial = None

    async def _set_clock(self):
        ask = once("firmware.timekeeping").attempt
        pause = ask(self.settings.ntp, self.link.wait_up, self.watchdog.progress, self._pause)
        self._pause = await pause
        self._clock_at = self.uptime.seconds() + self._pause

    async def watch(self):
        """See whether anything moves on the hub, and whether there is memory to go on."""
        client = self.hub.client
        progress = self.watchdog.progress
        last = None
        since = runtime.ticks_ms()
        while True:
            seconds = self.uptime.seconds()
            up = self.link.is_up()
            # Each byte from the hub is progress, the answers to pings included, so a board
            # with nothing to say is well, too. Without a link nobody can expect any.
            received = client.stats.bytes_received
            if received != last or not up:
                last = received
                progress("hub")
                debug("board", "%s, %d bytes received" % (client.state, received))
            # The feeding: it happens only while no duty is overdue.
            progress("board")
            if client.state == "connected" or not up:
                since = runtime.ticks_ms()
                if seconds > _WELL and up:
                    shortage.forget(self.settings.folder)
            elif isinstance(client.stats.last_reason, MemoryError):
                # The client cannot even load what connects it.
                shortage.met(client.stats.last_reason)
            elif runtime.ticks_diff(runtime.ticks_ms(), since) > _UNREACHED * 1000:
                say("hub", "not reached for %d s: joining the network anew" % _UNREACHED)
                self.link.restart()
                since = runtime.ticks_ms()
            if up and self._clock_at is not None and seconds >= self._clock_at:
                self._clock_at = None
                if self.settings.ntp:
                    self._begin("clock", self._set_clock)
            left = shortage.seconds_left(seconds)
            if left:
                # A pause that grows with each such reset: the watchdog must not cut it short.
                progress("hub", left)
                say_new(
                    "memory", "only a reset mends it: after %d s of running" % (left + seconds)
                )
            elif left is not None:
                await self._reset_for_memory()
            await runtime.sleep(1)

    async def _reset_for_memory(self):
        try:
            say("memory", "does not come back: resetting the board; " + shortage.figures())
            shortage.remember(self.settings.folder)
            await self.commands.reset()
        except MemoryError:
            runtime.reset()

    async def run_app(self):
        """Start the user's program, and wait for its end; see `application`."""
        # The connection first: its TLS buffers need room that an app may take. But an app must
        # also run where the hub cannot be reached.
        waited = 0
        while not self.hub.connected and waited < _APP_WAITS:
            await runtime.sleep(1)
            waited += 1
        client = self.hub.client
        missed, self._missed = self._missed, None
        try:
            app = once("firmware.application").load(self.commands)
            if missed:
                from .backlog import WithBacklog

                client = WithBacklog(client, missed)
            await app.main(client, self.settings)
            say("app", "finished")
        except BaseException:
            # What comes until it is started again must not be lost to it, nor what it has left.
            self._missed = missed or []
            raise
        finally:
            # The client cannot see that a loop over its messages was left for good.
            self.hub.client.release()
