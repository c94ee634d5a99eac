import sys

import fakes
from firmware import arming, console, watchdog

PARENT = sys.argv[2]


class Bench:
    def __init__(self, machine=True, maintenance=False, limits=(), **options):
        fakes.Wdt.made = []
        fakes.install("machine", **({"WDT": fakes.Wdt} if machine else {}))
        self.console = fakes.Console(console, watchdog)
        self.time = fakes.VirtualTime()
        self.watchdog = watchdog.Watchdog()
        for name, limit in limits:
            self.watchdog.limits[name] = limit
            self.watchdog.progress(name)
        saved = arming.in_maintenance
        arming.in_maintenance = lambda: maintenance
        try:
            arming.start(self.watchdog, **options)
        finally:
            arming.in_maintenance = saved

    @property
    def fed(self):
        return fakes.Wdt.made[-1].fed


def test_never_tighter_than_a_minute():
    Bench(timeout=5)
    assert fakes.Wdt.made[0].timeout == 60000
    Bench(timeout=90)
    assert fakes.Wdt.made[0].timeout == 90000


def test_progress_feeds():
    bench = Bench(limits=(("hub", 300),))
    fed = bench.fed
    bench.watchdog.progress("hub")
    assert bench.fed == fed + 1


def test_one_overdue_duty_stops_the_feeding_by_the_others():
    bench = Bench(limits=(("hub", 300), ("wifi", 60)))
    for _ in range(29):
        bench.time.ms += 10000
        bench.watchdog.progress("wifi")
    fed = bench.fed
    bench.time.ms += 20000
    for _ in range(5):
        bench.watchdog.progress("wifi")
    assert bench.fed == fed
    assert bench.console.count("no progress of hub") == 1
    bench.watchdog.progress("hub")
    assert bench.fed == fed + 1


def test_an_announced_pause_is_not_held_against_a_duty():
    bench = Bench(limits=(("hub", 300),))
    bench.watchdog.progress("hub", ahead=3600)
    bench.time.ms += 3800 * 1000
    fed = bench.fed
    bench.watchdog.progress("board")
    assert bench.fed == fed + 1
    bench.time.ms += 200 * 1000
    bench.watchdog.progress("board")
    assert bench.fed == fed + 1


def test_maintenance_leaves_it_off():
    bench = Bench(maintenance=True, limits=(("hub", 1),))
    bench.watchdog.progress("hub")
    arming.release(bench.watchdog)
    assert fakes.Wdt.made == []
    assert "/hub/maintenance" in bench.console


def test_the_maintenance_flag_is_a_file():
    path = PARENT + "/maintenance"
    assert not arming.in_maintenance(path)
    open(path, "w").close()
    assert arming.in_maintenance(path)


def test_half_an_hour_at_the_prompt():
    bench = Bench()
    arming.release(bench.watchdog)
    assert fakes.Wdt.made[-1].timeout == 1800 * 1000
    assert "30 minutes" in bench.console


def test_a_port_without_a_watchdog():
    bench = Bench(machine=False, limits=(("hub", 1),))
    bench.watchdog.progress("hub")
    arming.release(bench.watchdog)
    assert "not available" in bench.console
