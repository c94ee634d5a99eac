"""Microsoft's unmodified JavaScript client that streams and invokes, against the service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from localhub import LocalHub

from tests.support.protocol import ROLES

from .nodes import NodeError, Start

HUB = "chargers"
CLOSED = {"hubs": [{"name": HUB}]}
# One without delays: what it does once is what is of interest.
ONCE = {"messageRetryOptions": {"maxRetries": 0}}


async def started(node: Start, hub: LocalHub, user: str = "al", **options: Any) -> Any:
    """A client that is connected and in the group `g`."""
    url = hub.client_url(HUB, user, ROLES, groups=["g"])
    client = await node("streams", URL=url, OPTIONS={**ONCE, **options})
    await client.call("start")
    await client.wait_for("connected")
    return client


def pieces(client: Any) -> list[Any]:
    return [(event["dataType"], event["data"]) for event in client.named("piece")]


@pytest.mark.parametrize("reliable", [True, False])
async def test_a_stream_from_one_client_to_another(node, reliable):
    async with LocalHub(CLOSED) as hub:
        reader = await started(node, hub, "reader", reliable=reliable)
        writer = await started(node, hub, "writer", reliable=reliable)
        await writer.call("open", "g", {"streamId": "s", "noEcho": True})
        sent = [("text", "hé"), ("json", {"kw": [7.5, None]}), ("binary", b"\x00\xff")]
        for data_type, data in sent:
            await writer.call("write", "s", data, data_type)
        await writer.call("end", "s")
        (end,) = await reader.wait_for("end")
        assert "name" not in end
        assert pieces(reader) == sent
        assert {(event["groupName"], event["fromUserId"]) for event in reader.named("piece")} == {
            ("g", "writer")
        }
        assert not writer.named("piece")
        assert not writer.named("failed")


async def test_an_error_of_the_publisher_reaches_the_reader(node):
    async with LocalHub(CLOSED) as hub:
        client = await started(node, hub)
        await client.call("open", "g", {"streamId": "s"})
        await client.call("write", "s", "a", "text")
        await client.call("abort", "s", {"message": "burnt", "userErrorCode": "E1"})
        (end,) = await client.wait_for("end")
        assert (end["name"], end["message"], end["userErrorCode"]) == ("UserError", "burnt", "E1")
        assert pieces(client) == [("text", "a")]


async def test_a_stream_that_is_forbidden(node):
    async with LocalHub(CLOSED) as hub:
        client = await node("streams", URL=hub.client_url(HUB, "al"), OPTIONS=ONCE)
        await client.call("start")
        with pytest.raises(NodeError) as failure:
            await client.call("open", "g")
        assert failure.value.details["name"] == "Forbidden"


async def test_silence(node):
    async with LocalHub(CLOSED) as hub:
        client = await started(node, hub)
        await client.call("open", "g", {"streamId": "s", "idleTimeoutInMs": 100})
        (failed,) = await client.wait_for("failed")
        assert failed["name"] == "IdleTimeout"
        (end,) = await client.wait_for("end")
        assert end["name"] == "IdleTimeout"


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_stream_over_a_recovery(node, how):
    async with LocalHub(CLOSED) as hub:
        reader = await started(node, hub, "reader")
        writer = await started(node, hub, "writer")
        await writer.call("open", "g", {"streamId": "s"})
        (connection,) = [one for one in hub.control.connections() if one.user_id == "writer"]
        for number in range(30):
            if number in (10, 20):
                hub.control.drop(connection.id, how)
            await writer.call("write", "s", number, "json")
        await writer.call("end", "s")
        await reader.wait_for("end")
        assert pieces(reader) == [("json", number) for number in range(30)]
        assert not writer.named("disconnected")


async def test_the_session_is_lost(node):
    """The publisher is gone for good: the group learns it."""
    async with LocalHub(CLOSED) as hub:
        reader = await started(node, hub, "reader")
        writer = await started(node, hub, "writer", autoReconnect=False)
        await writer.call("open", "g", {"streamId": "s"})
        await writer.call("write", "s", "a", "text")
        await reader.wait_for("piece")
        (connection,) = [one for one in hub.control.connections() if one.user_id == "writer"]
        hub.control.close(connection.id)
        (end,) = await reader.wait_for("end")
        assert end["name"] == "Cancelled"
        await writer.wait_for("failed")


# -- invocations ----------------------------------------------------------------------------


@pytest.fixture
async def handler():
    """An event handler: `echo` is answered with what came, `slow` never, `refuse` with 403."""

    async def handle(request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "*"})
        event = request.headers["ce-eventName"]
        if event == "slow":
            await asyncio.Event().wait()
        if event == "refuse":
            return web.Response(status=403)
        content_type = request.content_type
        return web.Response(body=await request.read(), content_type=content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield {
        "url_template": f"http://127.0.0.1:{runner.addresses[0][1]}/{{event}}",
        "user_event_pattern": "*",
    }
    await runner.cleanup()


@pytest.mark.parametrize("reliable", [True, False])
async def test_invocations(node, handler, reliable):
    async with LocalHub({"hubs": [{"name": HUB, "event_handlers": [handler]}]}) as hub:
        client = await started(node, hub, reliable=reliable)
        sent = [("text", "hé"), ("json", {"kw": [7.5, None]}), ("binary", b"\x00\xff")]
        for data_type, data in sent:
            answer = await client.call("invokeEvent", "echo", data, data_type)
            packed = {"bytes": "AP8="} if data_type == "binary" else data
            assert answer == {"dataType": data_type, "data": packed}
        with pytest.raises(NodeError) as failure:
            await client.call("invokeEvent", "refuse", "x", "text")
        assert failure.value.details["name"] == "InvocationError"
        assert failure.value.details["errorDetail"]["name"] == "InternalServerError"


async def test_an_invocation_of_an_older_client(node, handler):
    """Version 1.0.4 invokes, too."""
    async with LocalHub({"hubs": [{"name": HUB, "event_handlers": [handler]}]}) as hub:
        client = await node("client", URL=hub.client_url(HUB, "al"), OPTIONS=ONCE)
        await client.call("start")
        answer = await client.call("invokeEvent", "echo", {"kw": 7}, "json")
        assert answer == {"invocationId": "1", "dataType": "json", "data": {"kw": 7}}


async def test_an_invocation_that_is_aborted(node, handler):
    """It cancels: an invocation behind it does not wait."""
    async with LocalHub({"hubs": [{"name": HUB, "event_handlers": [handler]}]}) as hub:
        client = await started(node, hub)
        slow = asyncio.create_task(client.call("invokeEvent", "slow", "x", "text", abortAfter=200))
        with pytest.raises(NodeError) as failure:
            await slow
        assert "cancelled" in failure.value.details["message"]
        answer = await client.call("invokeEvent", "echo", "y", "text")
        assert answer["data"] == "y"
