import asyncio
import sys

import chargepoint
import endless
import fakes
import records
from chargepoint.hardware import Hardware
from checks import equal, raises
from firmware import (
    application,
    charging,
    console,
    node,
    runtime,
    settings,
    shortage,
    wiring,
)
from webpubsub import clock

PARENT = sys.argv[2]
KEY = "a secret of 20 bytes"
OCPP = {
    "url": "ws://127.0.0.1:9/ocpp",
    "identity": "CP-7",
    "connectors": 2,
    "vendor": "Ours",
    "model": "Box",
    "security_profile": 1,
    "generation": 1,
}


class Box(Hardware):
    pass


class Clock:
    def __init__(self):
        self.at = None

    def utc(self):
        return self.at

    def set(self, unix, answer=True):
        self.at = unix, answer


class Uplink:
    """What stands for that of a ChargePoint."""

    ready = outcome = None
    heard = hurries = 0

    def quiet(self):
        return 60

    def hurry(self):
        self.hurries += 1


class Point:
    """What stands for a ChargePoint: connects as the test says."""

    made = []

    def __init__(self, url, identity, hardware, **given):
        self.url, self.identity, self.hardware, self.given = url, identity, hardware, given
        self.clock = Clock()
        self.uplink = Uplink()
        self.runs = 0
        self.ended = False
        Point.made.append(self)

    async def run(self):
        self.runs += 1
        if self.runs == 1 and Point.fails:
            raise ValueError("broken")
        try:
            await self.uplink.ready(False)
            await asyncio.Event().wait()
        finally:
            self.ended = True

    fails = False


class Watchdog:
    wdt = None

    def __init__(self):
        self.limits = {}
        self.marks = []

    def progress(self, name, ahead=0):
        if name in self.limits:
            self.marks.append((name, int(ahead)))
            del self.marks[:-100]


class NetworkLink:
    state = "up"

    def __init__(self):
        self.up = True
        self.restarts = 0

    def is_up(self):
        return self.up

    def restart(self):
        self.restarts += 1

    async def wait_up(self):
        while not self.up:
            await asyncio.sleep(0)

    async def run(self):
        return


def hidden(key=KEY, **more):
    content = records.secrets()
    if key:
        content["ocpp_key"] = records.binascii.hexlify(key.encode()).decode()
    content.update(more)
    return content


def written(table=None, secrets=None, ca=b"", hub=None, **tables):
    folder = records.fresh_folder(PARENT)
    content = records.settings(1, ca, wifi=None, **tables)
    content["ocpp"] = dict(OCPP, **(table or {}))
    if hub:
        content["hub"].update(hub)
    else:
        del content["hub"]
    records.write(folder, records.files("a", content, secrets or hidden(), ca))
    return folder


class Bench:
    """A charging point on a hub, or without one, with an app of these names."""

    def __init__(self, app=None, folder=None, **tables):
        self.console = fakes.Console(console, node, charging, shortage)
        console.said.clear()
        shortage.over()
        shortage.idf_heap = lambda: None
        self.tracebacks = []
        node.print_exception = self.tracebacks.append
        chargepoint.ChargePoint = Point
        Point.made.clear()
        Point.fails = False
        application.is_there = lambda: app is not False
        self.time = fakes.VirtualTime()
        self.link = NetworkLink()
        fakes.install("machine", WDT=fakes.Wdt)
        fakes.install("app", **({"hardware": Box} if app is None else app or {}))
        self.first = node.Node()
        self.node = wiring.wire(self.first, folder or written(**tables), self.link)
        self.node.watchdog = self.watchdog = Watchdog()
        self.watchdog.limits = {"ocpp": 600, "link": 120}

    def run(self, until):
        endless.run_until(self.node.run(), until, self.console.last)

    def passed(self, seconds):
        end = self.time.ms + seconds * 1000
        return lambda: self.time.ms > end

    def connected(self):
        self.run(lambda: Point.made)
        self.point = Point.made[0]
        self.node.outcome(None, None)
        return self.point


def refusal(**given):
    folder = written(**given)
    with raises(settings.SettingsError) as caught:
        settings.load(folder)
    assert KEY not in caught.text
    return caught.text


# the settings


def test_reads_every_value():
    found = settings.load(written({"features": ["local-list"], "resumes": True}))
    equal(found.ocpp, dict(OCPP, features=["local-list"], resumes=True))
    assert (found.hub, found.endpoint, found.uses_tls) == (None, None, False)
    shown = repr(found) + repr(found.ocpp)
    assert KEY not in shown
    assert hidden()["ocpp_key"] not in shown


def test_beside_a_hub():
    found = settings.load(written(hub={"name": "chargers"}))
    assert (found.hub, found.ocpp["identity"]) == ("chargers", "CP-7")
    assert not hasattr(records.load(plain()), "ocpp")


def plain(**tables):
    folder = records.fresh_folder(PARENT)
    content = records.settings(wifi=None, **tables)
    records.write(folder, records.files("a", content, records.secrets()))
    return folder


def test_a_hub_before_the_central_system():
    way = {"url": None, "endpoint": "wss://127.0.0.1:9", "hub": "ocpp"}
    folder = written(dict(way, security_profile=2))
    # As hubtool writes it: a key that is absent is not there.
    content = records.once("firmware.records").read_record(folder, "settings.a")
    del content["ocpp"]["url"]
    records.write(folder, records.files("a", content, hidden()))
    found = settings.load(folder)
    assert found.uses_tls
    assert found.ocpp["hub"] == "ocpp"


def test_values_that_no_hubtool_writes():
    for table, word in (
        ({"url": "csms.example"}, "ocpp.url does not begin with wss:// or ws://"),
        ({"url": "mqtt://csms.example"}, "ocpp.url does not begin"),
        ({"url": "ws://"}, "ocpp.url does not begin"),
        ({"url": 7}, "ocpp has neither url nor endpoint and hub"),
        ({"url": None}, "ocpp has neither url nor endpoint and hub"),
        ({"hub": "ocpp"}, "ocpp has neither url nor endpoint and hub"),
        ({"connectors": 0}, "ocpp.connectors is not 1 to 8"),
        ({"connectors": 9}, "ocpp.connectors is not 1 to 8"),
        ({"connectors": True}, "ocpp.connectors is not 1 to 8"),
        ({"connectors": "2"}, "ocpp.connectors is not 1 to 8"),
        ({"identity": ""}, "ocpp.identity is not 1 to 48 characters"),
        ({"identity": "x" * 49}, "ocpp.identity is not 1 to 48 characters"),
        ({"identity": "a:b"}, "ocpp.identity has a colon"),
        ({"vendor": None}, "ocpp.vendor is not 1 to 20 characters"),
        ({"model": "x" * 21}, "ocpp.model is not 1 to 20 characters"),
        ({"serial_number": ""}, "ocpp.serial_number is not 1 to 25 characters"),
        ({"security_profile": 4}, "ocpp.security_profile is not 0 to 3"),
        ({"security_profile": 2}, "ocpp.security_profile 2 is over TLS"),
        ({"generation": 2}, "ocpp.generation is not 1 to 1"),
        ({"features": ["more"]}, "ocpp.features are not of local-list, smart-charging"),
        ({"features": "more"}, "ocpp.features are not"),
        ({"features": 7}, "ocpp.features are not"),
    ):
        text = refusal(table=table)
        assert word in text, text
        assert text.endswith("run hubtool configure"), text


def test_a_key_or_certificate_that_no_hubtool_writes():
    for profile, secrets, word in (
        (1, hidden(None), "ocpp.key is missing for ocpp.security_profile 1"),
        (1, hidden(None, ocpp_key="00" * 15), "ocpp.key is not 16 to 40 bytes"),
        (1, hidden(None, ocpp_key="00" * 41), "ocpp.key is not 16 to 40 bytes"),
        (1, hidden(None, ocpp_key="not hexadecimal"), "ocpp.key is not 16 to 40 bytes"),
        (0, hidden(None, ocpp_key=7), "ocpp.key is not 16 to 40 bytes"),
        (3, hidden(), "ocpp.certificate is missing for ocpp.security_profile 3"),
        (3, hidden(ocpp_certificate="MA=="), "ocpp.certificate_key is missing"),
    ):
        table = {"security_profile": profile}
        if profile == 3:
            table["url"] = "wss://127.0.0.1:9"
        text = refusal(table=table, secrets=secrets)
        assert word in text, text


def test_a_table_that_is_none():
    folder = written()
    content = records.once("firmware.records").read_record(folder, "settings.a")
    for table in (7, [], "x", None):
        content["ocpp"] = table
        records.write(folder, records.files("a", content, hidden()))
        with raises(settings.SettingsError) as caught:
            settings.load(folder)
        assert "ocpp is of the wrong type" in caught.text


def test_neither_hub_nor_charging_point():
    folder = plain(hub=None)
    with raises(settings.SettingsError) as caught:
        settings.load(folder)
    assert "hub.endpoint is missing" in caught.text
    assert caught.text.endswith("run hubtool configure")


# how it is put together


def test_the_hardware_of_the_app_becomes_a_charging_point():
    bench = Bench(secrets=hidden(), table={"serial_number": "S1"})
    point = bench.connected()
    assert isinstance(point.hardware, Box)
    assert (point.url, point.identity) == ("ws://127.0.0.1:9/ocpp", "CP-7")
    given = point.given
    assert (given["connectors"], given["vendor"], given["model"]) == (2, "Ours", "Box")
    assert (given["key"], given["profile"], given["highest"]) == (KEY.encode(), 1, 1)
    assert (given["generation"], given["serial"], given["ssl"]) == (1, "S1", None)
    for name in ("hub", "resume", "features"):
        assert name not in given
    assert given["folder"] == "/charge"
    assert "[ocpp] connected as CP-7" in bench.console
    assert bench.node.hub is None
    assert point.ended


def test_features_and_going_on_after_a_power_cut_are_handed_on():
    table = {"features": ["smart-charging"], "resumes": True}
    point = Bench(table=table).connected()
    assert (point.given["features"], point.given["resume"]) == (["smart-charging"], True)


def test_a_function_may_make_the_hardware():
    box = Box()
    assert Bench({"hardware": lambda: box}).connected().hardware is box


def test_without_hardware_there_is_nothing_to_do():
    for app, word in (
        (False, "a charging point needs the program of its hardware: run hubtool deploy --app"),
        ({}, "app.py has no hardware: add 'def hardware()' that gives a chargepoint.Hardware"),
        ({"hardware": 7}, "app.py has no hardware: "),
    ):
        with raises(settings.SettingsError) as caught:
            Bench(app)
        assert word in caught.text, caught.text
        assert "run hubtool deploy --app FILE" in caught.text


def test_on_a_hub_a_board_without_hardware_is_still_a_device():
    for app in (False, {}):
        bench = Bench(app, hub={"name": "chargers"})
        assert bench.node is bench.first
        assert bench.node.hub is not None
        assert "[ocpp] a" in bench.console
        assert not Point.made


def test_both_run_on_a_hub():
    bench = Bench(hub={"name": "chargers"})
    runs = []

    async def on_hub():
        runs.append(1)
        await asyncio.Event().wait()

    bench.node.hub.run = on_hub
    assert not bench.node.has_app
    bench.run(lambda: runs and Point.made and Point.made[0].runs)
    assert Bench({"hardware": Box, "main": Box}, hub={"name": "x"}).node.has_app


def test_an_app_that_cannot_be_loaded():
    load = application.load

    def broken(commands=None):
        raise SyntaxError("invalid syntax")

    application.load = broken
    printed = []
    from firmware import charge_wiring

    charge_wiring.print_exception = printed.append
    try:
        with raises(SyntaxError):
            Bench()
        bench = Bench(hub={"name": "chargers"})
    finally:
        application.load = load
    assert bench.node is bench.first
    assert len(printed) == 1


def test_hardware_that_fails_is_tried_again():
    tries = []

    def hardware():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no meter on the bus")
        return Box() if len(tries) > 3 else 7

    bench = Bench({"hardware": hardware})
    bench.run(lambda: Point.made)
    assert len(bench.tracebacks) == 3
    assert "no chargepoint.Hardware" in str(bench.tracebacks[2])
    assert "[ocpp] failed; again in 2 s" in bench.console


def test_tls_without_certificates_without_clock_and_without_time_server():
    saved = clock.is_set
    tls = {"url": "wss://127.0.0.1:9", "security_profile": 2}
    with raises(settings.SettingsError) as caught:
        Bench(table=tls)
    assert "tls.ca: TLS needs" in caught.text
    from webpubsub import tls as contexts

    make = contexts.tls_context
    contexts.tls_context = lambda ca, *pair: (bytes(ca), pair)
    clock.is_set = lambda: False
    try:
        with raises(settings.SettingsError) as caught:
            Bench(table=tls, ca=b"0", clock={"ntp": []})
        assert "add clock.ntp" in caught.text
        clock.is_set = lambda: True
        given = Bench(table=tls, ca=b"0", clock={"ntp": []}).connected().given
        assert (given["ssl"], given["highest"]) == ((b"0", ()), 2)
        # Over OCPP it may go up to where there are certificates for.
        assert Bench(ca=b"0").connected().given["highest"] == 2
        pair = {"ocpp_certificate": "MDE=", "ocpp_certificate_key": "MDI="}
        given = Bench(table=dict(tls, security_profile=3), ca=b"0", secrets=hidden(**pair))
        given = given.connected().given
        assert given["ssl"] == (b"0", (b"01", b"02"))
        assert (given["profile"], given["highest"]) == (3, 3)
    finally:
        clock.is_set = saved
        contexts.tls_context = make


# what it does


def test_the_program_beside_it():
    seen = []

    async def charge(point, found):
        seen.append((point, found.device_id))
        if len(seen) < 3:
            raise ValueError("no reader")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    bench = Bench({"hardware": Box, "charge": charge})
    bench.run(lambda: len(seen) == 3)
    assert seen[2][0] is Point.made[0]
    assert seen[2][1] == "CP-7"
    assert len(bench.tracebacks) == 2
    assert Point.made[0].runs == 1


def test_a_fault_of_the_point_itself_is_told_and_it_goes_on_with_the_same_one():
    bench = Bench()
    Point.fails = True
    bench.run(lambda: Point.made and Point.made[0].runs == 2)
    assert len(Point.made) == 1
    assert len(bench.tracebacks) == 1


class Refused(OSError):
    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.status = status


def test_what_attempts_come_to_is_told_once_and_names_the_side_to_fix():
    bench = Bench()
    bench.connected()
    for error, word in (
        (Refused(401), "HTTP 401: the central system does not accept this identity or its key"),
        (Refused(403), "HTTP 403: the central system turns this charging point away"),
        (Refused(404), "HTTP 404: the central system does not know CP-7, or"),
        (OSError("connection refused"), "[ocpp] connection refused; again in 7 s"),
        (None, "[ocpp] the connection was closed; again in 7 s"),
        (
            OSError("TLS with csms failed: The certificate is not correctly signed"),
            "check the CA and the URL, and run hubtool configure",
        ),
        (ValueError(), "[ocpp] ValueError; again in 7 s"),
    ):
        for _ in range(4):
            bench.node.outcome(error, 7)
        assert bench.console.count(word) == 1, (word, bench.console.lines)
    assert bench.console.count("[ocpp] the same after 4 tries; again in 7 s") == 7
    assert KEY not in str(bench.console.lines)
    bench.node.outcome(None, None)
    assert bench.console.count("[ocpp] connected as CP-7") == 2


def test_without_a_link_failures_are_not_told():
    bench = Bench()
    bench.connected()
    bench.link.up = False
    bench.node.outcome(OSError("no route"), 7)
    assert "no route" not in bench.console


def test_bytes_and_attempts_are_progress_and_silence_is_not():
    bench = Bench()
    point = bench.connected()
    marks = bench.watchdog.marks
    marks.clear()
    bench.run(bench.passed(30))
    mine = [mark for mark in marks if mark[0] == "ocpp"]
    # When it begins, when it may connect, and the first look.
    equal(mine, [("ocpp", 0), ("ocpp", 0), ("ocpp", 60)])
    point.uplink.heard += 1
    marks.clear()
    bench.run(bench.passed(30))
    assert ("ocpp", 60) in marks, marks
    # A pause that the central system asked for is no silence.
    bench.node.outcome(Refused(404), 3000)
    assert ("ocpp", 3000) in marks, marks
    bench.link.up = False
    marks.clear()
    bench.run(bench.passed(30))
    assert max(ahead for name, ahead in marks if name == "ocpp") > 2900


def test_a_network_that_is_back_is_used_at_once():
    bench = Bench()
    point = bench.connected()
    bench.link.up = False
    turns = []

    def back():
        turns.append(1)
        bench.link.up = len(turns) > 20
        return point.uplink.hurries

    bench.run(back)
    assert point.uplink.hurries == 1


def test_a_central_system_out_of_reach_makes_the_link_join_anew():
    bench = Bench()
    bench.connected()
    bench.run(bench.passed(1900))
    assert bench.link.restarts == 0
    bench.node.outcome(OSError("gone"), 1)
    bench.run(bench.passed(1900))
    assert bench.link.restarts == 3
    assert "[ocpp] not reached for 600 s: joining the network anew" in bench.console


def test_the_time_of_the_network_is_given_to_the_point_until_it_has_one():
    saved = clock.is_set
    clock.is_set = lambda: False
    try:
        bench = Bench(clock={"ntp": []})
        point = bench.connected()
        bench.run(bench.passed(5))
        assert point.clock.at is None
        clock.is_set = lambda: True
        bench.run(bench.passed(5))
        assert point.clock.at[1] is False
        assert abs(point.clock.at[0] - clock.unix_time()) < 10
        point.clock.at = (7, True)
        bench.run(bench.passed(5))
        assert point.clock.at == (7, True)
    finally:
        clock.is_set = saved


def test_tls_waits_for_the_clock():
    saved = clock.is_set
    bench = Bench()
    bench.connected()
    waits = []

    async def wait(secure):
        await bench.node.ready(secure)
        waits.append(1)
        await asyncio.Event().wait()

    try:
        clock.is_set = lambda: False
        endless.run_until(wait(False), lambda: waits)
        with raises(AssertionError):
            endless.run_until(wait(True), lambda: len(waits) > 1, limit=50)
        assert "[clock] not set: TLS waits for it" in bench.console
        clock.is_set = lambda: True
        endless.run_until(wait(True), lambda: len(waits) > 1)
    finally:
        clock.is_set = saved


def test_a_board_without_memory_says_so_and_resets():
    bench = Bench()
    bench.connected()
    resets = []
    runtime.reset = lambda: resets.append(Point.made[0].ended)
    shortage.over()
    for _ in range(6):
        bench.node.outcome(MemoryError(), 1)
        bench.time.ms += 30000
    bench.node.uptime = fakes.Module(seconds=lambda: bench.time.ms // 1000)
    try:
        bench.run(lambda: resets)
    finally:
        shortage.over()
    assert resets == [True]
    assert "[memory] does not come back: resetting the board" in bench.console


def test_a_trial_of_the_time_on_a_hub_is_forgotten():
    from firmware import resuming

    folder = written()
    note = {"schema": 1, "generation": 1, "slot": "b", "state": "new", "command": "set_token"}
    resuming.verdict.write_record(folder, "trial", dict(note, kind="group", id="7", seconds=60))
    bench = Bench(folder=folder)
    assert bench.node.trial is None
    assert "trial" not in wiring.os.listdir(folder)
