import asyncio
import sys

import endless
import fakes
import records
from checks import raises
from firmware import (
    console,
    ending,
    node,
    runtime,
    settings,
    shortage,
    timekeeping,
    wiring,
)
from webpubsub import clock

PARENT = sys.argv[2]
make_client = wiring.make_client
TLS = "https://127.0.0.1:9"


def written(ca=b"", **tables):
    folder = records.fresh_folder(PARENT)
    content = records.settings(1, ca, wifi=None, **tables)
    records.write(folder, records.files("a", content, records.secrets(), ca))
    return folder


class Watchdog:
    wdt = None

    def __init__(self):
        self.marks = []
        self.limits = {}
        self.fed = 0
        self.ahead = 0

    def progress(self, name, ahead=0):
        self.fed += name == "board"
        if name == "hub":
            self.marks.append(name)
            self.ahead = ahead
        del self.marks[:-100]


class NetworkLink:
    def __init__(self):
        self.restarts = 0
        self.up = True

    def is_up(self):
        return self.up

    def rssi(self):
        return -61

    def restart(self):
        self.restarts += 1

    async def wait_up(self):
        while not self.up:
            await asyncio.sleep(0)

    async def run(self):
        return


class Client:
    def __init__(self, state):
        self.state = state
        self.outboxes = []
        self.stats = fakes.Module(
            messages_sent=0, messages_received=0, bytes_received=0, last_reason=None
        )

    def subscribe(self, name, callback):
        pass


class Bench:
    def __init__(self, state="reconnecting", **tables):
        self.console = fakes.Console(console, node, shortage)
        console.said.clear()
        self.tracebacks = []
        node.print_exception = self.tracebacks.append
        self.time = fakes.VirtualTime()
        self.link = NetworkLink()
        self.client = Client(state)
        wiring.make_client = lambda found, link: self.client
        self.node = node.Node()
        self.node.watchdog = self.watchdog = Watchdog()
        fakes.install("machine", WDT=fakes.Wdt)
        wiring.wire(self.node, written(**tables), self.link)

    def run(self, coroutine, until):
        endless.run_until(coroutine, until, self.console.last)

    def passed(self, seconds):
        end = self.time.ms + seconds * 1000
        return lambda: self.time.ms > end


def test_the_day_of_the_deploy_counts_when_it_is_later():
    floor = clock.floor
    try:
        for date, wanted in ((floor + 86400, floor + 86400), (floor - 86400, floor), (0, floor)):
            fakes.install("firmware.build", DATE=date)
            clock.floor = floor
            Bench()
            assert clock.floor == wanted, date
    finally:
        clock.floor = floor
        fakes.uninstall("firmware.build")


def test_a_part_that_fails_is_told_and_started_again():
    bench = Bench()
    runs = []

    async def work():
        runs.append(bench.time.ms)
        if len(runs) < 12:
            raise ValueError("broken")

    asyncio.run(bench.node.keep("app", work))
    assert len(runs) == 12
    assert len(bench.tracebacks) == 11
    assert "[app] failed; again in 1 s" in bench.console
    assert runs[1] - runs[0] == 1000
    assert runs[11] - runs[10] == 60000


def test_a_part_that_had_lasted_is_started_again_soon():
    bench = Bench()
    runs = []

    async def work():
        runs.append(1)
        if len(runs) < 6:
            bench.time.ms += 61000
            raise ValueError("broken")

    asyncio.run(bench.node.keep("app", work))
    assert bench.console.count("again in 1 s") == 5


async def for_ever():
    await asyncio.Event().wait()


async def awaits_what_it_has_cancelled():
    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await task


async def awaits_it_within_a_time():
    await asyncio.wait_for(awaits_what_it_has_cancelled(), 5)


async def lets_one_out():
    raise asyncio.CancelledError


CANCELLED = awaits_what_it_has_cancelled, awaits_it_within_a_time, lets_one_out


def test_a_cancellation_that_an_app_lets_out_is_a_failure_as_any_other():
    for oops in CANCELLED:
        bench = Bench("connected")
        bench.node.hub.connected = True
        bench.client.release = lambda: None
        runs = []

        async def main(client, settings, oops=oops, runs=runs):
            runs.append(client)
            if len(runs) < 4:
                await oops()

        def finished(bench=bench):
            bench.node.accept(fakes.Module(kind="group", data=None))
            return "[app] finished" in bench.console

        bench.node.has_app = True
        bench.node.hub.run = for_ever
        fakes.install("app", main=main)
        try:
            bench.run(bench.node.run(), finished)
        finally:
            fakes.uninstall("app")
        assert len(runs) == 4, runs
        assert len(bench.tracebacks) == 3
        assert "[app] failed; again in 4 s" in bench.console
        assert "[app] finished" in bench.console
        # What came in between was kept for it, as after any other failure.
        assert type(runs[1]).__name__ == type(runs[3]).__name__ != type(runs[0]).__name__


def test_a_device_that_ends_ends_its_app():
    bench = Bench("connected")
    bench.node.hub.connected = bench.node.has_app = True
    bench.client.release = lambda: None
    seen = []

    async def main(client, settings):
        seen.append("started")
        try:
            await for_ever()
        finally:
            seen.append("ended")

    async def a_turn():
        await asyncio.sleep(0.01)

    bench.node.hub.run = for_ever
    fakes.install("app", main=main)
    try:
        bench.run(bench.node.run(), lambda: seen)
        asyncio.run(a_turn())  # on MicroPython tasks outlive a run
    finally:
        fakes.uninstall("app")
    assert seen == ["started", "ended"]
    assert bench.tracebacks == []
    assert "failed" not in bench.console


def test_bytes_are_progress_and_silence_is_not():
    bench = Bench("connected")
    bench.run(bench.node.watch(), bench.passed(5))
    assert bench.watchdog.marks == ["hub"]
    assert bench.watchdog.fed >= 5
    bench.client.stats.bytes_received += 1
    bench.run(bench.node.watch(), bench.passed(5))
    assert bench.watchdog.marks == ["hub", "hub"]


def test_without_a_link_nobody_expects_anything_of_the_hub():
    bench = Bench("reconnecting")
    bench.link.up = False
    bench.run(bench.node.watch(), bench.passed(30))
    assert len(bench.watchdog.marks) > 25


def test_a_hub_out_of_reach_makes_the_link_join_anew():
    bench = Bench("reconnecting")
    bench.run(bench.node.watch(), bench.passed(1900))
    assert bench.link.restarts == 3
    assert "[hub] not reached for 600 s: joining the network anew" in bench.console


def test_neither_a_connection_nor_a_dead_link_is_restarted():
    bench = Bench("connected")
    bench.run(bench.node.watch(), bench.passed(1900))
    bench.client.state = "reconnecting"
    bench.link.up = False
    bench.run(bench.node.watch(), bench.passed(1900))
    assert bench.link.restarts == 0


def test_want_of_memory_is_told_in_words_and_does_not_end_a_part():
    bench = Bench()
    runs = []

    async def work():
        runs.append(1)
        if len(runs) < 3:
            raise MemoryError("memory allocation failed, allocating 600 bytes")

    asyncio.run(bench.node.keep("app", work))
    assert len(runs) == 3
    assert bench.tracebacks == []
    words = "[app] out of memory: memory allocation failed, allocating 600 bytes; Python has used"
    assert bench.console.count(words) == 2
    assert "[app] failed; again in 1 s" in bench.console


def without_memory(bench, resets=0):
    """Six attempts that failed for want of memory, in three minutes."""
    shortage.over()
    shortage.resets = resets
    for _ in range(6):
        shortage.met(MemoryError())
        bench.time.ms += 30000


def test_a_board_without_memory_says_so_leaves_in_good_order_and_resets():
    bench = Bench()
    left = []

    async def reset():
        left.append(wiring.os.listdir(bench.node.settings.folder))
        raise MemoryError()

    bench.node.commands.reset = reset
    runtime.reset = lambda: left.append("reset")
    without_memory(bench)
    bench.node.uptime = fakes.Module(seconds=lambda: bench.time.ms // 1000)
    try:
        bench.run(bench.node.watch(), lambda: len(left) == 2)
    finally:
        shortage.over()
    assert "shortage" in left[0]
    assert left[1] == "reset"
    assert "[memory] does not come back: resetting the board; Python has used " in bench.console
    # The next start knows.
    Bench()
    wiring.recall(bench.node.settings.folder)
    assert (shortage.resets, shortage.was_cause) == (1, True)
    shortage.resets, shortage.was_cause = 0, False


def test_a_client_that_cannot_load_what_connects_it_is_without_memory():
    bench = Bench()
    shortage.over()
    bench.client.stats.last_reason = MemoryError()
    bench.node.uptime = fakes.Module(seconds=lambda: 1000)
    resets = []

    async def reset():
        resets.append(bench.time.ms)
        raise asyncio.CancelledError

    bench.node.commands.reset = reset
    bench.run(bench.node.watch(), lambda: resets)
    assert 120000 <= resets[0] - 1000 < 125000
    shortage.over()


def test_the_pause_before_such_a_reset_is_announced_and_no_lack_of_progress():
    bench = Bench()
    bench.time.ms = 0
    without_memory(bench, resets=3)
    resets = []

    async def reset():
        resets.append(bench.time.ms)
        raise asyncio.CancelledError

    bench.node.commands.reset = reset
    bench.node.uptime = fakes.Module(seconds=lambda: bench.time.ms // 1000)
    bench.run(bench.node.watch(), lambda: bench.time.ms > 600000)
    assert resets == []
    assert bench.console.count("only a reset mends it: after 1440 s of running") == 1
    assert bench.watchdog.ahead > 800
    bench.run(bench.node.watch(), lambda: resets)
    assert 1440000 <= resets[0] < 1442000
    shortage.over()
    shortage.resets = 0


def test_a_board_that_was_well_for_an_hour_begins_anew():
    bench = Bench("connected")
    folder = bench.node.settings.folder
    shortage.remember(folder)
    wiring.recall(folder)
    bench.node.uptime = fakes.Module(seconds=lambda: bench.time.ms // 1000)
    bench.run(bench.node.watch(), bench.passed(3500))
    assert shortage.resets == 1
    bench.run(bench.node.watch(), bench.passed(200))
    assert (shortage.resets, "shortage" in wiring.os.listdir(folder)) == (0, False)


class Servers:
    """Stands for timekeeping.synchronise: each call ends as the next entry says."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = []

    async def __call__(self, hosts, ready):
        assert ready is not None
        self.asked.append(self.time.ms // 1000)
        return self.outcomes.pop(0) if self.outcomes else True


def keep_clock(bench, servers, until):
    """Watch the board until then; the seconds between the attempts."""
    servers.time = bench.time
    bench.node.uptime = fakes.Module(seconds=lambda: bench.time.ms // 1000)
    saved = timekeeping.synchronise
    timekeeping.synchronise = servers.__call__
    try:
        bench.run(bench.node.watch(), until)
    finally:
        timekeeping.synchronise = saved
    return [servers.asked[at + 1] - servers.asked[at] for at in range(len(servers.asked) - 1)]


def test_the_clock_is_set_and_set_again():
    bench, servers = Bench("connected"), Servers()
    (pause,) = keep_clock(bench, servers, lambda: len(servers.asked) == 2)
    assert 86400 <= pause < 86410


def test_the_clock_never_gives_up():
    bench, servers = Bench("connected"), Servers(*[False] * 30)
    pauses = keep_clock(bench, servers, lambda: len(servers.asked) == 32)
    assert pauses[0] in (5, 6, 7)
    assert sorted(pauses[:-1]) == pauses[:-1]
    assert 60 <= pauses[20] < 63
    assert pauses[-1] >= 86400


def test_after_a_failure_in_between_it_asks_soon_again():
    bench, servers = Bench("connected"), Servers(True, False, True)
    pauses = keep_clock(bench, servers, lambda: len(servers.asked) == 3)
    assert pauses[0] >= 86400
    assert pauses[1] < 8


def test_looking_for_the_time_is_progress_while_there_is_none():
    steps = []

    def progress(duty):
        steps.append(duty)

    async def synchronise(hosts, ready):
        return False

    saved = clock.is_set, timekeeping.synchronise
    timekeeping.synchronise = synchronise
    try:
        for known in (True, False):
            clock.is_set = lambda known=known: known
            asyncio.run(timekeeping.attempt(["h"], None, progress, 0))
    finally:
        clock.is_set, timekeeping.synchronise = saved
    assert steps == ["hub"]


def test_without_a_time_server_or_a_link_nobody_is_asked():
    for tables, up in (({"clock": {"ntp": []}}, True), ({}, False)):
        bench, servers = Bench(**tables), Servers()
        bench.link.up = up
        assert keep_clock(bench, servers, bench.passed(100)) == []
        assert servers.asked == []


def test_tls_waits_for_the_clock():
    bench = Bench()
    bench.node.settings.uses_tls = True
    answers = [False, False, False, True]
    runs = []

    async def run():
        runs.append(1)

    bench.node.hub.run = run
    saved = clock.is_set
    clock.is_set = lambda: answers.pop(0)
    try:
        asyncio.run(bench.node.connect())
    finally:
        clock.is_set = saved
    assert runs == [1]
    assert answers == []
    assert "[clock] not set: TLS waits for it" in bench.console


def start(folder, error=None):
    """Start a node that ends with an error as soon as it is put together."""
    lines = fakes.Console(console, node)
    released = []

    def stopped(found):
        if error:
            raise error

    saved = runtime.print_exception, wiring.subscribe, node.once, ending.once
    wiring.subscribe = stopped
    runtime.print_exception = lambda error: lines.say("traceback", str(error))
    modules = {
        "firmware.wiring": wiring,
        "firmware.ending": ending,
        "firmware.arming": fakes.Module(release=released.append),
    }

    def once(name):
        return modules.get(name) or saved[2](name)

    node.once = ending.once = once
    try:
        node.start(folder)
    finally:
        runtime.print_exception, wiring.subscribe, node.once, ending.once = saved
    assert len(released) == 1
    return lines


def test_start_without_settings_ends_in_one_line():
    lines = start(PARENT + "/nowhere").lines
    assert lines == ["[settings] no settings on this board: run hubtool configure"]


def test_start_ends_at_the_prompt_whatever_happens():
    lines = start(written(), KeyboardInterrupt())
    assert "[board] stopped by Ctrl-C" in lines, lines.lines
    assert "traceback" not in lines
    lines = start(written(), MemoryError("no memory"))
    assert "[traceback] no memory" in lines
    assert "[board] stopped by a fault" in lines


def test_tls_without_clock_and_without_time_server():
    saved = clock.is_set
    clock.is_set = lambda: False
    hub = dict(records.settings()["hub"], endpoint=TLS)
    try:
        with raises(settings.SettingsError) as caught:
            Bench(hub=hub, clock={"ntp": []})
        Bench(hub=hub)
    finally:
        clock.is_set = saved
    assert "add clock.ntp" in caught.text


def test_settings_on_trial_that_do_not_even_start_are_rolled_back():
    from firmware import resuming

    slots, verdict = resuming.slots, resuming.verdict

    folder = written()
    hub = {"endpoint": TLS}  # and no CA: nothing can be made of it
    candidate = slots.propose(records.load(folder), hub)
    verdict.announce(candidate, "set_endpoint", "group", "7", 60)
    resets = []
    runtime.reset = lambda: resets.append(1)
    wiring.make_client = make_client
    lines = start(folder)
    assert resets == [1]
    assert "[settings] tls.ca: TLS needs" in lines
    found = records.load(folder)
    attempt = resuming.take(found)
    assert (found.generation, attempt.is_open) == (1, False)
    assert "TLS needs" in attempt.note["error"]
    # The next start is an ordinary one, whatever ends it.
    start(folder, OSError("a fault"))
    assert resets == [1]
