"""The whole firmware on a simulated board, speaking protobuf with a local service."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from hubtool.device_build import prepare_sources
from localhub import LocalHub
from micropython_webpubsub.assets import device_files

from tests.support.protocol import JSON, ROLES

PATIENCE = 40
APP = b"""
import webpubsub

async def main(client, settings):
    loaded = [name for name in CODECS if name in webpubsub.__dict__]
    await client.send_to_group("telemetry", {"loaded": loaded})
    async for message in client:
        await client.send_to_group("telemetry", {"got": message.data})
"""


@pytest.fixture(scope="session")
def codecs():
    """The two codecs, JSON first, as the package knows them in the build."""
    names = prepare_sources(device_files()).modules_as
    return [names["webpubsub.json_protocol"], names["webpubsub.protobuf_protocol"]]


class Application:
    """The application server of a hub: it sees reports and answers, and gives commands."""

    def __init__(self):
        self.events = asyncio.Queue()

    async def handle(self, request):
        """Take an event of the hub's."""
        if request.method == "POST":
            self.events.put_nowait((request.headers["ce-eventName"], await request.json()))
        headers = {"WebHook-Allowed-Origin": "*"}
        return web.Response(status=204 if request.method == "POST" else 200, headers=headers)

    async def answer_to(self, id_):
        """The answer that a board sends to a command of the server."""
        async with asyncio.timeout(PATIENCE):
            while True:
                name, data = await self.events.get()
                if name == "reply" and data["reply"] == id_:
                    return data


@pytest.fixture
async def application():
    found = Application()
    app = web.Application()
    app.router.add_route("*", "/handler", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/handler"
    yield found
    await runner.cleanup()


@pytest.fixture
async def service(application):
    handlers = [{"url_template": application.url, "user_event_pattern": "*"}]
    async with LocalHub({"hubs": [{"name": "chargers", "event_handlers": handlers}]}) as hub:
        yield hub


class Operator:
    """Somebody in the group of reports, who speaks JSON."""

    def __init__(self, websocket):
        self.websocket = websocket

    async def until(self, wanted):
        """The data of the next message for which `wanted(data)` is true."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await self.websocket.receive_json()
                if message["type"] == "message" and wanted(message["data"]):
                    assert message["dataType"] == "json"
                    return message["data"]

    async def send(self, data):
        """Send to the group of commands."""
        await self.websocket.send_json({"type": "sendToGroup", "group": "commands", "data": data})


@pytest.fixture
async def operator(service):
    url = service.client_url("chargers", user_id="ops", roles=ROLES, groups=("telemetry",))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(JSON,)) as websocket,
    ):
        yield Operator(websocket)


@pytest.mark.parametrize("kind", ["reliable.", ""])
async def test_reports_and_commands(
    make_board, slot_files, service, application, operator, codecs, kind
):
    protocol = f"protobuf.{kind}webpubsub.azure.v1"
    url = service.client_url("chargers", user_id="CP-7", roles=ROLES, groups=("commands",))
    files = slot_files(
        hub={"endpoint": service.endpoint, "protocol": protocol},
        token=url.partition("access_token=")[2],
    )
    files["/app.py"] = APP.replace(b"CODECS", repr(codecs).encode())
    board = await asyncio.to_thread(make_board, files)
    # Only what was chosen is loaded.
    loaded = await operator.until(lambda data: "loaded" in data)
    assert loaded["loaded"] == [codecs[1]]
    report = await operator.until(lambda data: data.get("device") == "CP-7")
    assert report["kind"] == "charging-point"
    connections = service.control.connections("chargers")
    assert protocol in [each.subprotocol for each in connections if each.user_id == "CP-7"]

    def command(content):
        service.control.send("chargers", content, user_id="CP-7")

    command({"command": "ping", "id": "1"})
    assert (await application.answer_to("1"))["result"] == "pong"
    command('{"command": "identify", "id": "2"}')
    assert (await application.answer_to("2"))["result"]["kind"] == "charging-point"

    # Messages in groups do not name their sender: nobody there is obeyed, listed or not.
    await operator.send({"command": "reset", "id": "3"})
    ignored = "[command] ignored reset from nobody known: anonymous, or by protobuf"
    await asyncio.to_thread(board.wait_for, ignored, PATIENCE)
    # The app gets them all the same.
    await operator.until(lambda data: data.get("got") == {"command": "reset", "id": "3"})
    command({"command": "ping", "id": "4"})
    assert (await application.answer_to("4"))["ok"] is True
    assert board.restarts == []
