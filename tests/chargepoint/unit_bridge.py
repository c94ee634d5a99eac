"""The bridge to a hub: what is shown there, what may be asked, once and in time."""

import asyncio

from chargepoint.bridge import Bridge
from checks import equal
from profiles_rig import NOW, Rig

TEL, CMD, ALL = "ev.s1.cp1.tel", "ev.s1.cp1.cmd", "ev.s1.all.cmd"


class Event:
    """Of a client: a message of a group."""

    def __init__(self, group, data):
        self.group = group
        self.data = data
        self.message = self


class Client:
    """A WebPubSubClient that keeps what is sent."""

    def __init__(self):
        self.state = "connected"
        self.sent = []
        self.joined = []
        self.callbacks = {}
        self.broken = False

    def subscribe(self, name, callback):
        self.callbacks.setdefault(name, []).append(callback)

    def unsubscribe(self, name, callback):
        self.callbacks[name].remove(callback)

    def emit(self, name, event=None):
        for callback in self.callbacks[name]:
            callback(event)

    async def join_group(self, group):
        self.joined.append(group)

    async def send_to_group(self, group, content, ack=True, no_echo=False):
        await asyncio.sleep(0)
        if self.broken:
            raise OSError("broken")
        equal((group, no_echo, ack), (TEL, True, content["t"] != "meter"))
        self.sent.append(dict(content))


class Uplink:
    """Of a charging point: counts how often it is woken."""

    count = 0

    def wake(self):
        self.count += 1


class Point:
    """A ChargePoint without its connection, and a bridge that runs."""

    def __init__(self, before=None, **options):
        self.rig = Rig(before=before and before.rig)
        self.core, self.clock, self.storage = self.rig.core, self.rig.clock, self.rig.storage
        self.listeners = self.core.listeners
        self.uplink = Uplink()
        self.client = Client()
        self.bridge = Bridge(self, self.client, "s1", "cp1", **options)
        self._ids = 0

    async def settle(self):
        """What is sent by now, without versions and numbers."""
        for _ in range(200):
            await asyncio.sleep(0)
        sent, self.client.sent = self.client.sent, []
        for said in sent:
            equal(said.pop("v"), 1)
            self.sequence = said.pop("seq")
            equal(said.pop("ts"), NOW)
        return sent

    async def ask(self, operation, number=None, argument=None, group=CMD, **change):
        """A command; its answers."""
        self._ids += 1
        command = {"v": 1, "t": "cmd", "id": str(self._ids), "op": operation, "exp": NOW + 60}
        if number is not None:
            command["c"] = number
        if argument is not None:
            command["arg"] = argument
        command.update(change)
        self.client.emit("group-message", Event(group, command))
        found = [each for each in await self.settle() if each["t"] == "res"]
        return [(each["id"], each["st"], each.get("data")) for each in found]


def scenario(test):
    """A test of a bridge that runs, and ends in order."""

    def run():
        async def main():
            point = Point()
            running = asyncio.create_task(point.bridge.run())
            point.first = await point.settle()
            await test(point)
            running.cancel()
            try:
                await running
            except asyncio.CancelledError:
                pass
            equal([each for each in point.client.callbacks.values() if each], [])
            equal(len(point.listeners), 1)  # the rig's own

        asyncio.run(main())

    return run


def kinds(messages):
    return [each["t"] for each in messages]


@scenario
async def test_what_is_shown(point):
    meters = [each for each in point.first if each["t"] == "meter"]
    states = [each for each in point.first if each["t"] == "state"]
    equal(
        [(each["c"], each["wh"], each["tx"]) for each in meters],
        [(1, 1000, None), (2, 1000, None)],
    )
    equal(
        states,
        [
            {"t": "state", "c": number, "s": "Available", "err": "NoError", "offer": 0}
            for number in (1, 2)
        ],
    )
    rig = point.rig
    rig.charge(1)
    found = await point.settle()
    tx = [each for each in found if each["t"] == "tx"]
    equal(tx, [{"t": "tx", "ev": "start", "txu": 1, "c": 1, "tag": "T1", "wh": 1000}])
    # Of many changes the present state.
    equal(
        [each for each in found if each["t"] == "state"],
        [{"t": "state", "c": 1, "s": "Charging", "err": "NoError", "offer": 32}],
    )
    rig.core.fault(1, "GroundFailure")
    equal((await point.settle())[-1]["err"], "GroundFailure")
    rig.core.cleared(1)
    await point.settle()
    rig.box.registers[1] = 1500
    rig.core.tag(1, "T1")
    tx = [each for each in await point.settle() if each["t"] == "tx"]
    equal(tx, [{"t": "tx", "ev": "stop", "txu": 1, "c": 1, "tag": "T1", "wh": 1500}])


@scenario
async def test_numbers_show_gaps(point):
    before = point.sequence
    point.bridge.show(2)
    equal(kinds(await point.settle()), ["meter", "state"])
    equal(point.sequence, before + 2)


@scenario
async def test_what_fails_comes_again(point):
    point.client.broken = True
    point.rig.charge(1)
    equal(await point.settle(), [])
    point.client.broken = False
    point.client.emit("reconnected")
    found = await point.settle()
    equal(sorted(kinds(found)), ["meter", "meter", "state", "state", "tx"])
    assert ("Charging", 1) in [(each.get("s"), each["c"]) for each in found]
    point.client.state = "recovering"
    point.rig.core.paused(1)
    equal(await point.settle(), [])
    point.client.state = "connected"
    point.client.emit("connected")
    assert "SuspendedEV" in [each.get("s") for each in await point.settle()]


@scenario
async def test_an_outage_takes_no_more_than_its_room(point):
    point.client.state = "reconnecting"
    for _ in range(40):
        point.rig.charge(1)
        point.rig.core.tag(1, "T1")
    await point.settle()
    equal(point.bridge.dropped, 80 - 32)


@scenario
async def test_commands_for_transactions(point):
    core = point.core
    equal(await point.ask("start", 1, "T9"), [("1", "Accepted", None)])
    core.plugged(1)
    equal(point.rig.queue.starts, [(1, 1, "T9", 1000)])
    equal(await point.ask("start", 1, "T9"), [("2", "Rejected", None)])
    equal(await point.ask("stop", 2), [("3", "Rejected", None)])
    equal(await point.ask("stop", 1, group=ALL), [("4", "Accepted", None)])
    equal(point.rig.queue.stops, [(1, 1000, "Remote", None)])
    assert point.uplink.count >= 4


@scenario
async def test_commands_of_other_kinds(point):
    # The keys of this rig are a few, and cannot be changed.
    for operation, number, argument, status in (
        ("unlock", 1, None, "Accepted"),
        ("unlock", 7, None, "NotSupported"),
        ("avail", 2, "Inoperative", "Accepted"),
        ("avail", 2, "Sometimes", "Rejected"),
        ("start", 2, "T1", "Rejected"),
        ("start", 1, 12, "Rejected"),
        ("start", 1, None, "Rejected"),
        ("set", None, {"key": "AuthorizationKEY", "value": "x"}, "Rejected"),
        ("set", None, {"key": "SecurityProfile", "value": "0"}, "Rejected"),
        ("set", None, "x", "Rejected"),
        ("set", None, None, "Rejected"),
        ("stop", None, None, "Rejected"),
        ("stop", "1", None, "Rejected"),
        ("stop", 7, None, "Rejected"),
        ("trigger", 7, None, "Rejected"),
        ("trigger", 1, None, "Accepted"),
        ("dance", 1, None, "NotSupported"),
        ("reset", None, "Warm", "Rejected"),
    ):
        found = await point.ask(operation, number, argument)
        equal((operation, argument, found[0][1]), (operation, argument, status))
    equal(point.core.connector(2).status, "Unavailable")
    equal(point.rig.box.resets, [])


@scenario
async def test_a_reset_comes_after_its_answer(point):
    point.client.broken = True
    await point.ask("reset", None, "Hard")
    # Whether or not that could be sent.
    equal(point.rig.box.resets, [True])


@scenario
async def test_a_command_is_done_once(point):
    rig = point.rig
    rig.core.plugged(1)
    answer = [("a", "Accepted", None)]
    equal(await point.ask("start", 1, "T9", id="a"), answer)
    rig.core.stop(rig.core.connector(1), "Local")
    equal(await point.ask("start", 1, "T9", id="a"), answer)
    equal(len(rig.queue.starts), 1)
    # After a power cut, too.
    again = Point(point)
    running = asyncio.create_task(again.bridge.run())
    await again.settle()
    again.core.plugged(1)
    equal(await again.ask("start", 1, "T9", id="a"), answer)
    equal(len(rig.queue.starts), 1)
    # Of sixteen, no more.
    for _ in range(16):
        await again.ask("stop", 2)
    equal(len(again.storage.files["commands"]), 16)
    equal(await again.ask("start", 1, "T9", id="a"), answer)
    equal(len(rig.queue.starts), 2)
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        pass


@scenario
async def test_what_is_no_command(point):
    for change in ({"exp": NOW}, {"exp": NOW - 1}):
        equal(await point.ask("start", 1, "T9", **change), [])
    equal(point.bridge.expired, 2)
    for change in (
        {"v": 2},
        {"t": "res"},
        {"id": 7},
        {"exp": None},
        {"exp": "soon"},
        {"op": None},
        {"op": 1},
    ):
        equal(await point.ask("start", 1, "T9", **change), [])
    for data in (None, "x", [], b"x", 7):
        point.client.emit("group-message", Event(CMD, data))
    equal(point.bridge.refused, 12)
    # Of groups that are no business of ours nothing is taken.
    for group in ("ev.s1.cp2.cmd", "ev.s2.all.cmd", TEL, None):
        equal(await point.ask("start", 1, "T9", group=group), [])
    equal((point.bridge.refused, point.core.connector(1).tag), (12, None))


def test_without_a_clock_no_command_is_in_time():
    async def main():
        point = Point()
        point.clock = Rig(unix=None).clock
        running = asyncio.create_task(point.bridge.run())
        await asyncio.sleep(0)
        command = {"v": 1, "t": "cmd", "id": "1", "op": "start", "c": 1, "arg": "T", "exp": NOW}
        point.client.emit("group-message", Event(CMD, command))
        equal((point.bridge.expired, point.core.connector(1).tag), (1, None))
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            pass

    asyncio.run(main())


def test_meters_come_while_a_transaction_runs():
    async def main():
        point = Point(interval=0.02, joins=True)
        running = asyncio.create_task(point.bridge.run())
        await point.settle()
        equal(point.client.joined, [CMD, ALL])
        await asyncio.sleep(0.1)
        equal(await point.settle(), [])
        point.rig.box.measurands = ("Power.Active.Import", "Current.Import.L1", "Voltage")
        point.rig.box.measure = lambda number, name: 7400 if name[0] == "P" else 16
        point.rig.charge(1)
        await point.settle()
        point.rig.box.registers[1] = 1100
        await asyncio.sleep(0.1)
        found = await point.settle()
        assert set(kinds(found)) == {"meter"}, found
        expected = {"t": "meter", "c": 1, "tx": 1, "wh": 1100, "w": 7400, "a": [16], "offer": 32}
        equal(found[-1], expected)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            pass

    asyncio.run(main())
