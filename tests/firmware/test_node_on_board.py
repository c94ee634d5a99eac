"""The whole firmware on a simulated board against a local service."""

import asyncio
import contextlib
import re

import aiohttp
import pytest
from aiohttp import web
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from localhub import LocalHub

from tests.support.protocol import JSON, ROLES

HUBS = {
    "hubs": [
        {"name": "chargers"},
        {"name": "open", "anonymous_connect_policy": "allow"},
    ]
}
# Generous: the machine may be busy.
PATIENCE = 40


@pytest.fixture
async def service():
    async with LocalHub(HUBS) as hub:
        yield hub


def token_of(service, user="CP-7", groups=("commands",), hub="chargers", **options):
    url = service.client_url(hub, user_id=user, roles=ROLES, groups=groups, **options)
    return url.partition("access_token=")[2]


async def wait_for(board, wanted, timeout=PATIENCE):
    return await asyncio.to_thread(board.wait_for, wanted, timeout)


class Laptop:
    """A client on the hub that gives commands and sees telemetry."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.seen = []

    async def until(self, group, wanted):
        """The first message of a group for which `wanted(data)` is true."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in self.seen:
                    if message.get("group") == group and wanted(message["data"]):
                        self.seen.remove(message)
                        return message["data"]
                self.seen.append(await self.websocket.receive_json())

    async def send(self, data, group="commands"):
        await self.websocket.send_json({"type": "sendToGroup", "group": group, "data": data})

    async def command(self, name, **more):
        self.number = getattr(self, "number", 0) + 1
        await self.send(dict(more, command=name, id=str(self.number)))
        return await self.until("replies", lambda data: data.get("reply") == str(self.number))


@pytest.fixture
async def join(service):
    """`await join(user)`: a Laptop with that user id."""
    async with aiohttp.ClientSession() as session:
        sockets = []

        async def connect(user="ops"):
            url = service.client_url(
                "chargers", user_id=user, roles=ROLES, groups=("telemetry", "replies", "app")
            )
            socket = await session.ws_connect(url, protocols=(JSON,))
            sockets.append(socket)
            laptop = Laptop(socket)
            laptop.seen.append(await socket.receive_json())
            return laptop

        yield connect
        for socket in sockets:
            await socket.close()


@pytest.fixture
def make_node(service, make_board, slot_files):
    """`await make_node(...)`: a board whose settings lead to the local service, with a token."""

    async def make(*, app=None, networks=None, **settings):
        settings.setdefault("token", token_of(service))
        hub = {"endpoint": service.endpoint, **settings.pop("hub", {})}
        files = slot_files(hub=hub, **settings)
        if app is not None:
            files["/app.py"] = app.encode()
        return await asyncio.to_thread(make_board, files, networks=networks)

    return make


async def test_telemetry_and_commands(make_node, join):
    laptop = await join()
    board = await make_node()
    await wait_for(board, re.compile(r"\[hub\] connected as CP-7 \(\S+\)"))
    first = await laptop.until("telemetry", lambda data: data["device"] == "CP-7")
    assert (first["sequence"], first["kind"], first["rssi"]) == (1, "charging-point", -55)
    assert first["heap_total"] - first["heap_used"] > 30000
    assert first["idf_free"] >= first["idf_largest"] > 0
    second = await laptop.until("telemetry", lambda data: data["sequence"] >= 3)
    assert second["uptime"] >= first["uptime"]
    assert await laptop.command("ping") == {
        "device": "CP-7",
        "reply": "1",
        "ok": True,
        "result": "pong",
    }
    assert (await laptop.command("report"))["result"]["sequence"] > 3
    result = (await laptop.command("identify"))["result"]
    assert result["python"].startswith("micropython 1.")
    answer = await laptop.command("dance")
    assert answer["ok"] is False
    assert "unknown command" in answer["error"]
    assert "eyJ" not in board.console
    assert "sesame" not in board.console


async def test_a_role_that_comes_after_the_connection_ends_a_board_s_deafness(
    service, make_node, join
):
    ops = await join()
    token = service.client_url(
        "chargers", user_id="CP-7", roles=["webpubsub.sendToGroup"]
    ).partition("token=")[2]
    board = await make_node(token=token, commands={"groups": ["commands"]})
    await wait_for(board, '[hub] did not join "commands": give this device the role')
    [connection] = [
        each.id for each in service.control.connections("chargers") if each.user_id == "CP-7"
    ]
    sdk = WebPubSubServiceClient.from_connection_string(service.connection_string, "chargers")
    await asyncio.to_thread(
        sdk.grant_permission, "joinLeaveGroup", connection, target_name="commands"
    )
    async with asyncio.timeout(PATIENCE):
        # Until it has joined, nobody hears it.
        while not any(each.get("data", {}).get("reply") for each in ops.seen):
            await ops.send({"command": "ping", "id": "1"})
            with contextlib.suppress(TimeoutError):
                ops.seen.append(await asyncio.wait_for(ops.websocket.receive_json(), 0.5))
    assert board.console.count("connected as CP-7") == 1


async def test_only_listed_users_are_obeyed(make_node, join):
    eve, ops = await join("eve"), await join()
    board = await make_node()
    await ops.until("telemetry", lambda data: True)
    await eve.send({"command": "reset", "id": "evil"})
    await wait_for(board, "[command] ignored reset from eve: not in commands.users")
    assert (await ops.command("ping"))["ok"] is True
    assert not any(message.get("data", {}).get("reply") == "evil" for message in ops.seen)
    assert board.restarts == []


async def test_the_board_joins_its_command_groups(make_node, join, service):
    laptop = await join()
    board = await make_node(token=token_of(service, groups=()), commands={"groups": ["commands"]})
    await laptop.until("telemetry", lambda data: True)
    assert (await laptop.command("ping"))["ok"] is True
    assert board.restarts == []


async def test_reset_by_command(make_node, join):
    laptop = await join()
    board = await make_node()
    await laptop.until("telemetry", lambda data: True)
    assert (await laptop.command("reset"))["result"] == "resetting"
    await wait_for(board, "[hub] connected as CP-7")
    await wait_for(board, "[hub] connected as CP-7")
    assert board.restarts == ["reset"]


async def test_app_is_handed_over_to(make_node, join):
    laptop = await join()
    board = await make_node(
        app="""
import asyncio

def double(arguments):
    return arguments["x"] * 2

commands = {"double": double}

async def main(client, settings):
    await client.send_to_group("app", {"hello": settings.device_id})
    async for message in client:
        if message.data == "stop":
            return
        await client.send_to_group("app", {"echo": message.data})
"""
    )
    await laptop.until("app", lambda data: data == {"hello": "CP-7"})
    await laptop.send("anything")
    await laptop.until("app", lambda data: data == {"echo": "anything"})
    assert (await laptop.command("double", arguments={"x": 21}))["result"] == 42
    await laptop.send("stop")
    await wait_for(board, "[app] finished")
    assert (await laptop.command("ping"))["ok"] is True
    answer = await laptop.command("double")
    assert answer["ok"] is False
    assert "x" in answer["error"]


async def test_an_app_that_fails_is_reported_and_started_again(make_node, join):
    laptop = await join()
    board = await make_node(
        app="""
starts = 0

async def main(client, settings):
    global starts
    starts += 1
    await client.send_to_group("app", starts)
    async for message in client:
        raise ValueError("no meter")
"""
    )
    await laptop.until("app", lambda data: data == 1)
    await laptop.send("go")
    await wait_for(board, "Traceback")
    await wait_for(board, "ValueError: no meter")
    await wait_for(board, "[app] failed; again in 1 s")
    assert (await laptop.command("ping"))["ok"] is True
    await laptop.until("app", lambda data: data == 2)
    assert (await laptop.command("ping"))["ok"] is True
    assert board.console.count("[hub] connected") == 1


async def test_an_app_with_a_syntax_error_leaves_the_device_on_the_hub(make_node, join):
    laptop = await join()
    board = await make_node(app="async def main(client, settings)\n")
    await wait_for(board, "SyntaxError")
    assert (await laptop.command("ping"))["ok"] is True


async def test_ctrl_c_gives_the_prompt_at_any_time(make_node, join):
    import serial

    laptop = await join()
    board = await make_node(
        app="async def main(client, settings):\n    while True:\n        pass\n"
    )
    await wait_for(board, "[app] started")
    with serial.Serial(board.port, timeout=1) as port:
        port.write(b"\x03")
        await wait_for(board, "[board] stopped by Ctrl-C")
        await wait_for(board, "[watchdog] resets the board in 30 minutes")
        await wait_for(board, ">>> ")
        port.write(b"print(6*7)\r")
        await wait_for(board, "42")
    assert laptop.websocket.closed is False


async def test_401_anonymous_names_the_service(make_node):
    board = await make_node(token="")
    await wait_for(board, '[hub] HTTP 401: hub "chargers" refuses anonymous devices')
    await wait_for(board, re.compile(r"again in \d+ s"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hub": "other"}, "/client/hubs/other and not for "),
        ({"key": "wrong"}, "does not accept the key of this board's token"),
    ],
)
async def test_401_token_names_the_board(make_node, service, options, words):
    if "key" in options:
        async with LocalHub(HUBS) as stranger:
            stranger.endpoint = service.endpoint
            token = token_of(stranger)
    else:
        token = token_of(service, **options)
    board = await make_node(token=token)
    await wait_for(board, "[hub] HTTP 401: ")
    await wait_for(board, words)
    await wait_for(board, "hubtool token")
    assert token[:20] not in board.console


async def test_401_backs_off(make_node, service):
    board = await make_node(token="")
    for _ in range(3):
        await wait_for(board, re.compile(r"again in \d+ s"))
    delays = [int(n) for n in re.findall(r"again in (\d+) s", board.console)]
    assert delays[-1] >= delays[0]
    assert delays[-1] >= 2, delays


async def test_the_service_comes_back(make_board, slot_files, join, service):
    laptop = await join()
    files = slot_files(hub={"endpoint": service.endpoint}, token=token_of(service))
    board = await asyncio.to_thread(make_board, files)
    await laptop.until("telemetry", lambda data: True)
    port = service.endpoint.rpartition(":")[2]
    await service.stop()
    await wait_for(board, "[hub] lost the connection")
    key = re.search("AccessKey=([^;]+)", service.connection_string).group(1)
    config = dict(HUBS, service={"port": int(port), "access_key": key})
    async with LocalHub(config):
        await wait_for(board, "[hub] connected as CP-7")


async def test_wrong_wifi_password(make_node):
    board = await make_node(networks={"depot": "another word"})
    await wait_for(board, '[wifi] "depot" refuses the password: run hubtool configure')
    assert "another" not in board.console
    assert "sesame" not in board.console


async def test_access_point_away_and_back(make_node, join):
    laptop = await join()
    board = await make_node(networks={})
    await wait_for(board, '[wifi] "depot" is not there')
    board.radio.add("depot", "open sesame")
    await wait_for(board, '[wifi] joined "depot" as 192.0.2.17')
    await wait_for(board, "[hub] connected as CP-7")
    board.radio.remove("depot")
    await wait_for(board, '[wifi] lost "depot"')
    await wait_for(board, '[wifi] "depot" is not there')
    board.radio.add("depot", "open sesame")
    await wait_for(board, '[wifi] joined "depot"')
    laptop.seen.clear()
    assert (await laptop.command("ping"))["ok"] is True


async def test_wifi_internal_error(make_node):
    board = await make_node(networks={})
    await wait_for(board, '[wifi] "depot" is not there')
    board.radio.refuse_next_connect()
    board.radio.add("depot", "open sesame")
    await wait_for(board, "[wifi] joined")


async def test_no_wifi_in_the_settings(make_board, slot_files, service, join):
    laptop = await join()
    files = slot_files(
        hub={"endpoint": service.endpoint}, token=token_of(service), wifi={"ssid": None}
    )
    board = await asyncio.to_thread(make_board, files, networks={})
    await laptop.until("telemetry", lambda data: data["rssi"] is None)
    assert "[wifi]" not in board.console


async def test_anonymous_on_a_hub_that_allows_it(make_node):
    board = await make_node(token="", hub={"name": "open", "query": {"id": "CP-7"}})
    await wait_for(board, "[hub] connected as anonymous")
    await wait_for(board, "give this device the role webpubsub.sendToGroup.telemetry")


async def test_maintenance(make_board, slot_files):
    board = await asyncio.to_thread(make_board, slot_files(), {"/hub/maintenance": b""})
    await wait_for(board, "[watchdog] off: remove /hub/maintenance")


async def test_commands_of_the_server_are_answered_as_events(make_board, slot_files):
    replies = asyncio.Queue()

    async def handle(request):
        headers = {"WebHook-Allowed-Origin": "*"}
        if request.method == "POST" and request.headers.get("ce-eventName") == "status":
            command = {"command": "ping", "id": "s1"}
            return web.json_response(command, headers=headers)
        if request.method == "POST" and request.headers.get("ce-eventName") == "reply":
            replies.put_nowait(await request.json())
        return web.Response(status=204 if request.method == "POST" else 200, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/handler", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/handler"
    handlers = [{"url_template": url, "user_event_pattern": "*"}]
    hubs = [{"name": "chargers", "event_handlers": handlers}]
    try:
        async with LocalHub({"hubs": hubs}) as service:
            files = slot_files(hub={"endpoint": service.endpoint}, token=token_of(service))
            files["/app.py"] = (
                b"async def main(client, settings):\n"
                b"    await client.send_event('status', {'state': 'Available'})\n"
            )
            await asyncio.to_thread(make_board, files)
            reply = await asyncio.wait_for(replies.get(), PATIENCE)
    finally:
        await runner.cleanup()
    assert reply == {"device": "CP-7", "reply": "s1", "ok": True, "result": "pong"}
