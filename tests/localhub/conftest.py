"""A WebSocket client, a raw socket and an event handler to test the service with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from localhub import LocalHub
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.protocol import JSON, RELIABLE_JSON

# Long enough for a loaded machine: it only bounds how long a failing test hangs.
PATIENCE = 20


class Client:
    """A client of the service: JSON objects out, JSON objects in."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.connected: dict[str, Any] = {}

    @property
    def id(self) -> str:
        return self.connected["connectionId"]

    @property
    def recovery(self) -> dict[str, str]:
        return {
            "awps_connection_id": self.id,
            "awps_reconnection_token": self.connected["reconnectionToken"],
        }

    async def send(self, **frame: Any) -> None:
        await self.websocket.send(json.dumps(frame))

    async def receive(self) -> Any:
        return json.loads(await self.receive_text())

    async def receive_text(self) -> Any:
        return await asyncio.wait_for(self.websocket.recv(), PATIENCE)

    async def ask(self, **frame: Any) -> Any:
        """Send a request, and return what comes next."""
        await self.send(**frame)
        return await self.receive()

    async def quiet(self) -> None:
        """Nothing is on its way: the next thing that arrives is the answer to a ping."""
        assert await self.ask(type="ping") == {"type": "pong"}

    async def close_code(self) -> tuple[int, str]:
        """Wait for the end of the connection, whatever arrives before it."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.websocket.recv(), PATIENCE)
        return self.websocket.close_code, self.websocket.close_reason

    async def leave(self, code: int = 1000) -> None:
        await self.websocket.close(code)


Connect = Callable[..., Awaitable[Client]]


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens clients, by hub and name of the Web PubSub hub or by URL; closes them afterwards.

    With `protocol=None` it is a simple client. Further keywords go to `LocalHub.client_url`;
    without any the client is anonymous.
    """
    async with AsyncExitStack() as stack:

        async def open_client(
            hub: LocalHub,
            url: str | None = None,
            *,
            name: str = "chargers",
            protocol: str | None = JSON,
            query: str = "",
            headers: dict[str, str] | None = None,
            options: dict[str, Any] | None = None,
            **token: Any,
        ) -> Client:
            if url is None:
                url = f"{hub.endpoint.replace('http', 'ws', 1)}/client/hubs/{name}"
                url = hub.client_url(name, **token) if token else url
            if query:
                url += ("&" if "?" in url else "?") + query
            websocket = await stack.enter_async_context(
                websocket_connect(
                    url,
                    subprotocols=protocol and protocol.split(","),
                    additional_headers=headers,
                    open_timeout=PATIENCE,
                    proxy=None,
                    max_size=None,
                    **(options or {}),
                )
            )
            client = Client(websocket)
            recovering = "awps_connection_id" in url
            if websocket.subprotocol in (JSON, RELIABLE_JSON) and not recovering:
                client.connected = await client.receive()
                assert client.connected["event"] == "connected"
            return client

        yield open_client


@pytest.fixture
def refused(connect: Connect) -> Callable[..., Awaitable[tuple[int, str]]]:
    """Tries to open a client; returns the HTTP status and the text of the refusal."""

    async def attempt(*arguments: Any, **keywords: Any) -> tuple[int, str]:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(*arguments, **keywords)
        response = refusal.value.response
        return response.status_code, bytes(response.body or b"").decode()

    return attempt


class RawSocket:
    """A peer that writes whatever it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def write_frame(self, first: int, payload: bytes = b"", *, mask: bool = True) -> None:
        """One frame; `first` is its first byte."""
        length = len(payload)
        bit = 0x80 if mask else 0
        if length < 126:
            head = bytes((first, bit | length))
        elif length < 65536:
            head = bytes((first, bit | 126)) + struct.pack("!H", length)
        else:
            head = bytes((first, bit | 127)) + struct.pack("!Q", length)
        if mask:
            key = os.urandom(4)
            head += key
            payload = bytes(byte ^ key[at & 3] for at, byte in enumerate(payload))
        self.writer.write(head + payload)

    async def read_frame(self) -> tuple[int, bytes]:
        """First byte and payload of the next frame."""
        first, length = await self._exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._exactly(8))
        return first, await self._exactly(length)

    async def _exactly(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), PATIENCE)

    async def close_code(self) -> int | None:
        """The code of the Close frame, or None when the connection just ended."""
        try:
            while True:
                first, payload = await self.read_frame()
                if first == 0x88:
                    return int.from_bytes(payload[:2], "big")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def rest(self) -> bytes:
        """Everything until the service closes."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE)
        except ConnectionError:
            return b""


@pytest_asyncio.fixture
async def raw_socket() -> AsyncIterator[Callable[..., Awaitable[RawSocket]]]:
    """Opens TCP connections to a service; with `upgrade=` a subprotocol, or "" for none, they
    are through the handshake."""
    opened = []

    async def open_socket(hub: LocalHub, *, upgrade: str | None = None, tail: bytes = b""):
        host, _, port = hub.endpoint.partition("://")[2].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        opened.append(writer)
        peer = RawSocket(reader, writer)
        if upgrade is not None:
            offer = f"Sec-WebSocket-Protocol: {upgrade}\r\n" if upgrade else ""
            key = base64.b64encode(os.urandom(16)).decode()
            peer.write(
                f"GET /client/hubs/chargers HTTP/1.1\r\nHost: {host}:{port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n{offer}\r\n".encode()
                + tail
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            assert b" 101 " in head
        return peer

    yield open_socket
    for writer in opened:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass
class Event:
    """One request that a handler got."""

    method: str
    path: str
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def name(self) -> str:
        return self.headers.get("ce-eventName", "")


Reaction = Callable[[Event], Any]


@dataclass
class Handler:
    """An event handler. `react` makes its answers; without it, all is 204.

    `validate` makes those to the validation: a status, or None for what `allowed` says.
    """

    url: str = ""
    events: list[Event] = field(default_factory=list)
    react: Reaction | None = None
    validate: Reaction | None = None
    allowed: list[str] = field(default_factory=lambda: ["*"])

    def settings(self, **others: Any) -> dict[str, Any]:
        """The handler as an entry of `event_handlers`; all events, unless said otherwise."""
        return {
            "url_template": f"{self.url}/{{hub}}/{{event}}",
            "user_event_pattern": "*",
            "system_events": ["connect", "connected", "disconnected"],
            **others,
        }

    def config(self, service: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
        """A configuration with this handler for the hub `chargers`."""
        hub = {"name": "chargers", "anonymous_connect_policy": "allow"}
        hub["event_handlers"] = [self.settings(**others)]
        quick = {"event_handler_retry_delays_in_seconds": [0.05, 0.05]}
        return {"hubs": [hub], "service": {**quick, **(service or {})}}

    def named(self, *names: str) -> list[Event]:
        """The events with these names."""
        return [event for event in self.events if event.method == "POST" and event.name in names]

    @property
    def validations(self) -> list[Event]:
        """How often the service asked whether the handler wants its events."""
        return [event for event in self.events if event.method == "OPTIONS"]

    async def wait_for(self, name: str, count: int = 1) -> list[Event]:
        """Wait until that many events of a name have come."""
        return await eventually(lambda: len(self.named(name)) >= count and self.named(name))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        event = Event(request.method, request.path, request.headers, await request.read())
        self.events.append(event)
        if request.method == "OPTIONS":
            status = self.validate(event) if self.validate else None
            if asyncio.iscoroutine(status):
                status = await status
            if status is not None:
                return web.Response(status=status)
            response = web.Response()
            for origin in self.allowed:
                response.headers.add("WebHook-Allowed-Origin", origin)
            return response
        answer = self.react(event) if self.react else None
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:
            return web.Response(status=204)
        if isinstance(answer, dict):
            return web.json_response(answer)
        if isinstance(answer, int):
            return web.Response(status=answer)
        return answer


@pytest_asyncio.fixture
async def handler() -> AsyncIterator[Handler]:
    """A running event handler."""
    handler = Handler()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handler.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    handler.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield handler
    await runner.cleanup()


async def eventually(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and return what it gives."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
    return result


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    return eventually
