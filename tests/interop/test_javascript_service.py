"""Microsoft's unmodified service SDK for JavaScript against the REST data plane."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientWebSocketResponse
from localhub import LocalHub

from tests.support.protocol import JSON

from .nodes import Node, NodeError, Start

HUB = "chargers"
PATIENCE = 20


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[LocalHub]:
    async with LocalHub({"service": {"tls": {"port": 0}}}) as running:
        yield running


@pytest_asyncio.fixture
async def member(hub) -> AsyncIterator[tuple[str, ClientWebSocketResponse]]:
    """A client of the user `al` in the group `g`, and its connection id."""
    url = hub.client_url(HUB, "al", groups=["g"])
    async with ClientSession() as session, session.ws_connect(url, protocols=[JSON]) as client:
        connected = await client.receive_json(timeout=PATIENCE)
        yield connected["connectionId"], client


async def service_of(node: Start, hub: LocalHub, *, tls: bool) -> Node:
    """The SDK, over plain HTTP, for which it needs an option, or over TLS with the local CA."""
    if not tls:
        return await node(
            "service",
            CONNECTION_STRING=hub.connection_string,
            HUB=HUB,
            OPTIONS={"allowInsecureConnection": True},
        )
    assert hub.tls_endpoint is not None
    return await node(
        "service",
        CONNECTION_STRING=hub.connection_string.replace(hub.endpoint, hub.tls_endpoint),
        HUB=HUB,
        NODE_EXTRA_CA_CERTS=str(hub.ca_pem_path),
    )


async def heard(client: ClientWebSocketResponse) -> tuple[str, Any]:
    message = await client.receive_json(timeout=PATIENCE)
    assert message["type"] == "message"
    return message["dataType"], message["data"]


@pytest.mark.parametrize("tls", [False, True])
async def test_sending(node, hub, member, tls):
    identity, client = member
    service = await service_of(node, hub, tls=tls)
    text = {"contentType": "text/plain"}
    await service.call("sendToAll", {"a": 1})
    assert await heard(client) == ("json", {"a": 1})
    await service.call("sendToUser", "al", "hé", text)
    assert await heard(client) == ("text", "hé")
    await service.call("sendToConnection", identity, b"\x00\xff")
    assert await heard(client) == ("binary", "AP8=")
    await service.call("sendToAll", "quoted")
    assert await heard(client) == ("json", "quoted")
    await service.call("sendToAll", "not you", {**text, "excludedConnections": [identity]})
    await service.call("sendToAll", "nor you", {**text, "filter": "userId eq 'bo'"})
    await service.call("sendToAll", "you", {**text, "filter": "'g' in groups"})
    assert await heard(client) == ("text", "you")
    await service.call("sendToAll", "group", text, group="g")
    message = await client.receive_json(timeout=PATIENCE)
    assert (message["from"], message["group"], message["data"]) == ("group", "g", "group")


async def test_groups_users_and_permissions(node, hub, member):
    identity, client = member
    service = await service_of(node, hub, tls=False)
    assert await service.call("connectionExists", identity)
    assert not await service.call("connectionExists", "nobody")
    assert await service.call("userExists", "al")
    assert await service.call("groupExists", "g")
    await service.call("addConnection", identity, group="h")
    await service.call("addUser", "al", group="i")
    assert hub.control.connections()[0].groups == {"g", "h", "i"}
    await service.call("addConnectionsToGroups", ["j", "k"], "userId eq 'al'")
    assert hub.control.connections()[0].groups == {"g", "h", "i", "j", "k"}
    await service.call("removeConnectionsFromGroups", ["j", "k"], "userId eq 'al'")
    (found,) = await service.call("listConnections", group="h")
    assert (found["connectionId"], found["userId"]) == (identity, "al")
    await service.call("removeConnection", identity, group="h")
    await service.call("removeUserFromAllGroups", "al")
    assert hub.control.connections()[0].groups == set()
    target = {"targetName": "g"}
    assert not await service.call("hasPermission", identity, "sendToGroup", target)
    await service.call("grantPermission", identity, "sendToGroup", target)
    assert await service.call("hasPermission", identity, "sendToGroup", target)
    await service.call("revokePermission", identity, "sendToGroup", target)
    assert not await service.call("hasPermission", identity, "sendToGroup", target)
    await service.call("closeConnection", identity, {"reason": "enough"})
    assert (await client.receive_json(timeout=PATIENCE))["message"] == "enough"
    await client.receive(timeout=PATIENCE)
    assert client.close_code == 1000


async def test_its_client_access_urls_let_clients_in(node, hub):
    service = await service_of(node, hub, tls=False)
    roles = ["webpubsub.sendToGroup.g"]
    token = await service.call(
        "getClientAccessToken", {"userId": "bo", "roles": roles, "groups": ["g"]}
    )
    async with ClientSession() as session, session.ws_connect(token["url"]) as client:
        (info,) = hub.control.connections()
        assert (info.user_id, info.groups) == ("bo", {"g"})
        assert not client.closed


async def test_errors_as_it_knows_them(node, hub):
    service = await service_of(node, hub, tls=False)
    with pytest.raises(NodeError) as failure:
        await service.call("sendToAll", "x", {"filter": "nonsense here"})
    details = failure.value.details
    assert (details["name"], details["statusCode"]) == ("RestError", 400)
    wrong = hub.connection_string.replace("AccessKey=", "AccessKey=wrong")
    intruder = await node(
        "service", CONNECTION_STRING=wrong, HUB=HUB, OPTIONS={"allowInsecureConnection": True}
    )
    with pytest.raises(NodeError) as failure:
        await intruder.call("sendToAll", "x")
    assert failure.value.details["statusCode"] == 401
    assert "wrong" not in json.dumps(failure.value.details)


@pytest.mark.parametrize("tls", [False, True])
async def test_it_waits_when_it_is_throttled(node, hub, tls):
    service = await service_of(node, hub, tls=tls)
    with hub.faults.throttle(1, per_seconds=2) as fault:
        for _ in range(2):
            assert not await service.call("connectionExists", "nobody")
        assert fault.struck >= 1
