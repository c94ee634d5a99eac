"""Microsoft's unmodified service SDK for Python: every method, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncServiceClient
from localhub import LocalHub

from tests.support.protocol import RELIABLE_JSON

# Names that have to be encoded in a path, and signed as they are sent.
USER, GROUP = "al;1 é@b:c+%", "site%7 ü?#"


class Server:
    """Either client behind one set of coroutines; notes which methods were used."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        self.used.add(name)

        async def call(*arguments: Any, **keywords: Any) -> Any:
            if isinstance(self.client, AsyncServiceClient):
                result = method(*arguments, **keywords)
                if hasattr(result, "__aiter__"):
                    return [item async for item in result]
                return await result
            # The service runs in this event loop: a blocking call needs a thread of its own.
            return await asyncio.to_thread(_blocking, method, *arguments, **keywords)

        return call

    async def pages(self, size: int, **keywords: Any) -> list[list[Any]]:
        """Members page by page."""
        self.used.add("list_connections")
        paged = self.client.list_connections(maxpagesize=size, **keywords)
        if isinstance(self.client, AsyncServiceClient):
            return [[item async for item in page] async for page in paged.by_page()]
        return await asyncio.to_thread(lambda: [list(page) for page in paged.by_page()])


def _blocking(method: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    result = method(*arguments, **keywords)
    return list(result) if hasattr(result, "by_page") else result


@pytest_asyncio.fixture(params=[WebPubSubServiceClient, AsyncServiceClient])
async def server(request: pytest.FixtureRequest, localhub: LocalHub) -> AsyncIterator[Server]:
    client = request.param.from_connection_string(
        localhub.connection_string, hub="chargers", retry_total=0
    )
    yield Server(client)
    await _closed(client)


async def _closed(client: Any) -> None:
    result = client.close()
    if asyncio.iscoroutine(result):
        await result


async def test_every_method(localhub, connect, server):
    token = await server.get_client_access_token(user_id=USER, roles=[], groups=[GROUP])
    client = await connect(localhub, token["url"], protocol=RELIABLE_JSON)
    assert client.connected["userId"] == USER
    other = await connect(localhub, user_id="other")

    assert await server.connection_exists(client.id) is True
    assert await server.connection_exists("gone") is False
    assert await server.user_exists(USER) is True
    assert await server.user_exists("al") is False
    assert await server.group_exists(GROUP) is True
    assert await server.group_exists("none") is False

    await _send_everything(server, client)
    assert (await other.receive())["data"] == {"a": [1, "é"]}
    await other.quiet()
    await server.send_to_all("all", content_type="text/plain", excluded=[client.id, "x"])
    assert (await other.receive())["data"] == "all"

    await _change_groups(server, client)
    await _change_rights(server, client)

    response = await server.send_request(
        HttpRequest("HEAD", f"{localhub.endpoint}/api/health?api-version=2024-12-01")
    )
    assert response.status_code == 200

    await _close_everything(localhub, connect, server)
    public = {
        name
        for name, _ in inspect.getmembers(type(server.client), callable)
        if not name.startswith("_")
    }
    assert public - server.used == {"close", "from_connection_string"}


async def _send_everything(server: Server, client: Any) -> None:
    await server.send_to_all({"a": [1, "é"]})
    assert (await client.receive())["data"] == {"a": [1, "é"]}
    await server.send_to_user(USER, "text", content_type="text/plain")
    assert (await client.receive())["dataType"] == "text"
    await server.send_to_connection(
        client.id, b"\x00\xff", content_type="application/octet-stream"
    )
    assert (await client.receive())["data"] == "AP8="
    await server.send_to_group(GROUP, "json string")
    frame = await client.receive()
    assert (frame["from"], frame["group"], frame["data"]) == ("group", GROUP, "json string")
    await server.send_to_group(GROUP, 1, excluded=[client.id])
    await server.send_to_user(USER, 2, filter="userId eq 'al'")
    await server.send_to_group(GROUP, 3, filter=f"userId eq '{USER}' and length(groups) eq 1")
    frame = await client.receive()
    assert (frame["data"], frame["sequenceId"]) == (3, 5)
    await server.send_to_user("nobody", 1)
    await server.send_to_connection("gone", 1)


async def _change_groups(server: Server, client: Any) -> None:
    await server.add_connection_to_group("a", client.id)
    await server.add_user_to_group("b", USER)
    assert await server.group_exists("a")
    assert await server.group_exists("b")
    members = await server.list_connections(group="b")
    assert [(one.connection_id, one.user_id) for one in members] == [(client.id, USER)]
    await server.remove_connection_from_group("a", client.id)
    await server.remove_user_from_group("b", USER)
    assert not await server.group_exists("a")
    assert not await server.group_exists("b")
    await server.add_user_to_group("b", USER)
    await server.remove_connection_from_all_groups(client.id)
    await server.add_user_to_group("b", USER)
    await server.remove_user_from_all_groups(USER)
    for group in ("a", "b", GROUP):
        assert not await server.group_exists(group)
    with pytest.raises(ResourceNotFoundError):
        await server.add_connection_to_group("a", "gone")
    with pytest.raises(ResourceNotFoundError):
        await server.add_user_to_group("a", "nobody")


async def _change_rights(server: Server, client: Any) -> None:
    right = ("sendToGroup", client.id)
    assert not await server.has_permission(*right, target_name=GROUP)
    await server.grant_permission(*right, target_name=GROUP)
    assert await server.has_permission(*right, target_name=GROUP)
    frame = await client.ask(type="sendToGroup", group=GROUP, data=1, ackId=1)
    assert frame["success"]
    await server.revoke_permission(*right, target_name=GROUP)
    assert not await server.has_permission(*right, target_name=GROUP)
    await server.grant_permission(*right)
    assert await server.has_permission(*right)
    with pytest.raises(ResourceNotFoundError):
        await server.grant_permission("sendToGroup", "gone", target_name=GROUP)


async def _close_everything(localhub: LocalHub, connect: Any, server: Server) -> None:
    # From the widest call on, each with a client that is spared by the one before.
    clients = [await connect(localhub, user_id="cy", groups=["g"]) for _ in range(4)]
    last, of_user, of_group, of_all = clients
    await server.close_all_connections(excluded=[last.id, of_user.id, of_group.id], reason="all")
    assert await of_all.close_code() == (1000, "all")
    await server.close_group_connections("g", excluded=[last.id, of_user.id], reason="group é")
    assert await of_group.close_code() == (1000, "group é")
    await server.close_user_connections("cy", excluded=[last.id], reason="user")
    assert await of_user.close_code() == (1000, "user")
    await server.close_connection(last.id)
    assert await last.close_code() == (1000, "Closed by REST API.")
    await server.close_connection("gone", reason="x")
    assert localhub.control.connections() == []


async def test_members_are_paged(localhub, connect, server):
    ids = sorted([(await connect(localhub, user_id="u", groups=[GROUP])).id for _ in range(5)])

    async def pages(size: int, **keywords: Any) -> list[list[str]]:
        found = await server.pages(size, group=GROUP, **keywords)
        return [[one.connection_id for one in page] for page in found]

    assert await pages(2) == [ids[:2], ids[2:4], ids[4:]]
    assert await pages(2, top=3) == [ids[:2], ids[2:3]]
    assert await pages(200) == [ids]
    assert [one.connection_id for one in await server.list_connections(group=GROUP)] == ids
    assert await server.list_connections(group="none") == []


async def test_errors_are_those_of_azure(localhub, connect, server):
    with pytest.raises(HttpResponseError) as error:
        await server.send_to_all("x", content_type="text/plain", filter="invalid filter")
    assert error.value.status_code == 400
    assert error.value.error.code == "Error.BadRequest"
    assert "Syntax error at position 14" in error.value.error.message
    client = await connect(localhub, user_id="u")
    permissions = localhub.control.hub("chargers").connections[client.id].permissions
    for number in range(1000):
        permissions.grant("sendToGroup", str(number))
    with pytest.raises(ResourceExistsError):
        await server.grant_permission("sendToGroup", client.id, target_name="one more")
    large = io.BytesIO(b"x" * (1024 * 1024 + 1))
    with pytest.raises(HttpResponseError) as error:
        await server.send_to_all(large, content_type="application/octet-stream")
    assert error.value.status_code == 413


@pytest.mark.parametrize("kind", [WebPubSubServiceClient, AsyncServiceClient])
async def test_a_wrong_key_is_an_authentication_error(localhub, kind):
    client = kind(localhub.endpoint, "chargers", AzureKeyCredential("x" * 44))
    server = Server(client)
    with pytest.raises(ClientAuthenticationError):
        await server.send_to_all("x", content_type="text/plain")
    with pytest.raises(ClientAuthenticationError):
        await server.connection_exists("c")
    await _closed(client)


@pytest.mark.parametrize("kind", [WebPubSubServiceClient, AsyncServiceClient])
@pytest.mark.parametrize(
    "version", ["2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01"]
)
async def test_all_stable_versions(localhub, kind, version):
    client = kind.from_connection_string(
        localhub.connection_string, "chargers", api_version=version
    )
    server = Server(client)
    await server.send_to_all("x", content_type="text/plain")
    assert await server.list_connections(group="g") == []
    await _closed(client)


async def test_a_reverse_proxy_in_front(localhub, server):
    """The SDK signs the endpoint that it knows, and calls another one."""
    port = localhub.endpoint.rpartition(":")[2]
    key = localhub.connection_string.partition("AccessKey=")[2].split(";")[0]
    client = type(server.client)(
        "https://contoso.webpubsub.azure.com",
        "chargers",
        AzureKeyCredential(key),
        reverse_proxy_endpoint=f"http://localhost:{port}",
    )
    await Server(client).send_to_all("x", content_type="text/plain")
    await _closed(client)
