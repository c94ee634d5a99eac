"""Keep-alive, peers that read too slowly, and many connections at once."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlencode

import pytest
from localhub import LocalHub

from tests.support.protocol import JSON, RELIABLE_JSON

ONE_SECOND = {
    "hubs": [
        {
            "name": "chargers",
            "anonymous_connect_policy": "allow",
            "web_socket_keep_alive_interval_in_seconds": 1,
        }
    ]
}


@pytest.mark.localhub(ONE_SECOND)
async def test_pings_and_peers_that_do_not_answer(localhub, connect, raw_socket, eventually):
    answering = await connect(localhub, protocol=RELIABLE_JSON)
    silent = await raw_socket(localhub, upgrade=RELIABLE_JSON)
    talking = await raw_socket(localhub, upgrade=JSON)
    await talking.read_frame()
    await silent.read_frame()
    assert await silent.read_frame() == (0x89, b"")
    assert await talking.read_frame() == (0x89, b"")

    async def talk() -> None:
        while True:
            talking.write_frame(0x81, b'{"type":"ping"}')
            await asyncio.sleep(0.3)

    task = asyncio.create_task(talk())
    # Whoever is silent for two intervals is gone; its session is kept.
    await eventually(lambda: [c for c in localhub.control.connections() if c.detached])
    task.cancel()
    assert await silent.close_code() is None
    await answering.quiet()
    assert len(localhub.control.connections()) == 3


@pytest.mark.localhub(ONE_SECOND)
async def test_the_reason_of_a_ping_timeout(handler, raw_socket):
    config = handler.config()
    config["hubs"][0]["web_socket_keep_alive_interval_in_seconds"] = 1
    async with LocalHub(config) as hub:
        await raw_socket(hub, upgrade=JSON)
        (event,) = await handler.wait_for("disconnected")
        assert event.json == {"reason": "PingTimeout"}


@pytest.fixture
async def lazy_reader(raw_socket):
    """Opens a peer that reads nothing after the handshake."""

    async def open_peer(hub, protocol):
        peer = await raw_socket(hub, upgrade=protocol)
        await peer.read_frame()
        raw: socket.socket = peer.writer.get_extra_info("socket")
        peer.writer.transport.pause_reading()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return peer

    return open_peer


async def test_slow_readers_are_dropped_and_others_get_everything(handler, connect, lazy_reader):
    async with LocalHub(handler.config()) as hub:
        await lazy_reader(hub, JSON)
        await lazy_reader(hub, RELIABLE_JSON)
        reader = await connect(hub)
        first = await connect(hub, protocol=RELIABLE_JSON)
        total = 0
        while len(hub.control.connections()) > 2:
            for _ in range(50):
                hub.control.send("chargers", "x" * 20_000 + str(total))
                total += 1
                for client in (reader, first):
                    assert (await client.receive())["data"] == "x" * 20_000 + str(total - 1)
            await first.send(type="sequenceAck", sequenceId=total)
            assert total < 2000
        await reader.quiet()
        await first.quiet()
        reasons = [event.json["reason"] for event in await handler.wait_for("disconnected", 2)]
        assert reasons == ["SlowClient", "SlowClient"]


async def test_many_sessions_recovered_at_once(localhub, connect, eventually):
    clients = await asyncio.gather(
        *(connect(localhub, protocol=RELIABLE_JSON, groups=["g"]) for _ in range(250))
    )
    for client in clients:
        localhub.control.drop(client.id, "fin")
    await eventually(lambda: all(c.detached for c in localhub.control.connections()))
    localhub.control.send("chargers", "during", group="g")
    again = await asyncio.gather(
        *(
            connect(localhub, protocol=RELIABLE_JSON, query=urlencode(client.recovery))
            for client in clients
        )
    )
    for client in again:
        assert (await client.receive())["data"] == "during"
    assert len(localhub.control.connections()) == 250
