"""A device on a hub, put together: what main.py starts.

settings -> link -> clock (for TLS) -> client -> telemetry, commands, and the user's /app.py.
Each part is a task of its own. One that fails is reported and started again; the others go on.
"""

import asyncio
import gc
import sys

from . import application, clock
from .commands import Commands
from .console import Changes, say
from .hub import Hub, make_client
from .runtime import const, print_exception, ticks_diff, ticks_ms
from .settings import FOLDER, SettingsError, load
from .telemetry import Telemetry
from .watchdog import Watchdog, in_maintenance

# Seconds.
_WIFI_LIMIT = const(120)
_HUB_LIMIT = const(600)
_FREQUENT = const(300)
_UNREACHED = const(600)
_RESYNC = const(43200)
_APP_WAITS = const(60)
_LONGEST_DELAY = const(60)
_LASTED = const(60)

_sleep = asyncio.sleep


def start(folder=FOLDER):
    """Run the device until Ctrl-C, or until there is nothing to go on with.

    Whatever ends it ends at the prompt, with one line that says why.
    """
    watchdog = Watchdog(enabled=not in_maintenance())
    try:
        settings = load(folder)
        say("board", "%s, settings generation %d" % (settings.device_id, settings.generation))
        if settings.notice:
            say("settings", settings.notice)
        asyncio.run(_run(settings, watchdog))
    except SettingsError as error:
        say("settings", str(error))
    except KeyboardInterrupt:
        say("board", "stopped by Ctrl-C; Ctrl-D starts it again")
    except Exception as error:  # noqa: BLE001 - the prompt must come, and say what went wrong
        print_exception(error)
        say("board", "stopped by a fault; Ctrl-D starts it again")
    finally:
        watchdog.release()
        if sys.implementation.name == "micropython":
            # asyncio.run leaves what was pending behind, with sockets and buffers.
            asyncio.new_event_loop()
        gc.collect()


async def _run(settings, watchdog):
    node = Node(settings, watchdog)
    watchdog.start()
    await node.run()


class Node:
    """The parts of one device, and the tasks that keep them going.

    Args:
        settings: Settings.
        watchdog: Watchdog.
        link: Station or Wired; made after the settings when it is None.
    """

    def __init__(self, settings, watchdog, link=None):
        self.settings = settings
        self.uptime = clock.Uptime()
        self._watchdog = watchdog
        self.link = link or self._make_link()
        client = make_client(settings, self.link)
        self.telemetry = Telemetry(settings, self.link, self.uptime)
        self.commands = Commands(settings, self.telemetry.report)
        self.hub = Hub(client, settings, self.link, self.commands.accept, self._hub_progress)
        self._clock_console = Changes("clock")
        self._tasks = []
        if settings.uses_tls and not settings.ntp and not clock.is_set():
            raise SettingsError(
                "the clock is not set, so certificates cannot be checked, and there is no time "
                "server: add clock.ntp and run hubtool configure"
            )

    def _make_link(self):
        # Loaded only where there is Wi-Fi: a board with a cable has no such module.
        from .station import Station, Wired

        if self.settings.ssid is None:
            return Wired()
        return Station(
            self.settings.ssid,
            self.settings.wifi_password,
            progress=lambda: self._watchdog.progress("wifi"),
        )

    def _hub_progress(self):
        self._watchdog.progress("hub")

    async def run(self):
        """Run all parts. Ends only by cancellation."""
        client = self.hub.client
        if self.settings.ssid is not None:
            self._watchdog.duty("wifi", _WIFI_LIMIT)
        self._watchdog.duty("hub", _HUB_LIMIT)
        self._start("wifi", self.link.run)
        self._start("clock", self._keep_clock)
        self._start("telemetry", lambda: self.telemetry.run(client))
        self._start("command", lambda: self.commands.run(client))
        self._start("board", self._watch)
        if application.is_there():
            self._start("app", self._run_app)
        try:
            await self._keep("hub", self._connect)
        finally:
            for task in self._tasks:
                task.cancel()

    def _start(self, tag, work):
        # The reference keeps the task from being collected in mid-run.
        self._tasks.append(asyncio.create_task(self._keep(tag, work)))

    async def _keep(self, tag, work):
        """Do `work` until it comes to its end; after a failure say so, pause, and do it again."""
        delay = 1
        while True:
            since = ticks_ms()
            try:
                await work()
                return
            except Exception as error:  # noqa: BLE001 - one part's fault is not the others'
                print_exception(error)
            if ticks_diff(ticks_ms(), since) > _LASTED * 1000:
                delay = 1
            say(tag, "failed; again in %d s" % delay)
            await _sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _connect(self):
        if self.settings.uses_tls:
            await self._until_clock_is_set()
        # The buffers of TLS come from what the Python heap has not taken: be early, and tidy.
        gc.collect()
        await self.hub.run()

    async def _until_clock_is_set(self):
        if not clock.is_set():
            self._clock_console.say("not set: TLS waits for it")
        while not clock.is_set():
            await _sleep(0.2)

    async def _keep_clock(self):
        """Set the clock, and set it again twice a day."""
        if not self.settings.ntp:
            return
        delay = 5
        while True:
            await self.link.wait_up()
            try:
                host = await clock.synchronise(self.settings.ntp)
            except clock.ClockError as error:
                self._clock_console.say("no time from the network (%s)" % error)
                if not clock.is_set():
                    # On the way to the hub this is a step, and it has come to its end.
                    self._hub_progress()
                await _sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            else:
                self._clock_console.say("%s from %s" % (clock.iso(clock.unix_time()), host))
                self._clock_console.forget()
                delay = 5
                await _sleep(_RESYNC)

    async def _watch(self):
        """See whether anything moves on the hub, and join the Wi-Fi anew when nothing does."""
        client = self.hub.client
        last = None
        since = ticks_ms()
        while True:
            self.uptime.seconds()
            connected = client.state == "connected"
            stats = client.stats
            now = (stats.messages_sent, stats.messages_received, stats.bytes_received)
            if now != last or (connected and not self._is_talkative()):
                last = now
                self._hub_progress()
            if connected or not self.link.is_up():
                since = ticks_ms()
            elif ticks_diff(ticks_ms(), since) > _UNREACHED * 1000:
                say("hub", "not reached for %d s: joining the network anew" % _UNREACHED)
                self.link.restart()
                since = ticks_ms()
            await _sleep(1)

    def _is_talkative(self):
        # Whoever reports often shows by acknowledged reports that the way is open. Of the
        # others only the client knows: it ends a connection on which nothing arrives.
        return self.settings.telemetry_group and self.settings.telemetry_interval <= _FREQUENT

    async def _run_app(self):
        # The connection first: its TLS buffers need room that an app may take. But an app must
        # also run where the hub cannot be reached.
        try:
            await asyncio.wait_for(self.hub.connected.wait(), _APP_WAITS)
        except asyncio.TimeoutError:
            pass
        try:
            await application.run(self.hub.client, self.settings, self.commands)
        finally:
            # The client cannot see that a loop over its messages was left for good.
            self.hub.client.release()
