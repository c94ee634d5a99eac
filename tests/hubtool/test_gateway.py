"""The gateway between a hub and central systems: the local service, the handler, real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from aiohttp import web
from hubtool.errors import HubtoolError
from hubtool.servers import gateway as gateway_module
from hubtool.servers import gateway_service
from hubtool.servers.gateway_core import Routes, answer_to, encoded
from hubtool.servers.handler import running
from hubtool.servers.handler_table import HandlerTable, load_handler_table
from localhub import LocalHub
from ocpp.v16 import call
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.central_system import CentralSystem

KEY = "p" * 20 + "0123456789abcdefghij"
Behaviour = Callable[[ServerConnection], Awaitable[None]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class World:
    """The service, the handler, and what the handler said."""

    def __init__(self, hub_port: int) -> None:
        self.port = hub_port
        self.lines: list[str] = []
        self.headers: dict[str, str] = {}
        self.devices: list[ClientConnection] = []

    async def device(self, name: str = "CP-7", **more: Any) -> ClientConnection:
        query = more.pop("query", f"id={name}")
        found = await websockets.connect(
            f"ws://127.0.0.1:{self.port}/client/hubs/chargers?{query}",
            subprotocols=more.pop("subprotocols", ["ocpp1.6"]),
            compression=None,
            **more,
        )
        self.devices.append(found)
        return found

    async def refused(self, **more: Any) -> int:
        with pytest.raises(InvalidStatus) as caught:
            await self.device(**more)
        return caught.value.response.status_code


@asynccontextmanager
async def world(
    central: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: str | None = None,
    table: str = "",
    **rule: Any,
) -> AsyncIterator[World]:
    port, handler_port = free_port(), free_port()
    string = f"Endpoint={service or f'http://127.0.0.1:{port}'};AccessKey={KEY};Version=1.0;"
    monkeypatch.setenv("TEST_SERVICE", string)
    monkeypatch.setenv("TEST_ACCESS", KEY)
    path = tmp_path / "gateway.toml"
    rest = "\n".join(f"{name} = {value}" for name, value in rule.items())
    path.write_text(f"""\
[handler]
access_keys = [{{ env = "TEST_ACCESS" }}]
connection_string = {{ env = "TEST_SERVICE" }}
central_timeout = 1.0
{table}

[[handler.devices]]
match = {{ query.id = "*" }}
user_id = "{{query.id}}"
central_system = "{central}"
{rest}
""")
    config = {
        "service": {
            "port": port,
            "access_key": KEY,
            "forward_basic_authorization": True,
            "event_handler_retry_delays_in_seconds": [0.01],
        },
        "hubs": [
            {
                "name": "chargers",
                "anonymous_connect_policy": "allow",
                "event_handlers": [
                    {
                        "url_template": f"http://127.0.0.1:{handler_port}/events/{{event}}",
                        "user_event_pattern": "*",
                        "system_events": ["connect", "connected", "disconnected"],
                    }
                ],
            }
        ],
    }
    loaded = load_handler_table(path)
    assert loaded is not None
    made = World(port)
    async with (
        LocalHub(config),
        running(loaded, folder=tmp_path, port=handler_port, report=made.lines.append),
    ):
        try:
            yield made
        finally:
            for device in made.devices:
                await device.close()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return lambda central, **more: world(central, tmp_path, monkeypatch, **more)


@asynccontextmanager
async def central_of(behaviour: Behaviour, **more: Any) -> AsyncIterator[str]:
    """A central system that does anything; gives its base URL."""
    more.setdefault("subprotocols", ["ocpp1.6"])
    async with serve(behaviour, "127.0.0.1", 0, compression=None, **more) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


# -- a session -------------------------------------------------------------------------------


async def test_ocpp_goes_both_ways(gateway: Any) -> None:
    async with (
        CentralSystem().running() as central,
        gateway(f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}") as world,
    ):
        device = await world.device()
        assert device.subprotocol == "ocpp1.6"
        boot = {"chargePointModel": "M", "chargePointVendor": "V"}
        await device.send(json.dumps([2, "1", "BootNotification", boot]))
        kind, number, answer = json.loads(await device.recv())
        assert (kind, number, answer["status"]) == (3, "1", "Accepted")

        async def answers() -> None:
            text = await device.recv()
            assert json.loads(text)[2] == "Reset"
            await device.send(json.dumps([3, json.loads(text)[1], {"status": "Accepted"}]))

        answering = asyncio.create_task(answers())
        assert (await central.ask(call.Reset(type="Soft"))).status == "Accepted"
        await answering
        assert central.faults == []
        assert central.handshakes[0].path == "/ocpp/CP-7"


async def test_an_identity_is_percent_encoded(gateway: Any) -> None:
    paths = []

    async def keep(connection: ServerConnection) -> None:
        assert connection.request is not None
        paths.append(connection.request.path)
        await echo(connection)

    async with central_of(keep) as url, gateway(f"{url}/{{query.id}}?x=1") as world:
        await world.device(query="id=a%2Fb%20%3F%C3%A9")
        assert paths == ["/ocpp/a%2Fb%20%3F%C3%A9?x=1"]
        assert await world.refused(query="id=..") == 404
        assert len(paths) == 1


async def test_frames_keep_their_order_in_a_flood(gateway: Any) -> None:
    async def flood(connection: ServerConnection) -> None:
        # Before the device's `connected` came, too.
        for number in range(400):
            await connection.send(f"c{number}")
        await echo(connection)

    async with central_of(flood) as url, gateway(f"{url}/{{query.id}}") as world:
        device = await world.device()
        for number in range(100):
            await device.send(f"d{number}")
        got = [await asyncio.wait_for(device.recv(), 20) for _ in range(500)]
        assert got == [f"c{n}" for n in range(400)] + [f"d{n}" for n in range(100)]


async def test_basic_credentials_are_handed_through(gateway: Any) -> None:
    async with (
        CentralSystem().running() as central,
        gateway(f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}") as world,
    ):
        text = base64.b64encode(b"CP-7:device-secret-1").decode()
        await world.device(additional_headers={"Authorization": f"Basic {text}"})
        assert central.handshakes[0].key == b"device-secret-1"
        assert not any("device-secret" in line or text in line for line in world.lines)


async def test_credentials_that_a_rewrite_rule_moved_into_the_query(gateway: Any) -> None:
    async with (
        CentralSystem().running() as central,
        gateway(
            f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}",
            central_authorization='"query.auth"',
        ) as world,
    ):
        text = base64.b64encode(b"CP-7:device-secret-1").decode()
        await world.device(query=f"id=CP-7&auth={text}")
        assert central.handshakes[0].key == b"device-secret-1"


async def test_a_key_comes_from_a_place_of_secrets(gateway: Any, tmp_path: Path) -> None:
    (tmp_path / "key-CP-7").write_text("central-secret-7\n")
    async with (
        CentralSystem().running() as central,
        gateway(
            f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}",
            central_key='{ file = "key-{id}" }',
        ) as world,
    ):
        await world.device()
        assert (central.handshakes[0].user, central.handshakes[0].key) == (
            "CP-7",
            b"central-secret-7",
        )
        # One without a key does not come in, and nobody is asked.
        assert await world.refused(name="CP-8") == 401
        assert len(central.handshakes) == 1
        assert not any("central-secret" in line for line in world.lines)


# -- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "to_handler"), [(401, 401), (403, 403), (404, 404), (500, 500), (200, 502)]
)
async def test_the_central_systems_status_is_the_answer(
    gateway: Any, status: int, to_handler: int
) -> None:
    def no(connection: ServerConnection, _: Any) -> Any:
        return connection.respond(status, "no\n")

    async with central_of(echo, process_request=no) as url, gateway(f"{url}/x") as world:
        got = await world.refused()
        # The service hands 4xx on, and makes 5xx of the rest.
        assert got == to_handler if to_handler < 500 else got >= 500
        assert world.lines == [f"refused CP-7 (rule 1): the central system answered {status}"] * (
            1 if to_handler < 500 else 2
        )
        assert answer_to(status) == to_handler


async def test_an_unreachable_central_system_is_503(gateway: Any) -> None:
    async with gateway(f"ws://127.0.0.1:{free_port()}/ocpp") as world:
        assert await world.refused() >= 500
        assert world.lines[0].endswith("the central system cannot be reached")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "does not answer in time"),
        (b"\x00\xff garbage\r\n\r\n", "is no handshake"),
        (b"", "is no handshake"),
    ],
)
async def test_a_central_system_that_is_none(
    gateway: Any, said: bytes | None, reason: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with gateway(f"ws://127.0.0.1:{port}/ocpp") as world:
            assert await world.refused() >= 500
            assert reason in world.lines[0]


@pytest.mark.parametrize("chosen", [None, ["ocpp2.0.1"]])
async def test_the_subprotocol_must_be_chosen(gateway: Any, chosen: list[str] | None) -> None:
    def choose(*_: Any) -> Any:
        return None if chosen is None else chosen[0]

    async with (
        central_of(echo, subprotocols=["ocpp1.6"], select_subprotocol=choose) as url,
        gateway(f"{url}/x") as world,
    ):
        assert await world.refused() >= 500
        assert "does not choose ocpp1.6" in world.lines[0]


async def test_there_are_no_more_than_the_limit(gateway: Any) -> None:
    async with (
        central_of(echo) as url,
        gateway(f"{url}/x", table="central_connections = 1") as world,
    ):
        first = await world.device("CP-1")
        assert await world.refused(name="CP-2") >= 500
        await first.send("still there")
        assert await first.recv() == "still there"
        # One that comes back takes its own place.
        await (second := await world.device("CP-1")).send("again")
        assert await second.recv() == "again"


# -- the end of a connection -----------------------------------------------------------------


async def test_each_side_closes_with_the_other(gateway: Any) -> None:
    closed: list[str] = []

    async def until_closed(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "go":
                await connection.send("last")
                return
        closed.append("closed")

    async with central_of(until_closed) as url, gateway(f"{url}/x") as world:
        device = await world.device("CP-1")
        await device.send("go")
        # What was said before the end still comes.
        assert await device.recv() == "last"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)
        device = await world.device("CP-2")
        await device.close()
        await eventually(lambda: closed)


@pytest.mark.parametrize("late", [False, True])
async def test_a_central_system_that_breaks_off(gateway: Any, late: bool) -> None:
    async def cut(connection: ServerConnection) -> None:
        if late:
            # The beginning of a frame of 100 bytes.
            connection.transport.write(b"\x81\x64[2,")
            await asyncio.sleep(0.1)
        connection.transport.abort()

    async with central_of(cut) as url, gateway(f"{url}/x") as world:
        device = await world.device()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)


async def test_the_newest_connection_of_an_identity_stays(gateway: Any) -> None:
    async with central_of(echo) as url, gateway(f"{url}/x") as world:
        older, other = await world.device(), await world.device("CP-8")
        newer = await world.device()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(older.recv(), 5)
        for device in (newer, other):
            await device.send("hello")
            assert await device.recv() == "hello"


@pytest.mark.parametrize("from_device", [True, False])
async def test_a_binary_frame_drops_the_device(gateway: Any, from_device: bool) -> None:
    async def binary(connection: ServerConnection) -> None:
        if not from_device:
            await connection.send(b"\x00")
        await connection.wait_closed()

    async with central_of(binary) as url, gateway(f"{url}/x") as world:
        device = await world.device()
        if from_device:
            await device.send(b"\x00")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)
        assert any("dropped CP-7" in line and "no text" in line for line in world.lines)


async def test_a_frame_too_large_drops_the_device(gateway: Any) -> None:
    async def large(connection: ServerConnection) -> None:
        await connection.send("x" * (gateway_module.LARGEST_FRAME + 1))
        await connection.wait_closed()

    async with central_of(large) as url, gateway(f"{url}/x") as world:
        device = await world.device()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)
        assert any("too large" in line for line in world.lines)


async def test_the_end_of_the_handler_closes_all_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()

    async def keep(connection: ServerConnection) -> None:
        await connection.wait_closed()
        closed.set()

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(central_of(keep))
        async with world(f"{url}/x", tmp_path, monkeypatch) as made:
            device = await made.device()
        await asyncio.wait_for(closed.wait(), 5)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)


# -- the service -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 500, 503, None])
async def test_a_frame_that_the_service_does_not_take_drops_the_device(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    monkeypatch.setattr(gateway_service, "_ATTEMPT", 0.5)
    monkeypatch.setattr(gateway_service, "_PAUSES", (0.01,))
    asked: list[str] = []
    gone = asyncio.Event()

    async def rest(request: web.Request) -> web.Response:
        asked.append(request.method)
        if status is None and request.method == "POST":
            await asyncio.sleep(2)
        return web.Response(status=status or 204)

    async def central(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()
        gone.set()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", rest)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    try:
        async with (
            central_of(central) as url,
            gateway(f"{url}/x", service=f"http://127.0.0.1:{port}") as world,
        ):
            device = await world.device()
            await asyncio.wait_for(gone.wait(), 5)
            assert any("dropped CP-7: a frame does not reach it" in one for one in world.lines)
            # 503 is tried again: then nothing was done. After the others it might come twice.
            assert asked.count("POST") == (2 if status == 503 else 1)
            # The service did not close it, so its next frame does.
            await device.send("anybody there?")
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(device.recv(), 5)
            assert not any(KEY in line for line in world.lines)
    finally:
        await runner.cleanup()


async def post(session: aiohttp.ClientSession, url: str, kind: str, **more: str) -> int:
    headers = {
        "ce-type": f"azure.webpubsub.{kind}",
        "ce-connectionId": "c1",
        "ce-hub": "chargers",
        "ce-subprotocol": "ocpp1.6",
        "WebHook-Request-Origin": "demo.webpubsub.azure.com",
        "Content-Type": "text/plain; charset=utf-8",
        **more,
    }
    body = more.pop("body", "x")
    async with session.post(f"{url}/x", data=body.encode(), headers=headers) as answer:
        return answer.status


async def test_events_are_repeated_and_devices_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []

    async def keep(connection: ServerConnection) -> None:
        async for message in connection:
            got.append(message)

    monkeypatch.setenv(
        "TEST_SERVICE",
        f"Endpoint=http://127.0.0.1:{free_port()};AccessKey={KEY};Version=1.0;",
    )
    async with central_of(keep) as url:
        table = HandlerTable.model_validate(
            {
                "connection_string": {"env": "TEST_SERVICE"},
                "devices": [
                    {"match": {"query": {"id": "*"}}, "user_id": "u", "central_system": url}
                ],
            }
        )
        async with (
            running(table, port=0, report=lambda _: None) as handler,
            aiohttp.ClientSession() as session,
        ):
            # After a restart: the handler knows nothing of this device.
            assert await post(session, handler, "user.message") == 410
            event = json.dumps({"query": {"id": ["u"]}, "subprotocols": ["ocpp1.6"]})
            assert await post(session, handler, "sys.connect", body=event) == 200
            for number in ("1", "1", "2"):
                assert await post(session, handler, "user.message", **{"ce-id": number}) == 204
            await eventually(lambda: len(got) == 2)
            await asyncio.sleep(0.1)
            assert got == ["x", "x"]


# -- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"central_system": "https://c.example/"}, "ws:// or wss://"),
        ({"central_system": "wss:///x"}, "ws:// or wss://"),
        ({"central_system": "wss://c.example/{query.nobody}"}, "not among the matched names"),
        ({"central_system": "wss://c.example/{query.id"}, "write a name in braces"),
        ({"central_system": "wss://{query.id}/x"}, "must not choose the host"),
        ({"central_system": "wss://u:p@c.example/"}, "no credentials in a URL"),
        ({"central_system": "wss://c.example/#x"}, "no '#'"),
        ({"central_system": "wss://c.example:99999/"}, "port"),
        ({"user_id": None}, "needs a user_id"),
        ({"central_user": "x"}, "needs a central_key"),
        ({"central_key": "written-here"}, "not written into this file"),
        ({"central_authorization": "cookie"}, "no value of a device"),
        ({"central_system": None, "central_key": {"env": "X"}}, "need a central_system"),
        ({"central_system": "ws://c.example/", "central_ca": "ca.pem"}, "for wss"),
    ],
)
def test_a_wrong_rule_is_refused(changes: dict[str, Any], text: str) -> None:
    rule = {
        "match": {"query": {"id": "*"}},
        "user_id": "{query.id}",
        "central_system": "wss://c.example/{query.id}",
    } | changes
    with pytest.raises(ValueError, match=text.replace("(", r"\(")) as caught:
        HandlerTable.model_validate({"connection_string": {"env": "X"}, "devices": [rule]})
    assert "written-here" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "rule", "text"),
    [
        ({"connection_string": {"env": "TEST_NOWHERE"}}, {}, "TEST_NOWHERE is not set"),
        ({}, {"central_key": {"env": "TEST_NOWHERE"}}, "TEST_NOWHERE is not set"),
        ({}, {"central_ca": "nowhere.pem"}, "nowhere.pem cannot be read"),
        ({}, {"central_ca": "empty.pem"}, "no certificates"),
        ({"connection_string": {"env": "TEST_BROKEN"}}, {}, "the connection string has"),
    ],
)
async def test_what_is_missing_is_said_at_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: dict[str, Any],
    rule: dict[str, Any],
    text: str,
) -> None:
    monkeypatch.setenv("TEST_SERVICE", f"Endpoint=http://127.0.0.1:1;AccessKey={KEY};")
    monkeypatch.setenv("TEST_BROKEN", "nonsense")
    (tmp_path / "empty.pem").write_text("-")
    whole = HandlerTable.model_validate(
        {
            "connection_string": {"env": "TEST_SERVICE"},
            "devices": [
                {
                    "match": {"query": {"id": "*"}},
                    "user_id": "u",
                    "central_system": "wss://c.example/",
                }
                | rule
            ],
        }
        | table
    )
    with pytest.raises(HubtoolError, match=text):
        async with running(whole, folder=tmp_path, port=0):
            pass


def test_a_central_system_needs_the_service() -> None:
    rule = {"match": {"query": {"id": "*"}}, "user_id": "u", "central_system": "wss://c.example"}
    with pytest.raises(ValueError, match=r"needs handler\.connection_string"):
        HandlerTable.model_validate({"devices": [rule]})


# -- the core --------------------------------------------------------------------------------


def test_the_newest_takes_the_place_of_the_older() -> None:
    routes = Routes(1)
    assert routes.enter("a", "CP") is None
    assert not routes.has_room("other")
    assert routes.has_room("CP")
    assert routes.enter("b", "CP") == "a"
    # The late end of the older one does not take the newer one's place away.
    assert not routes.leave("a")
    assert "b" in routes
    routes.handed_over("b", "3")
    assert routes.is_repeat("b", "3")
    assert not routes.is_repeat("b", "4")
    assert routes.leave("b")
    assert routes.has_room("other")
    assert not routes.is_repeat("b", "3")


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
def test_what_cannot_stand_in_a_path(value: str) -> None:
    with pytest.raises(ValueError, match=r"path|surrogate"):
        encoded(value)
