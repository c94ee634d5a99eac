"""Microsoft's unmodified client SDK for JavaScript against the service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from localhub import LocalHub

from tests.support.protocol import ROLES

from .nodes import NodeError, Start

HUB = "chargers"
CLOSED = {"hubs": [{"name": HUB}]}


async def started(node: Start, hub: LocalHub, **options: Any) -> Any:
    """A client that is connected; the service's TLS listener is used when there is one."""
    url = hub.client_url(HUB, "al", ROLES, tls=hub.tls_endpoint is not None)
    environment = {"NODE_EXTRA_CA_CERTS": str(hub.ca_pem_path)} if hub.ca_pem_path else {}
    client = await node("client", URL=url, OPTIONS=options, **environment)
    await client.call("start")
    await client.wait_for("connected")
    return client


def texts(client: Any, name: str = "group-message") -> list[Any]:
    return [event["data"] for event in client.named(name)]


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("tls", [False, True])
async def test_groups_and_messages(node, tls, reliable):
    service = {"tls": {"port": 0}} if tls else {}
    async with LocalHub({**CLOSED, "service": service}) as hub:
        client = await started(node, hub, reliable=reliable)
        assert client.named("connected")[0]["userId"] == "al"
        await client.call("joinGroup", "g")
        sent = [("json", {"a": [1, None]}), ("text", "hé"), ("binary", b"\x00\xff")]
        for data_type, data in sent:
            result = await client.call("sendToGroup", "g", data, data_type)
            assert result == {"ackId": result["ackId"], "isDuplicated": False}
        await client.call("sendToGroup", "g", "mine", "text", {"noEcho": True})
        await client.call("sendToGroup", "g", "last", "text", {"fireAndForget": True})
        await client.wait_for("group-message", 4)
        assert [(event["dataType"], event["data"]) for event in client.named("group-message")] == [
            *sent,
            ("text", "last"),
        ]
        assert {(e["group"], e["fromUserId"]) for e in client.named("group-message")} == {
            ("g", "al")
        }
        again = await client.call("sendToGroup", "g", "twice", "text", {"ackId": 2})
        assert again["isDuplicated"]
        hub.control.send(HUB, "to you", user_id="al")
        await client.wait_for("server-message")
        assert texts(client, "server-message") == ["to you"]
        await client.call("leaveGroup", "g")
        assert hub.control.connections()[0].groups == set()
        await client.call("stop")
        (stopped,) = await client.wait_for("disconnected")
        assert stopped["connectionId"] == client.named("connected")[0]["connectionId"]
        await client.wait_for("stopped")


async def test_what_is_forbidden_reaches_the_caller(node):
    async with LocalHub(CLOSED) as hub:
        url = hub.client_url(HUB, "al")
        options = {"messageRetryOptions": {"maxRetries": 1, "retryDelayInMs": 10}}
        client = await node("client", URL=url, OPTIONS=options)
        await client.call("start")
        with pytest.raises(NodeError) as failure:
            await client.call("joinGroup", "g")
        assert failure.value.details["name"] == "SendMessageError"
        assert failure.value.details["errorDetail"]["name"] == "Forbidden"


async def test_its_keepalive_is_answered(node):
    async with LocalHub(CLOSED) as hub:
        # It closes the connection itself when nothing comes for so long.
        client = await started(node, hub, keepAliveIntervalInMs=100, keepAliveTimeoutInMs=600)
        await asyncio.sleep(1.5)
        assert not client.named("disconnected")
        await client.call("joinGroup", "g")


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_it_recovers_after_a_cut_and_misses_nothing(node, how):
    async with LocalHub(CLOSED) as hub:
        client = await started(node, hub)
        await client.call("joinGroup", "g")
        identity = client.named("connected")[0]["connectionId"]
        for number in range(0, 9, 3):
            hub.control.send(HUB, f"{number}", group="g")
            hub.control.drop(identity, how)
            hub.control.send(HUB, f"{number + 1}", group="g")
            await client.wait_for("group-message", number + 2)
            hub.control.send(HUB, f"{number + 2}", group="g")
            await client.wait_for("group-message", number + 3)
        assert texts(client) == [str(number) for number in range(9)]
        assert [e["sequenceId"] for e in client.named("group-message")] == list(range(1, 10))
        assert [info.id for info in hub.control.connections()] == [identity]
        assert not client.named("disconnected")


async def test_it_reconnects_when_the_session_is_gone(node):
    async with LocalHub(CLOSED) as hub:
        client = await started(node, hub)
        await client.call("joinGroup", "g")
        first = client.named("connected")[0]["connectionId"]
        hub.control.close(first, "over")
        (gone,) = await client.wait_for("disconnected")
        assert (gone["connectionId"], gone["message"]["message"]) == (first, "over")
        _, second = await client.wait_for("connected", 2)
        assert second["connectionId"] != first
        # It has joined its group again before it says that it is connected.
        hub.control.send(HUB, "again", group="g")
        await client.wait_for("group-message")


async def test_a_plain_client_reconnects_after_a_cut(node):
    async with LocalHub(CLOSED) as hub:
        client = await started(node, hub, reliable=False)
        await client.call("joinGroup", "g")
        hub.control.drop(client.named("connected")[0]["connectionId"])
        await client.wait_for("connected", 2)
        hub.control.send(HUB, "again", group="g")
        await client.wait_for("group-message")


async def test_its_events_reach_the_express_handler(node):
    handler = await node("handler", HUB=HUB)
    (listening,) = await handler.wait_for("listening")
    url = f"http://127.0.0.1:{listening['port']}{listening['path']}"
    entry = {"url_template": url, "user_event_pattern": "*", "system_events": ["disconnected"]}
    async with LocalHub({"hubs": [{"name": HUB, "event_handlers": [entry]}]}) as hub:
        client = await started(node, hub)
        for data_type, data in (("text", "hé"), ("json", {"a": 1}), ("binary", b"\x00")):
            await client.call("sendEvent", "echo", data, data_type)
        await client.wait_for("server-message", 3)
        assert texts(client, "server-message") == ["hé", {"a": 1}, b"\x00"]
        await client.call("stop")
        # It closes without a status, so the session ends only with the recovery window.
        hub.control.expire(client.named("connected")[0]["connectionId"])
        (left,) = await handler.wait_for("disconnected")
    assert left["context"]["userId"] == "al"
    assert [event["data"] for event in handler.named("user")] == ["hé", {"a": 1}, b"\x00"]
