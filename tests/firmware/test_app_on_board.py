"""An app that asks for its messages with deadlines gets each of them once, as one with a loop."""

import asyncio
import random

import aiohttp
import pytest
from localhub import LocalHub

HUBS = {"hubs": [{"name": "chargers"}]}
JSON = "json.webpubsub.azure.v1"
ROLES = ("webpubsub.sendToGroup",)
PATIENCE = 40

# It fails after each 25th number, too: what comes until it is started again waits for it.
APP = """
import asyncio

got = []
stopped = 0


async def main(client, settings):
    global stopped
    while True:
        try:
            message = await asyncio.wait_for(client.__anext__(), 0.02)
        except asyncio.TimeoutError:
            continue
        if isinstance(message.data, int):
            got.append(message.data)
            if stopped < STOPS and len(got) % 25 == 0:
                stopped += 1
                raise OSError("broken")


def taken(arguments):
    return {"got": got, "stopped": stopped}


commands = {"taken": taken}
"""


@pytest.fixture
async def service():
    async with LocalHub(HUBS) as hub:
        yield hub


@pytest.fixture
async def operator(service):
    url = service.client_url("chargers", user_id="ops", roles=ROLES, groups=("replies",))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(JSON,)) as socket,
    ):
        yield socket


async def send(operator, data):
    await operator.send_json({"type": "sendToGroup", "group": "commands", "data": data})


async def ask(operator, name):
    await send(operator, {"command": name, "id": name})
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = (await operator.receive_json()).get("data", {})
            if answer.get("reply") == name:
                return answer["result"]


@pytest.mark.parametrize("stops", [0, 2])
async def test_each_message_comes_once(service, operator, make_board, slot_files, stops):
    url = service.client_url("chargers", user_id="CP-7", roles=ROLES, groups=("commands",))
    files = slot_files(
        token=url.partition("access_token=")[2],
        hub={"endpoint": service.endpoint},
        telemetry={"group": ""},
    )
    files["/app.py"] = APP.replace("STOPS", str(stops)).encode()
    board = await asyncio.to_thread(make_board, files)
    await asyncio.to_thread(board.wait_for, "[app] started", PATIENCE)
    chance = random.Random(7)
    for number in range(100):
        await send(operator, number)
        # As often before a deadline as at one; slow enough for the 16 that wait in a pause.
        await asyncio.sleep(chance.choice((0, 0.005, 0.02, 0.021, 0.04)) + (stops and 0.15))
    async with asyncio.timeout(PATIENCE):
        while len((found := await ask(operator, "taken"))["got"]) < 100:
            await asyncio.sleep(0.2)
    assert found == {"got": list(range(100)), "stopped": stops}
    assert await ask(operator, "ping") == "pong"
