"""A hub, a handler with one rule that has a central system, and devices."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from hubtool.servers.handler import running
from hubtool.servers.handler_table import load_handler_table
from localhub import LocalHub
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

KEY = "p" * 20 + "0123456789abcdefghij"
Behaviour = Callable[[ServerConnection], Awaitable[None]]


def unused_port() -> int:
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
    port, handler_port = unused_port(), unused_port()
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
