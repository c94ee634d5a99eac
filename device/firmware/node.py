"""A device on a hub, put together: what main.py starts.

settings -> link -> clock (for TLS) -> client -> telemetry, commands, and the user's /app.py.
When the settings are on trial, a task decides whether they are kept.
Each part is a task of its own. One that fails is reported and started again; the others go on.
"""

import asyncio
import gc
import os
import sys

from . import application, clock
from .commands import Commands
from .console import LEVELS, Changes, debug, say, set_level
from .hub import Hub, make_client
from .runtime import const, print_exception, ticks_diff, ticks_ms
from .settings import FOLDER, SettingsError, load
from .telemetry import Telemetry
from .watchdog import Watchdog, in_maintenance

# Seconds without progress that the watchdog's supervisor allows.
LINK_LIMIT = 120
HUB_LIMIT = 600
# Seconds.
_UNREACHED = const(600)
_RESYNC = const(86400)
_APP_WAITS = const(60)
_LONGEST_DELAY = const(60)
_LASTED = const(60)
_SECOND = const(1)
# What waits for an app that is about to be started again.
_BACKLOG = const(16)

_sleep = asyncio.sleep


def start(folder=FOLDER):
    """Run the device until Ctrl-C, or until there is nothing to go on with.

    Whatever ends it ends at the prompt, with one line that says why.
    """
    watchdog = Watchdog(enabled=not in_maintenance())
    trial = None
    try:
        settings = load(folder)
        trial = _trial(settings)
        if trial is not None:
            settings = trial.settings
        if settings.log_level in LEVELS:  # a level of the future is not worth a stop
            set_level(settings.log_level)
        say("board", "%s, settings generation %d" % (settings.device_id, settings.generation))
        if settings.notice:
            say("settings", settings.notice)
        asyncio.run(_run(settings, watchdog, trial))
    except SettingsError as error:
        say("settings", str(error))
        _roll_back(trial, error)
    except KeyboardInterrupt:
        say("board", "stopped by Ctrl-C; Ctrl-D starts it again")
    except Exception as error:  # noqa: BLE001 - the prompt must come, and say what went wrong
        print_exception(error)
        _roll_back(trial, error)
        say("board", "stopped by a fault; Ctrl-D starts it again")
    finally:
        watchdog.release()
        if sys.implementation.name == "micropython":
            # asyncio.run leaves what was pending behind, with sockets and buffers.
            asyncio.new_event_loop()
        gc.collect()


def _trial(settings):
    try:
        os.stat(settings.folder + "/trial")
    except OSError:
        return None
    # Loaded only by those whose settings were changed from afar.
    from .trial import resume

    return resume(settings)


def _roll_back(trial, error):
    """Settings on trial that do not even start are thrown away, and the old ones used."""
    if trial is not None and trial.is_open:
        trial.fail(str(error) or type(error).__name__)
        reset()


def reset():
    """Reset the board."""
    import machine

    machine.reset()


async def _run(settings, watchdog, trial):
    node = Node(settings, watchdog, trial)
    watchdog.start()
    await node.run()


class Node:
    """The parts of one device, and the tasks that keep them going.

    Args:
        settings: Settings.
        watchdog: Watchdog.
        trial: Trial, when the settings were changed from afar.
        link: Link or Wired; made after the settings when it is None.
    """

    def __init__(self, settings, watchdog, trial=None, link=None):
        self.settings = settings
        self._trial = trial
        self._missed = None
        self.uptime = clock.Uptime()
        self._watchdog = watchdog
        self.link = link or self._make_link()
        client = make_client(settings, self.link)
        self.telemetry = Telemetry(settings, self.link, self.uptime)
        self.commands = Commands(settings, self._report)
        self.hub = Hub(client, settings, self.link, self._accept, self._hub_progress)
        self._clock_console = Changes("clock")
        self._app_console = Changes("app")
        self._tasks = []
        if settings.uses_tls and not settings.ntp and not clock.is_set():
            raise SettingsError(
                "the clock is not set, so certificates cannot be checked, and there is no time "
                "server: add clock.ntp and run hubtool configure"
            )

    def _make_link(self):
        # Each is loaded only where it is used: a board with a cable has no Wi-Fi module.
        settings = self.settings
        if settings.ethernet is not None:
            from .ethernet import Ethernet

            link = Ethernet(settings.ethernet, progress=self._link_progress)
        elif settings.ssid is not None:
            from .station import Station

            link = Station(settings.ssid, settings.wifi_password, progress=self._link_progress)
        else:
            from .link import Wired

            return Wired()
        self._watchdog.duty("link", LINK_LIMIT)
        return link

    def _link_progress(self):
        self._watchdog.progress("link")

    def _hub_progress(self, ahead=0):
        self._watchdog.progress("hub", ahead)

    def _report(self):
        from .report import details

        found = self.telemetry.report()
        found.update(details(self.settings, self.link, self.hub.client))
        return found

    def _accept(self, message):
        self.commands.accept(message)
        if self._missed is not None:
            self._missed.append(message)
            if len(self._missed) > _BACKLOG:
                self._missed.pop(0)
                self._app_console.say("a message was dropped: more than %d wait" % _BACKLOG)

    async def run(self):
        """Run all parts. Ends only by cancellation."""
        client = self.hub.client
        self._watchdog.duty("hub", HUB_LIMIT)
        self._start("link", self.link.run)
        self._start("clock", self._keep_clock)
        self._start("telemetry", lambda: self.telemetry.run(client))
        self._start("command", lambda: self.commands.run(client))
        self._start("board", self._watch)
        if self._trial is not None:
            self._start("settings", lambda: self._trial.run(self.hub, self.commands, self._leave))
        if application.is_there():
            self._start("app", self._run_app)
        try:
            await self._keep("hub", self._connect)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _leave(self):
        await self.commands.reset(self.hub.client)

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
        """Set the clock, and set it again once a day."""
        if not self.settings.ntp:
            return
        delay = 5
        while True:
            await self.link.wait_up()
            try:
                host = await clock.synchronise(self.settings.ntp, ready=self.link.wait_up)
            except clock.ClockError as error:
                self._clock_console.say(
                    "no time from the network (%s): is UDP port 123 open, and clock.ntp right?"
                    % error
                )
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
            up = self.link.is_up()
            # Each byte from the hub is progress, the answers to pings included, so a board
            # with nothing to say is well, too. Without a link nobody can expect any.
            received = client.stats.bytes_received
            if received != last or not up:
                last = received
                self._hub_progress()
                debug("board", "%s, %d bytes received" % (client.state, received))
            # The feeding: it happens only while no duty is overdue.
            self._watchdog.progress("board")
            if client.state == "connected" or not up:
                since = ticks_ms()
            elif ticks_diff(ticks_ms(), since) > _UNREACHED * 1000:
                say("hub", "not reached for %d s: joining the network anew" % _UNREACHED)
                self.link.restart()
                since = ticks_ms()
            await _sleep(_SECOND)

    async def _run_app(self):
        # The connection first: its TLS buffers need room that an app may take. But an app must
        # also run where the hub cannot be reached.
        try:
            await asyncio.wait_for(self.hub.connected.wait(), _APP_WAITS)
        except asyncio.TimeoutError:
            pass
        client = self.hub.client
        if self._missed:
            client = application.WithBacklog(client, self._missed)
        self._missed = None
        try:
            await application.run(client, self.settings, self.commands)
        except Exception:
            # What comes until it is started again must not be lost to it.
            self._missed = []
            raise
        finally:
            # The client cannot see that a loop over its messages was left for good.
            self.hub.client.release()
