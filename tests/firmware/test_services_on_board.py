"""Board services against scripted failures: real resets, real bites, a radio that misbehaves.

The times of the firmware are for the field. `boot.py` runs before the firmware, in the same
interpreter: here it makes them short, and spoils what is to be spoilt.
"""

import asyncio
import contextlib
import re
import time

import pytest
from localhub import LocalHub
from simboard.timeserver import TimeServer

HUBS = {"hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}]}
PATIENCE = 60

SHORT_WATCHDOG = b"""
from firmware import arming
arming.SHORTEST = arming.TIMEOUT = 3
"""
HANGING_APP = b"""
async def main(client, settings):
    while True:
        pass
"""
# All pauses of the firmware are ten times as short.
FAST = b"""
import asyncio
from firmware import runtime
async def fast(seconds):
    await asyncio.sleep(seconds / 10)
runtime.sleep = fast
"""


async def wait_for(board, wanted, timeout=PATIENCE):
    return await asyncio.to_thread(board.wait_for, wanted, timeout)


async def wait_for_restart(board, count=1):
    async with asyncio.timeout(PATIENCE):
        while len(board.restarts) < count:
            await asyncio.sleep(0.05)


@pytest.fixture
async def service():
    async with LocalHub(HUBS) as hub:
        yield hub


@pytest.fixture
def make(make_board, slot_files):
    async def make(endpoint, *, boot=b"", app=None, more=None, networks=None, **tables):
        hub = {"endpoint": endpoint, **tables.pop("hub", {})}
        tables.setdefault("telemetry", {"group": ""})
        files = slot_files(hub=hub, **tables)
        if boot:
            files["/boot.py"] = boot
        if app is not None:
            files["/app.py"] = app
        files.update(more or {})
        return await asyncio.to_thread(make_board, files, networks=networks)

    return make


@contextlib.asynccontextmanager
async def silent_server():
    """A port that takes connections and never says a word."""
    writers = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()


# Watchdog


async def test_the_watchdog_bites_a_loop_that_hangs(service, make):
    board = await make(service.endpoint, boot=SHORT_WATCHDOG, app=HANGING_APP)
    await wait_for(board, "[app] started")
    await wait_for_restart(board)
    assert board.restarts == ["watchdog"]
    await wait_for(board, "[hub] connected")


async def test_the_watchdog_bites_a_loop_that_runs_while_nothing_gets_done(make):
    boot = SHORT_WATCHDOG + b"from firmware import wiring\nwiring.HUB_LIMIT = 3\n"
    async with silent_server() as endpoint:
        board = await make(endpoint, boot=boot)
        await wait_for(board, "[watchdog] no progress of hub: the board will be reset")
        await wait_for_restart(board)
    assert board.restarts == ["watchdog"]


async def test_a_board_with_nothing_to_say_is_well(service, make):
    # Neither telemetry nor commands: only the answers to its pings show that the way is open.
    boot = SHORT_WATCHDOG + (
        b"import webpubsub\n"
        b"from firmware import wiring\n"
        b"wiring.HUB_LIMIT = 2\n"
        b"real = webpubsub.WebPubSubClient\n"
        b"webpubsub.WebPubSubClient = lambda *a, **o: real(*a, ping_interval=1, **o)\n"
    )
    board = await make(service.endpoint, boot=boot)
    await wait_for(board, "[hub] connected")
    await asyncio.sleep(5.5)
    assert board.restarts == []


NAMES_OUT_OF_ORDER = b"""
import socket, time
def getaddrinfo(*arguments):
    print("[dns]", arguments[0])
    time.sleep(0.9)
    raise OSError(-202)
socket.getaddrinfo = getaddrinfo
"""
NO_TURN = b"""
from firmware import runtime
sleep = runtime.sleep
async def no_turn(seconds):
    if abs(seconds - 0.05) > 0.001:  # as long as timekeeping gives others between two questions
        await sleep(seconds)
runtime.sleep = no_turn
"""


@pytest.mark.parametrize(("spoilt", "restarts"), [(b"", []), (NO_TURN, ["watchdog"])])
async def test_names_that_cannot_be_resolved_do_not_starve_it(make, spoilt, restarts):
    # Three in a row block for longer than the watchdog waits, as a few times 20 s do for real.
    # Without a turn for the others between them it bites: so this test can fail.
    board = await make(
        "http://hub.invalid",
        boot=SHORT_WATCHDOG + NAMES_OUT_OF_ORDER + spoilt,
        clock={"ntp": ["a.invalid", "b.invalid", "c.invalid"]},
    )
    for _ in range(3):
        await wait_for(board, "[dns] a.invalid")
        if board.restarts:
            break
    assert board.restarts[:1] == restarts


async def test_maintenance_keeps_it_off(service, make):
    board = await make(
        service.endpoint,
        boot=SHORT_WATCHDOG,
        app=HANGING_APP,
        more={"/hub/maintenance": b""},
    )
    await wait_for(board, "[app] started")
    await asyncio.sleep(4)
    assert board.restarts == []


# Links


async def test_a_long_outage_power_cycles_the_radio_and_then_resets(service, make):
    boot = FAST + b"from firmware import link\nlink.NetworkLink.reset_after = 4\n"
    board = await make(service.endpoint, boot=boot, networks={})
    await wait_for(board, '[wifi] "depot" is not there')
    await wait_for(board, "[wifi] switching the interface off and on")
    await wait_for(board, "[wifi] no link for 4 s: resetting the board")
    await wait_for_restart(board)
    assert board.restarts == ["reset"]
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[hub] connected")


async def test_a_wrong_password_is_told_and_never_leads_to_a_reset(service, make):
    boot = FAST + b"from firmware import link\nlink.NetworkLink.reset_after = 2\n"
    board = await make(service.endpoint, boot=boot, networks={"depot": "another word"})
    await wait_for(board, '[wifi] "depot" refuses the password: run hubtool configure')
    await wait_for(board, "[wifi] switching the interface off and on")
    await asyncio.sleep(1)
    assert board.restarts == []
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[hub] connected")


async def test_a_driver_that_says_wifi_internal_error_for_long(service, make):
    board = await make(service.endpoint, boot=FAST, networks={})
    await wait_for(board, '[wifi] "depot" is not there')
    for _ in range(3):
        board.radio.refuse_next_connect()
    await wait_for(board, '"depot" the driver is not ready (Wifi Internal Error)')
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[hub] connected")


async def test_a_link_that_is_up_already_is_used(service, make):
    boot = (
        b"import network, time\n"
        b"wlan = network.WLAN(0)\n"
        b"wlan.active(True)\n"
        b"wlan.connect('depot', 'open sesame')\n"
        b"while not wlan.isconnected(): time.sleep_ms(20)\n"
        b"def refuse(*a): raise OSError('nobody may connect again')\n"
        b"network.WLAN.connect = refuse\n"
    )
    board = await make(service.endpoint, boot=boot)
    await wait_for(board, '[wifi] joined "depot"')
    await wait_for(board, "[hub] connected")


# The cable is an access point here: the radio can pull it.
CABLE = b"""
import network
class LAN(network.WLAN):
    def __new__(cls, number, **options):
        print("[lan]", number, sorted(options))
        return object.__new__(cls)
    def __init__(self, number, **options):
        super().__init__(0)
    def active(self, on=None):
        if on:
            super().active(True)
            super().connect("cable")
            return None
        return super().active(on) if on is not None else super().active()
    def status(self):
        return 5 if self.isconnected() else 4
network.LAN = LAN
network.PHY_LAN8720 = 1
"""


async def test_ethernet(service, make):
    boot = FAST + CABLE
    board = await make(
        service.endpoint,
        boot=boot,
        networks={"cable": ""},
        ethernet={"phy": "LAN8720", "address": 0, "mdc": 23, "mdio": 18, "power": 12},
    )
    await wait_for(board, "[lan] 0 ['mdc', 'mdio', 'phy_addr', 'phy_type', 'power']")
    await wait_for(board, "[ethernet] joined as 192.0.2.17")
    await wait_for(board, "[hub] connected")
    board.radio.remove("cable")
    await wait_for(board, "[ethernet] lost the link")
    board.radio.add("cable")
    await wait_for(board, "[ethernet] joined as 192.0.2.17")
    assert "[wifi]" not in board.console


# Names


async def test_no_name_is_looked_up_and_nothing_dialled_without_a_link(service, make):
    boot = FAST + (
        b"import network, socket\n"
        b"real = socket.getaddrinfo\n"
        b"def getaddrinfo(*a):\n"
        b"    print('[dns]', 'up' if network.WLAN(0).isconnected() else 'DOWN')\n"
        b"    return real(*a)\n"
        b"socket.getaddrinfo = getaddrinfo\n"
    )
    port = service.endpoint.rpartition(":")[2]
    board = await make(f"http://localhost:{port}", boot=boot, networks={})
    await wait_for(board, '[wifi] "depot" is not there')
    assert "[dns]" not in board.console
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[hub] connected")
    # Now the link goes, and with it the connection. A recovery must wait for it, too: the
    # address is known, and would answer at once here.
    board.radio.remove("depot")
    await wait_for(board, "[wifi] lost")
    (connection,) = service.control.connections("chargers")
    service.control.drop(connection.id)
    await wait_for(board, "recovering")
    await asyncio.sleep(3)
    assert "recovered" not in board.console
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[hub] recovered, nothing was lost")
    assert "DOWN" not in board.console


# Clock


async def test_the_clock_goes_through_its_hosts(service, make):
    with (
        TimeServer(kiss_of_death=True) as unwilling,
        TimeServer(silent=True) as silent,
        TimeServer(offset=-time.time()) as ancient,
        TimeServer(offset=40 * 31556952) as future,
        TimeServer() as good,
    ):
        hosts = [server.address for server in (unwilling, silent, ancient, future)]
        board = await make(service.endpoint, clock={"ntp": [*hosts, good.address]})
        reported = await wait_for(board, re.compile(r"\[clock\] (20\d\d-\d\d)-\S+ \S+ from (\S+)"))
        assert reported.endswith("from " + good.address)
        assert time.strftime("%Y-%m") in reported
        assert unwilling.requests == silent.requests == 1


async def test_a_clock_that_cannot_be_set_is_said_with_the_remedy(make_board, slot_files, service):
    with TimeServer(silent=True) as silent:
        files = slot_files(
            ca=b"\x30\x82", hub={"endpoint": service.endpoint}, clock={"ntp": [silent.address]}
        )
        files["/boot.py"] = (
            b"from firmware import timekeeping\n"
            b"real = timekeeping.synchronise\n"
            b"timekeeping.synchronise = lambda hosts, ready: real(hosts, ready, 0.2, 2)\n"
        )
        board = await asyncio.to_thread(make_board, files)
        await wait_for(board, "[clock] no time from the network (127.0.0.1:")
        await wait_for(board, "no answer): is UDP port 123 open, and clock.ntp right?")
        # Without TLS the clock is not needed.
        assert "[hub] connected" in board.console


# The app, and somebody in front of the board


async def test_messages_wait_for_an_app_that_is_started_again(service, make):
    app = b"""
import asyncio
starts = 0

async def main(client, settings):
    global starts
    starts += 1
    if starts == 1:
        await client.join_group("app")
        raise ValueError("no meter")
    async for message in client:
        print("[seen]", message.data)
"""
    board = await make(
        service.endpoint,
        app=app,
        token=service.client_url(
            "chargers", user_id="CP-7", roles=("webpubsub.joinLeaveGroup",)
        ).partition("access_token=")[2],
    )
    await wait_for(board, "[app] failed; again in 1 s")
    for number in range(20):
        service.control.send("chargers", f"n{number}", group="app")
    for number in range(4, 20):
        await wait_for(board, f"[seen] n{number}")
    assert "a message was dropped: more than 16 wait" in board.console
    service.control.send("chargers", "last", group="app")
    await wait_for(board, "[seen] last")
    assert board.console.count("[seen]") == 17


async def test_identify_blinks(make_board, slot_files, service):
    files = slot_files(
        hub={"endpoint": service.endpoint},
        device={"led": 2},
        token=service.client_url("chargers", user_id="CP-7").partition("access_token=")[2],
    )
    files["/boot.py"] = (
        b"import machine\n"
        b"def value(pin, level=None):\n"
        b"    if level is None: return pin._level\n"
        b"    pin._level = int(level)\n"
        b"    print('[led]', pin.id, pin._level)\n"
        b"machine.Pin.value = value\n"
    )
    board = await asyncio.to_thread(make_board, files)
    await wait_for(board, "[hub] connected")
    (connection,) = service.control.connections("chargers")
    command = {"command": "identify"}
    service.control.send("chargers", command, connection_id=connection.id)
    for level in (1, 0) * 5:
        await wait_for(board, f"[led] 2 {level}")
