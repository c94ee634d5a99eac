"""A board whose memory somebody takes, on the model of the chip: told, survived, or reset."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from localhub import LocalHub
from simboard.chip import places

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

taken = []

def take():
    while True:
        _, largest = idf_heap()
        if largest < 1000:
            break
        taken.append(_chip.take(largest))

async def main(client, settings):
    if machine.reset_cause() != machine.PWRON_RESET:
        print("[app] behaves")
        return
    while True:
        take()
        if %r:
            break
        await asyncio.sleep(0.1)
"""
# Twenty times as fast where minutes are counted, and a session that is given up soon.
HASTY = b"""
from firmware import clock, shortage, wiring
ticks_ms = shortage.ticks_ms
shortage.ticks_ms = lambda: ticks_ms() * 20 & 0x3fffffff
clock.Uptime.seconds = lambda uptime: 1000
client = wiring.WebPubSubClient
wiring.WebPubSubClient = lambda *a, **o: client(*a, recovery_timeout=2, **o)
"""


@pytest.fixture(params=sorted(places.versions()) or ["none"])
def chip(request):
    return request.param


@pytest.fixture
async def service():
    async with LocalHub(HUBS) as hub:
        yield hub


@pytest.fixture
def make(make_board, slot_files, service, chip):
    async def make(app):
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


async def wait_for(board, wanted):
    return await asyncio.to_thread(board.wait_for, wanted, PATIENCE)


async def test_the_ballast_brings_a_starved_board_back(make):
    board = await make(GREEDY % True)
    await wait_for(board, "[hub] connected")
    await wait_for(board, "[hub] lost the connection")
    await wait_for(
        board, re.compile(r"\[memory\] short: Python has used \d+ of \d+ bytes, the network has")
    )
    await wait_for(board, "[memory] letting the ballast go")
    await wait_for(board, "[hub] connected")
    assert board.restarts == []


async def test_a_board_without_memory_resets_and_says_why(make, service):
    board = await make(GREEDY % False)
    await wait_for(board, "[hub] connected")
    await wait_for(board, "[memory] letting the ballast go")
    told = await wait_for(board, re.compile(r"\[memory\] does not come back: [^\r\n]*"))
    assert "resetting the board; Python has used" in told
    await wait_for(board, "[hub] connected")
    assert board.restarts == ["reset"]
    await wait_for(board, "[app] behaves")
    assert (await report(service))["reset_cause"] == "memory"


async def report(service):
    """What the board answers to an operator."""
    roles = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
    url = service.client_url("chargers", user_id="ops", roles=roles, groups=("replies",))
    async with (
        asyncio.timeout(PATIENCE),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=("json.webpubsub.azure.v1",)) as socket,
    ):
        await socket.receive_json()
        command = {"type": "sendToGroup", "group": "commands", "data": {"command": "report"}}
        await socket.send_json(command)
        while (message := await socket.receive_json()).get("group") != "replies":
            pass
        return message["data"]["result"]
