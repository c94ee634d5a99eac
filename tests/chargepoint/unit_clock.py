"""Seconds since power-up, and UTC once the central system told it."""

from chargepoint.clock import Clock
from checks import equal


class Ticks:
    """Milliseconds that wrap as those of a port."""

    def __init__(self, now=0, period=1 << 30):
        self.now = now
        self.period = period

    def __call__(self):
        return self.now % self.period


def test_uptime_goes_on_where_ticks_wrap():
    for period in (1 << 30, 1 << 62):
        ticks = Ticks(period - 500, period)
        clock = Clock(ticks)
        equal(clock.uptime(), 0)
        ticks.now += 999
        equal(clock.uptime(), 0)
        ticks.now += 1
        equal(clock.uptime(), 1)
        for day in range(1, 100):
            ticks.now += 86400000
            equal(clock.uptime(), day * 86400 + 1)


def test_milliseconds_add_up():
    ticks = Ticks()
    clock = Clock(ticks)
    for _ in range(1000):
        ticks.now += 333
        clock.uptime()
    equal(clock.uptime(), 333)


def test_the_time_is_unknown_until_somebody_says_it():
    ticks = Ticks()
    clock = Clock(ticks, boot=7)
    ticks.now = 5000
    equal((clock.utc(), clock.stamp()), (None, 5))
    early = clock.stamp()
    equal(clock.true(early, 7), None)
    assert clock.set(1796112000)
    ticks.now = 65000
    equal((clock.utc(), clock.stamp()), (1796112060, 1796112060))
    # What was stamped before gets its true time; what a power-up before stamped is not later
    # than this one.
    equal(clock.true(early, 7), 1796112000)
    equal(clock.true(early, 6), 1796111995)
    equal(clock.true(early, 8), None)
    equal(clock.true(1796112003, 6), 1796112003)


def test_a_time_stays_what_it_was():
    ticks, kept = Ticks(), []
    clock = Clock(ticks, boot=3)
    clock.known = [[1, 1700000000]]
    clock.keep = lambda: kept.append([list(each) for each in clock.known])
    ticks.now = 5000
    clock.set(1700001000, answer=False)
    equal((kept, clock.true(2, 3)), ([], 1700000997))
    clock.set(1796112005)
    equal(kept, [[[1, 1700000000], [3, 1796112000]]])
    # Another answer sets the clock, and does not change what was said of the past.
    clock.set(1796112007)
    equal((len(kept), clock.utc(), clock.true(2, 3)), (1, 1796112007, 1796112002))
    # The next power-up knows it, whenever somebody tells it the time; the second one was unknown.
    later = Clock(Ticks(), boot=4)
    later.known = kept[-1]
    equal([later.true(7, boot) for boot in (1, 2, 3)], [1700000007, 1796112000, 1796112007])
    equal(later.true(7, 4), None)


def test_so_many_power_ups_are_known():
    known = []
    for boot in range(1, 11):
        clock = Clock(Ticks(), boot=boot)
        clock.known = known
        clock.set(1796112000 + boot)
        known = clock.known
    equal(known, [[boot, 1796112000 + boot] for boot in (7, 8, 9, 10)])


def test_nobody_else_is_believed_once_the_central_system_spoke():
    clock = Clock(Ticks())
    assert clock.set(1700000000, answer=False)
    equal(clock.utc(), 1700000000)
    assert clock.set(1796112000)
    assert not clock.set(1700000000, answer=False)
    equal(clock.utc(), 1796112000)
    assert clock.set(1796112001)
    equal(clock.utc(), 1796112001)
