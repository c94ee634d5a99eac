"""The gateway when the service fails, repeats, or is one that it does not know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hubtool.servers import gateway_service
from hubtool.servers.carrying import CARRIED
from hubtool.servers.handler import running
from hubtool.servers.handler_table import HandlerTable
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.support.gateway import (
    KEY,
    central_of,
    eventually,
    unused_port,
    world,
)


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return lambda central, **more: world(central, tmp_path, monkeypatch, **more)


# -- the service -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 500, 503, None])
async def test_a_frame_that_the_service_does_not_take_drops_the_device(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    monkeypatch.setattr(gateway_service, "ATTEMPT", 0.5)
    monkeypatch.setattr(gateway_service, "PAUSES", (0.01,))
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
    site = web.TCPSite(runner, "127.0.0.1", port := unused_port())
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
        f"Endpoint=http://127.0.0.1:{unused_port()};AccessKey={KEY};Version=1.0;",
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


async def test_a_connection_that_nobody_knows_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def rest(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", rest)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := unused_port()).start()
    monkeypatch.setenv(
        "TEST_SERVICE", f"Endpoint=http://127.0.0.1:{port};AccessKey={KEY};Version=1.0;"
    )
    rule = {"match": {"query": {"id": "*"}}, "user_id": "u", "central_system": "ws://x.example"}
    table = HandlerTable.model_validate(
        {"connection_string": {"env": "TEST_SERVICE"}, "devices": [rule]}
    )
    try:
        async with (
            running(table, port=0, report=lambda _: None) as handler,
            aiohttp.ClientSession() as session,
        ):
            assert await post(session, handler, "sys.connected") == 204
            await eventually(lambda: asked)
            assert asked == ["DELETE /api/hubs/chargers/connections/c1"]
    finally:
        await runner.cleanup()


async def test_devices_that_are_not_carried_keep_their_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "TEST_SERVICE",
        f"Endpoint=http://127.0.0.1:{unused_port()};AccessKey={KEY};Version=1.0;",
    )
    here = {"match": {"query": {"id": "A-*"}}, "user_id": "a", "subprotocol": "ocpp1.6"}
    there = {"match": {"query": {"id": "B-*"}}, "user_id": "b", "central_system": "ws://x.example"}
    table = HandlerTable.model_validate(
        {"connection_string": {"env": "TEST_SERVICE"}, "devices": [here, there]}
    )
    async with (
        running(table, port=0, report=lambda _: None) as handler,
        aiohttp.ClientSession() as session,
    ):
        assert await post(session, handler, "user.message") == 204
        # One that was carried before a restart.
        state = {"ce-connectionState": CARRIED}
        assert await post(session, handler, "user.message", **state) == 410
