"""An application server with Microsoft's service SDK, and a device on every interpreter."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from localhub import LocalHub

from tests.support.protocol import JSON, RELIABLE_JSON

DEVICE = Path(__file__).parent / "server_sends.py"
EXPECTED = """\
server None json kw=7.2, note=é
server None text to all
server None binary [0, 255]
group site text to the group
group site text only when filtered
reconnected
server None text end
"""


async def connected(server: WebPubSubServiceClient, hub: LocalHub, other_than: str = "") -> str:
    """Wait for the device, and return its connection id."""
    for _ in range(1500):
        for one in hub.control.connections("chargers"):
            if one.id != other_than and await server.connection_exists(one.id):
                return one.id
        await asyncio.sleep(0.02)
    raise AssertionError("the device did not connect")


@pytest.mark.parametrize("subprotocol", [RELIABLE_JSON, JSON])
async def test_a_device_takes_what_a_server_sends(interpreter, subprotocol):
    async with (
        LocalHub() as hub,
        WebPubSubServiceClient.from_connection_string(
            hub.connection_string, hub="chargers"
        ) as server,
    ):
        token = await server.get_client_access_token(user_id="CP-7")
        running = asyncio.create_task(
            interpreter.run_beside(
                DEVICE,
                ENDPOINT=hub.endpoint,
                HUB="chargers",
                TOKEN=token["token"],
                SUBPROTOCOL=subprotocol,
            )
        )
        device = await connected(server, hub)
        await server.send_to_user("CP-7", {"kw": 7.2, "note": "é"})
        await server.send_to_all("to all", content_type="text/plain")
        await server.send_to_connection(
            device, b"\x00\xff", content_type="application/octet-stream"
        )
        await server.send_to_group("site", "lost", content_type="text/plain")
        await server.add_user_to_group("site", "CP-7")
        await server.send_to_group("site", "to the group", content_type="text/plain")
        for wanted, text in (("'CP-8'", "not for me"), ("'CP-7'", "only when filtered")):
            await server.send_to_group(
                "site", text, content_type="text/plain", filter=f"userId eq {wanted}"
            )
        # Not before everything has arrived: without a session, what is on its way is lost.
        members = [one.user_id async for one in server.list_connections(group="site")]
        assert members == ["CP-7"]
        await server.close_connection(device, reason="maintenance")
        again = await connected(server, hub, other_than=device)
        assert not await server.group_exists("site")
        await server.send_to_connection(again, "end", content_type="text/plain")
        assert await running == EXPECTED
