import asyncio

import endless
import fakes
from checks import raises
from firmware import console, link, runtime, station, wired

JOINED = 1010


class Bench:
    """A station on a fake radio in virtual time."""

    def __init__(self, script, reset_after=link.NetworkLink.reset_after):
        self.wlan = fakes.Wlan(script)
        fakes.install("network", WLAN=lambda interface: self.wlan, STA_IF=0)
        self.time = fakes.VirtualTime()
        self.console = fakes.Console(console)
        console.said.clear()
        self.resets = 0
        self.steps = 0
        self.station = station.Station("depot", "open sesame", progress=self.step)
        runtime.reset = self.reset
        self.station.reset_after = reset_after

    def step(self, duty):
        assert duty == "link"
        self.steps += 1

    def reset(self):
        self.resets += 1

    def run_until(self, condition):
        endless.run_until(self.station.run(), condition, self.console.last)


def after(count, status):
    """A script that fails with `status` for the first `count` tries."""
    tries = []

    def script(ssid, password):
        tries.append((ssid, password))
        return status if len(tries) <= count else JOINED

    return script


def test_joins():
    bench = Bench(after(0, None))
    bench.run_until(bench.station.is_up)
    assert bench.wlan.calls == ["active True", "disconnect", "connect"]
    assert bench.wlan.reconnects == 0
    assert bench.station.rssi() == -61
    assert '[wifi] joined "depot" as 192.168.4.2, -61 dBm' in bench.console


def test_password_is_never_said():
    bench = Bench(after(3, 202))
    bench.run_until(bench.station.is_up)
    assert "sesame" not in bench.console


def test_a_link_that_is_already_up_is_left_alone():
    bench = Bench(after(0, None))
    bench.wlan.is_on = bench.wlan.is_joined = True
    bench.wlan.ssid = "depot"
    bench.run_until(bench.station.is_up)
    assert bench.wlan.calls == []


def test_a_link_to_another_network_is_not_ours():
    bench = Bench(after(0, None))
    bench.wlan.is_on = bench.wlan.is_joined = True
    bench.wlan.ssid = "cafe"
    bench.run_until(bench.station.is_up)
    assert bench.wlan.calls == ["disconnect", "connect"]


def test_wifi_internal_error_is_a_failed_try():
    tries = []

    def script(ssid, password):
        tries.append(1)
        if len(tries) < 3:
            raise OSError("Wifi Internal Error")
        return JOINED

    bench = Bench(script)
    bench.run_until(bench.station.is_up)
    assert len(tries) == 3
    assert bench.console.count("Wifi Internal Error") == 1


def test_a_driver_that_is_busy_with_the_last_try_is_told_to_stop():
    bench = Bench(after(0, None))
    bench.wlan.outcome = 200
    bench.wlan.takes = 10**9
    bench.run_until(lambda: "connect" in bench.wlan.calls)
    assert bench.wlan.calls[:3] == ["active True", "disconnect", "connect"]


def test_wrong_password_is_told_from_absent_network():
    for status, state, words in (
        (202, link.WRONG_PASSWORD, "refuses the password: run hubtool configure"),
        (15, link.WRONG_PASSWORD, "refuses the password"),
        (204, link.WRONG_PASSWORD, "refuses the password"),
        (201, link.ABSENT, "is not there"),
        (211, link.ABSENT, "is not there"),
        (203, link.DOWN, "status 203"),
        (1001, link.DOWN, "gave no address"),
    ):
        bench = Bench(after(10**9, status))
        bench.run_until(lambda bench=bench, words=words: words in bench.console)
        assert bench.station.state == state, (status, bench.station.state)
        assert not bench.station.is_up()


def test_the_reason_of_the_last_try_is_not_believed_too_early():
    bench = Bench(after(1, 201))
    bench.wlan.takes = 12
    bench.run_until(bench.station.is_up)
    assert bench.wlan.calls.count("connect") == 2


def test_goes_on_for_a_day_then_joins():
    present = []
    bench = Bench(lambda ssid, password: JOINED if present else 201, reset_after=0)
    bench.run_until(lambda: bench.time.ms > 86400 * 1000)
    assert bench.resets == 0
    assert bench.station.state == link.ABSENT
    present.append(1)
    bench.run_until(bench.station.is_up)


def test_power_cycle_after_some_failures():
    bench = Bench(after(5, 201))
    bench.run_until(bench.station.is_up)
    calls = bench.wlan.calls
    assert calls.count("active False") == 1
    assert calls[: calls.index("active False")].count("connect") == 5


def test_backs_off():
    bench = Bench(after(10**9, 202), reset_after=0)
    starts = []
    connect = bench.wlan.connect

    def timed(ssid, password):
        starts.append(bench.time.ms)
        connect(ssid, password)

    bench.wlan.connect = timed
    bench.run_until(lambda: len(starts) == 12)
    gaps = [starts[n + 1] - starts[n] for n in range(11)]
    assert gaps[0] < gaps[2] < gaps[4]
    assert 30000 <= gaps[-1] < 60000, gaps


def test_reset_is_the_last_step():
    bench = Bench(after(10**9, 201), reset_after=600)
    bench.run_until(lambda: bench.resets)
    assert 600000 < bench.time.ms < 700000
    assert "resetting the board" in bench.console


def test_a_wrong_password_does_not_lead_to_resets():
    bench = Bench(after(10**9, 202), reset_after=600)
    bench.run_until(lambda: bench.time.ms > 3600 * 1000)
    assert bench.resets == 0


def test_a_lost_link_comes_back():
    bench = Bench(after(0, None))
    bench.run_until(bench.station.is_up)
    bench.wlan.lose()
    bench.run_until(lambda: bench.station.joins == 2)
    assert '[wifi] lost "depot"' in bench.console


def test_restart_joins_anew_although_the_link_looks_up():
    bench = Bench(after(0, None))
    bench.run_until(bench.station.is_up)
    bench.station.restart()
    bench.run_until(lambda: bench.station.joins == 2)


def test_progress_is_reported_up_and_down():
    bench = Bench(after(3, 201))
    bench.run_until(lambda: bench.wlan.calls.count("connect") == 3)
    assert bench.steps >= 2
    bench.run_until(bench.station.is_up)
    steps = bench.steps
    bench.run_until(lambda: bench.steps > steps + 5)


def test_waiting_for_the_link():
    bench = Bench(after(2, 201))
    seen = []

    async def wait():
        await bench.station.wait_up()
        seen.append(bench.station.state)

    async def work():
        task = asyncio.create_task(bench.station.run())
        await asyncio.wait_for(wait(), 20)
        await endless.stop(task)

    asyncio.run(work())
    assert seen == [link.UP]


def test_without_wifi_in_the_settings():
    cable = wired.Wired()
    asyncio.run(cable.run())
    asyncio.run(cable.wait_up())
    assert cable.is_up()
    assert cable.rssi() is None
    assert cable.address() is None


def test_raises_is_strict():
    with raises(AssertionError), raises(ValueError):
        pass
