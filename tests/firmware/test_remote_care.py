"""Token, CA set and endpoint changed over the hub: tried first, kept or rolled back."""

import asyncio
import base64
import re

import aiohttp
import pytest
from localhub import LocalHub

from tests.support.protocol import JSON, ROLES

CONFIG = {"service": {"tls": {"port": 0}}, "hubs": [{"name": "chargers"}]}
PATIENCE = 60

# The times are for boards in the field; here the same code runs with shorter ones.
BOOT = b"""
from firmware import care, trial
care.SHORTEST = 1
trial.PAUSE = 0.2
"""


def token_of(service, user="CP-7", groups=("commands",), **options):
    url = service.client_url("chargers", user_id=user, roles=ROLES, groups=groups, **options)
    return url.partition("access_token=")[2]


def for_tls(service, **options):
    """A token for the encrypted address of a service."""
    plain, service.endpoint = service.endpoint, service.tls_endpoint
    try:
        return token_of(service, **options)
    finally:
        service.endpoint = plain


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


class Operator:
    """Somebody whom the settings list, on one service."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.number = 0
        self.group = "commands"
        self.seen = []

    async def until(self, wanted):
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in self.seen:
                    if message.get("group") == "replies" and wanted(message["data"]):
                        self.seen.remove(message)
                        return message["data"]
                self.seen.append(await self.websocket.receive_json())

    async def send(self, name, /, **arguments):
        """Give a command; its id."""
        self.number += 1
        data = {"command": name, "id": str(self.number), "arguments": arguments}
        message = {"type": "sendToGroup", "group": self.group, "data": data}
        await self.websocket.send_json(message)
        return data["id"]

    async def command(self, name, /, **arguments):
        """Give a command; the first answer to it."""
        id_ = await self.send(name, **arguments)
        return await self.until(lambda data: data.get("reply") == id_)

    async def outcome(self, id_):
        """How the change ended that a command asked for."""
        return await self.until(lambda data: data.get("reply") == id_ and not data.get("pending"))

    async def change(self, name, /, **arguments):
        """Give a command that is tried; its outcome."""
        first = await self.command(name, **arguments)
        assert first["ok"] is True, first
        assert first["pending"] is True
        return await self.outcome(first["reply"])


@pytest.fixture
async def services():
    async with LocalHub(CONFIG) as first, LocalHub(CONFIG) as second:
        yield first, second


@pytest.fixture
async def operator_at(services):
    async with aiohttp.ClientSession() as session:

        async def join(service, user="ops"):
            url = service.client_url("chargers", user_id=user, roles=ROLES, groups=("replies",))
            socket = await session.ws_connect(url, protocols=(JSON,))
            await socket.receive_json()
            return Operator(socket)

        yield join


@pytest.fixture
def make(make_board, slot_files):
    async def make(service, *, allowed=(), token=None, boot=BOOT, **tables):
        hub = {"endpoint": service.endpoint, "endpoints_allowed": list(allowed)}
        hub.update(tables.pop("hub", {}))
        files = slot_files(
            hub=hub,
            token=token_of(service) if token is None else token,
            telemetry={"group": ""},
            **tables,
        )
        files["/boot.py"] = boot
        board = await asyncio.to_thread(make_board, files)
        await wait_for(board, "[hub] connected as")
        return board

    return make


def secrets_in(board, *tokens):
    return [token for token in tokens if token[:16] in board.console]


async def test_a_new_token_is_kept_when_it_connects(services, operator_at, make):
    service, _ = services
    operator = await operator_at(service)
    board = await make(service)
    token = token_of(service, user="CP-7-new")
    outcome = await operator.change("set_token", token=token)
    assert outcome["ok"] is True, outcome
    assert outcome["result"] == {"kept": "set_token", "generation": 2}
    assert board.restarts == ["reset"]
    await wait_for(board, "[hub] connected as CP-7-new")
    await asyncio.to_thread(board.reset)
    await wait_for(board, "settings generation 2")
    await wait_for(board, "[hub] connected as CP-7-new")
    assert secrets_in(board, token) == []


async def test_a_token_that_the_service_refuses_is_rolled_back(services, operator_at, make):
    service, other = services
    operator = await operator_at(service)
    board = await make(service)
    endpoint, other.endpoint = other.endpoint, service.endpoint
    token = token_of(other)  # right in all but its key
    other.endpoint = endpoint
    outcome = await operator.change("set_token", token=token)
    assert outcome["ok"] is False, outcome
    assert "set_token was rolled back: HTTP 401" in outcome["error"]
    assert board.restarts == ["reset", "reset"]
    await wait_for(board, "settings generation 1")
    assert (await operator.command("ping"))["ok"] is True
    assert secrets_in(board, token) == []
    assert token[:16] not in str(outcome)


async def test_another_endpoint_that_is_allowed(services, operator_at, make):
    first, second = services
    here, there = await operator_at(first), await operator_at(second)
    board = await make(first, allowed=[second.endpoint])
    await here.command("set_endpoint", endpoint=second.endpoint, token=token_of(second))
    # The one who asked is on the old service; the outcome is reported where the board is now.
    outcome = await there.outcome("1")
    assert outcome["result"] == {"kept": "set_endpoint", "generation": 2}
    await wait_for(board, f"connecting to {second.endpoint}")
    assert (await there.command("ping"))["ok"] is True


async def test_an_endpoint_where_nobody_answers_is_rolled_back(services, operator_at, make):
    first, second = services
    operator = await operator_at(first)
    board = await make(first, allowed=[second.endpoint])
    token = token_of(second)
    await second.stop()
    outcome = await operator.change(
        "set_endpoint", endpoint=second.endpoint, token=token, deadline=3
    )
    assert outcome["ok"] is False
    assert "not on the hub within 3 s: " in outcome["error"]
    await wait_for(board, f"connecting to {first.endpoint}")
    assert (await operator.command("ping"))["ok"] is True


async def test_a_reset_and_a_power_cut_in_the_middle_roll_back(services, operator_at, make):
    first, second = services
    operator = await operator_at(first)
    board = await make(first, allowed=[second.endpoint])
    token = token_of(second)
    await second.stop()
    for number, end in ((1, board.reset), (2, board.power_cut)):
        await operator.command("set_endpoint", endpoint=second.endpoint, token=token)
        await wait_for(board, re.compile(r"trying generation \d"))
        await wait_for(board, f"connecting to {second.endpoint}")
        await asyncio.to_thread(end)
        outcome = await operator.outcome(str(number))
        assert outcome["ok"] is False
        assert "the board was reset while it tried" in outcome["error"]
    await wait_for(board, "settings generation 1")


async def test_settings_that_hang_the_board_are_rolled_back_by_the_watchdog(
    services, operator_at, make
):
    service, _ = services
    operator = await operator_at(service)
    boot = BOOT + (
        b"from firmware import arming, trial as t\n"
        b"arming.SHORTEST = arming.TIMEOUT = 4\n"
        b"def hang(self, hub):\n"
        b"    print('hanging')\n"
        b"    while True: pass\n"
        b"t.Trial._decide = hang\n"
    )
    board = await make(service, boot=boot)
    outcome = await operator.change("set_token", token=token_of(service))
    assert board.restarts == ["reset", "watchdog"]
    assert "the board was reset while it tried" in outcome["error"]


@pytest.mark.parametrize("torn", [False, True])
async def test_power_cut_at_flash_writes(services, operator_at, make, torn):
    """Eight boards at once, each of which loses its power at another write of the change."""
    service, _ = services

    async def one(write):
        operator = await operator_at(service)
        group = f"commands-{write}"
        board = await make(service, token=token_of(service, groups=(group,)))
        new = token_of(service, user="CP-7-new", groups=(group,))
        board.cut_power_at_write(write, torn=torn)
        operator.number = 100 * write
        operator.group = group
        await operator.send("set_token", token=new)
        async with asyncio.timeout(PATIENCE):
            while "power_cut" not in board.restarts:
                await asyncio.sleep(0.05)
        # Whatever it had got to: it comes back by itself, with the old token or the new one,
        # and is open for the next change.
        await wait_for(board, re.compile(r"\[hub\] connected as CP-7(-new)?"))
        assert "damaged" not in board.console
        answer = await operator.command("set_token", token=new)
        assert answer["ok"] is True, answer
        outcome = await operator.outcome(answer["reply"])
        assert outcome["ok"] is True, outcome
        await wait_for(board, "[hub] connected as CP-7-new")

    await asyncio.gather(*(one(write) for write in range(1, 25, 3)))


async def test_to_tls_with_a_new_ca_and_back_by_a_wrong_one(
    services, operator_at, make, time_server
):
    first, second = services
    here, there = await operator_at(first), await operator_at(second)
    board = await make(first, allowed=[second.tls_endpoint], clock={"ntp": [time_server.address]})
    await here.command(
        "set_endpoint",
        endpoint=second.tls_endpoint,
        token=for_tls(second),
        ca=base64.b64encode(second.ca_der).decode(),
    )
    assert (await there.outcome("1"))["ok"] is True
    outcome = await there.change("set_ca", ca=[base64.b64encode(first.ca_der).decode()])
    assert outcome["ok"] is False
    assert "set_ca was rolled back: TLS with " in outcome["error"]
    outcome = await there.change("set_ca", ca=base64.b64encode(second.ca_der).decode())
    assert outcome["result"]["kept"] == "set_ca"
    assert "Traceback" not in board.console


async def test_only_listed_users_and_the_server_may(services, operator_at, make):
    service, _ = services
    ops, eve = await operator_at(service), await operator_at(service, "eve")
    board = await make(service)
    token = token_of(service)
    data = {"command": "set_token", "id": "evil", "arguments": {"token": token}}
    await eve.websocket.send_json({"type": "sendToGroup", "group": "commands", "data": data})
    await wait_for(board, "[command] ignored set_token from eve")
    assert (await ops.command("report"))["result"]["generation"] == 1
    assert board.restarts == []
    assert secrets_in(board, token) == []


async def test_what_is_not_even_tried(services, operator_at, make):
    first, second = services
    operator = await operator_at(first)
    board = await make(first, allowed=["ws://10.0.0.9:80", "wss://good.example"])
    token = token_of(first)
    for name, arguments, words in (
        ("set_endpoint", {"endpoint": second.endpoint}, "not in hub.endpoints_allowed"),
        ("set_endpoint", {"endpoint": "ws://10.0.0.9:80"}, "or is not wss"),
        ("set_endpoint", {"endpoint": "wss://good.example"}, "the token is for"),
        ("set_token", {"token": token_of(second)}, "the token is for"),
        ("set_token", {"token": token, "endpoint": "x"}, "unknown argument"),
        ("set_token", {}, "'token' is missing"),
        ("set_token", {"token": "x"}, "no Client Access Token"),
        ("set_token", {"token": token, "deadline": 0}, "'deadline' must be"),
        ("set_ca", {"ca": "AAAA"}, "not reached over TLS"),
    ):
        answer = await operator.command(name, **arguments)
        assert answer["ok"] is False
        assert words in answer["error"], answer
        assert "pending" not in answer
        assert token[:16] not in answer["error"]
    assert board.restarts == []
    assert "Traceback" not in board.console


async def test_report_and_log_level(services, operator_at, make):
    service, _ = services
    operator = await operator_at(service)
    board = await make(service)
    report = (await operator.command("report"))["result"]
    assert report["reset_cause"] == "power_on"
    assert report["versions"]["python"].startswith("micropython 1.")
    assert 30000 < report["heap_used"] < report["heap_total"]
    assert report["idf_largest"] > 0
    assert report["link"] == {"state": "up", "joins": 1, "address": "192.0.2.17"}
    assert report["rssi"] == -55
    assert report["hub"]["reconnects"] == 0
    assert report["hub"]["bytes_received"] > 50
    assert report["uptime"] >= 0
    assert (await operator.command("log_level", level="debug"))["result"] == "debug"
    await operator.command("ping")
    await wait_for(board, "[command] ping from group")
    assert (await operator.command("log_level", level="quiet"))["result"] == "quiet"
    # What was written before it was quiet may come after the answer: another way leads here.
    await wait_for(board, "[command] log_level from group")
    before = board.console.splitlines()  # the line break itself may be on its way
    await operator.command("ping")
    assert board.console.splitlines() == before
    answer = await operator.command("log_level", level="loud")
    assert "use one of quiet, info, debug" in answer["error"]
    await operator.command("reset")
    await wait_for(board, "[hub] connected as")
    report = (await operator.command("report"))["result"]
    assert (report["log_level"], report["reset_cause"]) == ("info", "hard")
