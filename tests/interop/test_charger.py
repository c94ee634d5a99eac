"""A charging point that speaks OCPP and nothing of Web PubSub, on MicroPython."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hubtool.servers.handler import running
from hubtool.servers.handler_table import load_handler_table
from localhub import LocalHub

SCRIPT = Path(__file__).parent / "charger.py"
HUB = "chargers"
PASSWORD = "0123456789abcdef"
TABLE = """\
[handler]
port = 0

[[handler.devices]]
match = { query.id = "CP-*", subprotocol = "ocpp1.6", header.authorization = { env = "BASIC" } }
user_id = "{query.id}"
subprotocol = "ocpp1.6"
"""


def service(url: str) -> dict[str, Any]:
    handler = {
        "url_template": f"{url}/{{event}}",
        "user_event_pattern": "*",
        "system_events": ["connect", "connected", "disconnected"],
    }
    hub = {"name": HUB, "anonymous_connect_policy": "allow", "event_handlers": [handler]}
    return {"service": {"forward_basic_authorization": True}, "hubs": [hub]}


async def until(condition: Callable[[], Any]) -> Any:
    async def poll() -> Any:
        while not (result := condition()):
            await asyncio.sleep(0.02)
        return result

    return await asyncio.wait_for(poll(), 30)


def environment(hub: LocalHub, identity: str, password: str = PASSWORD) -> dict[str, str]:
    url = f"{hub.endpoint.replace('http', 'ws', 1)}/client/hubs/{HUB}?id={identity}"
    return {"URL": url, "USER": identity, "PASSWORD": password}


@asynccontextmanager
async def csms() -> AsyncIterator[tuple[str, list[Any]]]:
    """A central system: answers calls with results; gives its URL and the frames it got."""
    frames: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        name = request.headers.get("ce-eventName")
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "*"})
        if name == "connect":
            asked = await request.json()
            user, _, password = (
                base64.b64decode(asked["headers"]["Authorization"][0].partition(" ")[2])
                .decode()
                .partition(":")
            )
            if [user] != asked["query"]["id"] or password != PASSWORD:
                return web.Response(status=401)
            return web.json_response({"userId": user, "subprotocol": asked["subprotocols"][0]})
        if name == "message":
            frame = json.loads(await request.text())
            frames.append(frame)
            if frame[0] == 2:
                answer = [3, frame[1], {"currentTime": "2026-01-01T00:00:00Z"}]
                return web.Response(text=json.dumps(answer), content_type="text/plain")
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", frames
    finally:
        await runner.cleanup()


async def test_it_talks_to_a_central_system(interpreter):
    async with csms() as (url, frames), LocalHub(service(url)) as hub:
        process = asyncio.create_task(
            interpreter.run_beside(SCRIPT, **environment(hub, "CP-7"), timeout=30)
        )
        await until(lambda: frames)
        (info,) = hub.control.connections()
        assert (info.user_id, info.subprotocol) == ("CP-7", "ocpp1.6")
        hub.control.send(HUB, '[2,"77","RemoteStartTransaction",{}]', user_id="CP-7")
        await until(lambda: len(frames) == 2)
        hub.control.close(info.id, "enough")
        assert await process == (
            "speaks ocpp1.6\n"
            'got [3, "1", {"currentTime": "2026-01-01T00:00:00Z"}]\n'
            "called RemoteStartTransaction\n"
            "closed with 1000\n"
        )
        assert frames == [[2, "1", "Heartbeat", {}], [3, "77", {"status": "Accepted"}]]
        refused = environment(hub, "CP-7", "wrong")
        assert await interpreter.run_beside(SCRIPT, **refused) == "refused with 401\n"


async def test_the_python_handler_lets_it_in(interpreter, tmp_path, monkeypatch):
    path = tmp_path / "service.toml"
    path.write_text(TABLE)
    credentials = base64.b64encode(f"CP-7:{PASSWORD}".encode()).decode()
    monkeypatch.setenv("BASIC", f"Basic {credentials}")
    table = load_handler_table(path)
    assert table is not None
    lines: list[str] = []
    async with (
        running(table, folder=tmp_path, report=lines.append) as url,
        LocalHub(service(url)) as hub,
    ):
        process = asyncio.create_task(
            interpreter.run_beside(SCRIPT, **environment(hub, "CP-7"), timeout=30)
        )
        await until(lambda: any("event 'message' from CP-7" in line for line in lines))
        # That handler only takes note; the answer comes the other way, like any call.
        hub.control.send(HUB, '[3,"1",{}]', user_id="CP-7")
        hub.control.send(HUB, '[2,"77","Reset",{}]', user_id="CP-7")
        await until(lambda: len([line for line in lines if "'message'" in line]) == 2)
        hub.control.close(hub.control.connections()[0].id)
        assert await process == (
            'speaks ocpp1.6\ngot [3, "1", {}]\ncalled Reset\nclosed with 1000\n'
        )
        for identity, password in (("CP-7", "wrong"), ("XX-7", PASSWORD)):
            refused = environment(hub, identity, password)
            assert await interpreter.run_beside(SCRIPT, **refused) == "refused with 401\n"
    assert "let in CP-7 (rule 1)" in lines
    assert PASSWORD not in "".join(lines)
    assert credentials not in "".join(lines)


@pytest.mark.parametrize("interpreter", ["micropython"], indirect=True)
async def test_nothing_is_echoed_unless_a_handler_says_so(interpreter):
    config = service("http://127.0.0.1:9")
    config["hubs"][0]["event_handlers"] = []
    async with LocalHub(config) as hub:
        output = await interpreter.run_beside(SCRIPT, **environment(hub, "CP-7"))
    assert output == "speaks None\n"
