"""A board whose memory somebody takes, on the model of the chip: reported, survived, or reset."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from localhub import LocalHub
from simboard.chip import places

from tests.support.protocol import JSON

HUBS = {"hubs": [{"name": "chargers"}]}
PATIENCE = 120

pytestmark = pytest.mark.skipif(
    not places.versions(), reason="the model of the chip is not built: run `make chip`"
)

# An app that takes what the network has, once or again and again; not after the first start.
GREEDY = """
import asyncio
import _chip
import machine
from webpubsub.memory import idf_heap
from webpubsub.outbox import Outbox

taken = []

def take():
    while True:
        _, largest = idf_heap()
        if largest < 1000:
            break
        taken.append(_chip.take(largest))

async def main(client, settings):
    outbox = Outbox(client, "/outbox")
    if machine.reset_cause() != machine.PWRON_RESET:
        print("[app] behaves")
        await asyncio.sleep(1000)
    take()
    await outbox.send_to_group("kept", {"n": 1})
    while True:
        take()
        if %r:
            break
        await asyncio.sleep(0.1)
"""
# Twenty times as fast where minutes are counted, and a session that is given up soon.
HASTY = b"""
from firmware import runtime
ticks_ms = runtime.ticks_ms

def hasty():
    return ticks_ms() * 20 & 0x3fffffff

def first():
    # The first who looks at the time comes after main.py has shaped the heap: what is loaded
    # before that is in its way.
    import webpubsub
    client = webpubsub.WebPubSubClient
    webpubsub.WebPubSubClient = lambda *a, **o: client(*a, recovery_timeout=2, **o)
    runtime.ticks_ms = hasty
    return hasty()

runtime.ticks_ms = first
runtime.Uptime.seconds = lambda uptime: 1000
"""


@pytest.fixture
def make(make_board, slot_files):
    async def make(service, chip, app):
        roles = ("webpubsub.sendToGroup",)
        url = service.client_url("chargers", user_id="CP-7", roles=roles, groups=("commands",))
        files = slot_files(
            hub={"endpoint": service.endpoint},
            token=url.partition("access_token=")[2],
            telemetry={"group": ""},
        )
        files["/app.py"] = app.encode()
        files["/boot.py"] = HASTY
        return await asyncio.to_thread(make_board, files, chip=chip)

    return make


async def on_each_chip(check):
    """Run `check(service, chip)` on all versions at once: they wait for most of their time."""

    async def one(chip):
        async with LocalHub(HUBS) as service:
            await check(service, chip)

    await asyncio.gather(*map(one, sorted(places.versions())))


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


@pytest.mark.slow
async def test_the_ballast_brings_a_starved_board_back(make):
    async def check(service, chip):
        board = await make(service, chip, GREEDY % True)
        await wait_for(board, "[hub] connected")
        await wait_for(board, "[hub] lost the connection")
        await wait_for(
            board,
            re.compile(r"\[memory\] short: Python has used \d+ of \d+ bytes, the network has"),
        )
        await wait_for(board, "[memory] letting the ballast go")
        await wait_for(board, "[hub] connected")
        assert board.restarts == []

    await on_each_chip(check)


@pytest.mark.slow
async def test_a_board_without_memory_resets_and_says_why(make):
    async def check(service, chip):
        kept = asyncio.create_task(first_in(service, "kept"))
        board = await make(service, chip, GREEDY % False)
        await wait_for(board, "[hub] connected")
        await wait_for(board, "[memory] letting the ballast go")
        reported = await wait_for(board, re.compile(r"\[memory\] does not come back: [^\r\n]*"))
        assert "resetting the board; Python has used" in reported
        await wait_for(board, "[hub] connected")
        assert board.restarts == ["reset"]
        await wait_for(board, "[app] behaves")
        # It kept what its outbox held, over the reset.
        assert (await kept)["n"] == 1
        answer = await first_in(service, "replies", {"command": "report"})
        assert answer["result"]["reset_cause"] == "memory"
        assert answer["result"]["outbox"]["delivered"] == 1

    await on_each_chip(check)


async def first_in(service, group, command=None):
    """The first message in a group, as an operator sees it; after a command, if there is one."""
    roles = ("webpubsub.sendToGroup",)
    url = service.client_url("chargers", user_id="ops", roles=roles, groups=(group,))
    async with (
        asyncio.timeout(2 * PATIENCE),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(JSON,)) as socket,
    ):
        await socket.receive_json()
        if command:
            data = {"type": "sendToGroup", "group": "commands", "data": command}
            await socket.send_json(data)
        while (message := await socket.receive_json()).get("group") != group:
            pass
        return message["data"]
