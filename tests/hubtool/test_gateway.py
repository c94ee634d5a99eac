"""The gateway between a hub and central systems: the local service, the handler, real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
import websockets
from hubtool.servers import gateway as gateway_module
from hubtool.servers.gateway_core import answer_to
from ocpp.v16 import call
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.central_system import CentralSystem
from tests.support.charger import Charger
from tests.support.gateway import (
    central_of,
    echo,
    eventually,
    unused_port,
    world,
)
from tests.support.interpreters import ROOT


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return lambda central, **more: world(central, tmp_path, monkeypatch, **more)


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


async def test_a_charging_point_charges_through_the_hub(gateway: Any, tmp_path: Path) -> None:
    async with (
        CentralSystem().running() as central,
        gateway(f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}") as world,
        Charger(
            f"ws://127.0.0.1:{world.port}",
            tmp_path / "cp7",
            *("--hub", "chargers", "--key-env", "TEST_CHARGER"),
            TEST_CHARGER="charger-key-0123",
        ) as charger,
    ):
        await central.heard("BootNotification")
        assert central.handshakes[0].key == b"charger-key-0123"
        # An unknown card counts once it can be asked about.
        await central.heard("StatusNotification", 2)
        await charger.type("plug 1", "ready 1", "swipe 1 T1")
        await central.heard("StartTransaction")
        # The central system is gone for a moment, and so is the hub's side.
        central.drop()
        await central.until(lambda: len(central.handshakes) > 1)
        await charger.type("swipe 1 T1")
        stop = await central.heard("StopTransaction")
        # The answer to the start may have been cut off: then it came again.
        assert stop.payload["transactionId"] == central.transaction
        assert central.faults == []
        assert not any("charger-key" in line for line in world.lines)


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
        text = base64.b64encode(b"CP-7:>>>device>>>~~~").decode()
        assert "+" in text
        await world.device(query=f"id=CP-7&auth={text}")
        assert central.handshakes[0].key == b">>>device>>>~~~"


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


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_by_a_ca_of_ones_own(gateway: Any, tmp_path: Path, trusted: bool) -> None:
    authority, other = trustme.CA(), trustme.CA()
    (authority if trusted else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with (
        CentralSystem().running(context) as central,
        gateway(
            f"wss://localhost:{central.port}/ocpp/{{query.id}}", central_ca='"ca.pem"'
        ) as world,
    ):
        if trusted:
            await world.device()
            assert [one.station for one in central.handshakes] == ["CP-7"]
        else:
            assert await world.refused() >= 500
            assert "certificate is not trusted" in world.lines[0]
            assert central.handshakes == []


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
async def test_the_rewrite_rule_of_nginx(gateway: Any, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    rule = page.split("```nginx\n")[1].split("```")[0]
    async with (
        CentralSystem().running() as central,
        gateway(
            f"ws://127.0.0.1:{central.port}/ocpp/{{query.id}}",
            central_authorization='"header.x-charger-authorization"',
        ) as world,
    ):
        front = unused_port()
        rule = rule.replace("listen 8000", f"listen 127.0.0.1:{front}")
        rule = rule.replace("http://127.0.0.1:7080", f"http://127.0.0.1:{world.port}")
        assert str(front) in rule
        assert str(world.port) in rule
        (tmp_path / "nginx.conf").write_text(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ access_log off;\n{rule}\n}}\n"
        )
        process = await asyncio.create_subprocess_exec(
            "nginx", "-p", str(tmp_path), "-c", "nginx.conf", stderr=asyncio.subprocess.DEVNULL
        )
        try:

            def listens() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", front)) == 0

            await eventually(listens)
            text = base64.b64encode(b"CP/7:device-secret-1").decode()
            async with websockets.connect(
                f"ws://127.0.0.1:{front}/ocpp/CP%2F7",
                subprotocols=[websockets.Subprotocol("ocpp1.6")],
                additional_headers={"Authorization": f"Basic {text}"},
            ) as device:
                await device.send('[2,"1","Heartbeat",{}]')
                assert json.loads(await device.recv())[:2] == [3, "1"]
            assert central.handshakes[0].path == "/ocpp/CP%2F7"
            assert central.handshakes[0].key == b"device-secret-1"
            # Nothing of the path becomes another parameter.
            for path in ("/ocpp/a&webpubsub_mode=x", "/ocpp/", "/client/hubs/chargers?id=CP-7"):
                with pytest.raises(InvalidStatus) as caught:
                    await websockets.connect(f"ws://127.0.0.1:{front}{path}")
                assert caught.value.response.status_code == 404
        finally:
            process.terminate()
            await process.wait()


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
    async with gateway(f"ws://127.0.0.1:{unused_port()}/ocpp") as world:
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
            await device.send("hello")
            await eventually(lambda: "connected CP-7" in made.lines)
        await asyncio.wait_for(closed.wait(), 5)
        assert made.lines[-1].startswith("carried 1 connections: 1 frames to central systems, 0 ")
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 5)


async def test_a_central_system_without_a_sign_of_life(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "HEARTBEAT", 0.4)

    async def mute(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        connection.transport.abort()

    async with central_of(mute) as url, gateway(f"{url}/x") as world:
        device = await world.device()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(device.recv(), 2)
        assert "dropped CP-7: the central system does not answer pings" in world.lines
