"""Microsoft's unmodified Express middleware as the event handler of the service."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from localhub import LocalHub

from tests.support.protocol import JSON

KEYS = {"access_key": "p" * 40, "secondary_access_key": "s" * 40}
PATIENCE = 20


def config(handler: Any, **service: Any) -> dict[str, Any]:
    """A service whose events go to a running handler.js."""
    (listening,) = handler.named("listening")
    entry = {
        "url_template": f"http://127.0.0.1:{listening['port']}{listening['path']}{{event}}",
        "user_event_pattern": "*",
        "system_events": ["connect", "connected", "disconnected"],
    }
    hub = {"name": "Chargers", "anonymous_connect_policy": "allow", "event_handlers": [entry]}
    quick = {"event_handler_retry_delays_in_seconds": [0.01], **KEYS}
    return {"service": {**quick, **service}, "hubs": [hub]}


@pytest.fixture
async def handler(node):
    running = await node("handler", HUB="chargers")
    await running.wait_for("listening")
    return running


async def ask(client: Any, **frame: Any) -> Any:
    await client.send_json(frame)
    return await client.receive_json(timeout=PATIENCE)


async def test_a_charger_comes_in_and_talks(handler):
    async with LocalHub(config(handler)) as hub, ClientSession() as session:
        url = f"{hub.endpoint}/client/hubs/chargers"
        async with session.ws_connect(f"{url}?id=CP-7&id=other", protocols=["ocpp1.6"]) as client:
            assert client.protocol == "ocpp1.6"
            await client.send_str('[2,"1","Heartbeat",{}]')
            assert await client.receive_str(timeout=PATIENCE) == '[2,"1","Heartbeat",{}]'
            await client.send_bytes(b"\x00\xff")
            assert await client.receive_bytes(timeout=PATIENCE) == b"\x00\xff"
            (info,) = hub.control.connections()
            assert (info.user_id, info.groups) == ("CP-7", {"commands"})
        (left,) = await handler.wait_for("disconnected")
    (asked,) = handler.named("connect")
    assert asked["queries"] == {"id": ["CP-7", "other"]}
    assert asked["subprotocols"] == ["ocpp1.6"]
    context = asked["context"]
    assert context["hub"] == "chargers"
    assert context["origin"] == "127.0.0.1"
    assert context["connectionId"] == info.id == left["context"]["connectionId"]
    assert context["signature"] == ",".join(
        "sha256=" + hmac.new(key.encode(), info.id.encode(), hashlib.sha256).hexdigest()
        for key in (KEYS["access_key"], KEYS["secondary_access_key"])
    )
    (connected,) = handler.named("connected")
    assert connected["context"]["userId"] == "CP-7"
    first, second = handler.named("user")
    assert (first["dataType"], first["data"]) == ("text", '[2,"1","Heartbeat",{}]')
    assert (second["dataType"], second["data"]) == ("binary", b"\x00\xff")
    # The state that the handler set travels with every later event.
    turns = [event["context"]["states"] for event in (connected, first, second, left)]
    assert turns == [{"turn": 0}, {"turn": 0}, {"turn": 1}, {"turn": 2}]


async def test_who_is_refused_and_who_keeps_the_token(handler):
    async with LocalHub(config(handler)) as hub, ClientSession() as session:
        url = f"{hub.endpoint}/client/hubs/chargers"
        with pytest.raises(WSServerHandshakeError) as refusal:
            await session.ws_connect(f"{url}?id=stranger", protocols=[JSON])
        assert refusal.value.status == 401
        # `response.success()` is a 204: user, roles and groups of the token stay.
        url = hub.client_url("chargers", "al", ["webpubsub.joinLeaveGroup"], ["mine"])
        async with session.ws_connect(url, protocols=[JSON]) as client:
            connected = await client.receive_json(timeout=PATIENCE)
            assert connected["userId"] == "al"
            ack = await ask(client, type="joinGroup", group="g", ackId=1)
            assert ack["success"]
            assert hub.control.connections()[0].groups == {"mine", "g"}
        await handler.wait_for("disconnected")
    asked = handler.named("connect")[-1]
    assert asked["claims"]["sub"] == ["al"]
    assert asked["claims"]["role"] == ["webpubsub.joinLeaveGroup"]
    assert asked["context"]["userId"] == "al"
    assert len(handler.named("disconnected")) == 1


@pytest.mark.parametrize(
    ("data_type", "data", "seen"),
    [
        ("text", "hé", "hé"),
        ("json", {"a": [1, "é", None]}, {"a": [1, "é", None]}),
        ("json", "quoted", "quoted"),
        ("binary", base64.b64encode(b"\x00\x01").decode(), b"\x00\x01"),
    ],
)
async def test_every_data_type_and_back(handler, data_type, data, seen):
    async with LocalHub(config(handler)) as hub, ClientSession() as session:
        url = f"{hub.endpoint}/client/hubs/chargers?id=CP-7"
        async with session.ws_connect(url, protocols=[JSON]) as client:
            assert (await client.receive_json(timeout=PATIENCE))["userId"] == "CP-7"
            frame = {"type": "event", "event": "echo", "dataType": data_type, "data": data}
            message = await ask(client, ackId=1, **frame)
            assert (message["dataType"], message["data"]) == (data_type, data)
            assert await client.receive_json(timeout=PATIENCE) == {
                "type": "ack",
                "ackId": 1,
                "success": True,
            }
            ack = await ask(client, ackId=2, **{**frame, "event": "silent"})
            assert (ack["ackId"], ack["success"]) == (2, True)
            ack = await ask(client, ackId=3, **{**frame, "event": "fail"})
            assert (ack["success"], ack["error"]["name"]) == (False, "InternalServerError")
    events = handler.named("user")
    # A 500 is asked for again, once with these settings.
    assert [event["context"]["eventName"] for event in events] == ["echo", "silent"] + ["fail"] * 2
    assert {json.dumps(event["dataType"]) for event in events} == {json.dumps(data_type)}
    assert events[0]["data"] == seen


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_endpoints_that_it_allows(node, allowed):
    async with LocalHub() as free:
        port = int(free.endpoint.rpartition(":")[2])
    allowed_port = port if allowed else 1
    endpoints = ["https://contoso.webpubsub.azure.com", f"http://127.0.0.1:{allowed_port}"]
    handler = await node("handler", HUB="chargers", OPTIONS={"allowedEndpoints": endpoints})
    await handler.wait_for("listening")
    async with LocalHub(config(handler, port=port)) as hub, ClientSession() as session:
        url = f"{hub.endpoint}/client/hubs/chargers?id=CP-7"
        if allowed:
            async with session.ws_connect(url) as client:
                await client.send_str("hi")
                assert await client.receive_str(timeout=PATIENCE) == "hi"
        else:
            with pytest.raises(WSServerHandshakeError) as refusal:
                await session.ws_connect(url)
            assert refusal.value.status == 500
            assert not handler.named("connect")


async def test_events_of_one_connection_keep_their_order(handler):
    async with LocalHub(config(handler)) as hub, ClientSession() as session:
        url = f"{hub.endpoint}/client/hubs/chargers?id=CP-"

        async def chatter(number: int) -> None:
            async with session.ws_connect(f"{url}{number}") as client:
                for count in range(20):
                    await client.send_str(f"{number}:{count}")
                for count in range(20):
                    assert await client.receive_str(timeout=PATIENCE) == f"{number}:{count}"

        await asyncio.gather(*(chatter(number) for number in range(5)))
    said = [event["data"] for event in handler.named("user")]
    for number in range(5):
        mine = [text for text in said if text.startswith(f"{number}:")]
        assert mine == [f"{number}:{count}" for count in range(20)]
