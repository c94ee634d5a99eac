"""Invocations: a client's question, the event handler's answer."""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import urlencode

import pytest
from aiohttp import web
from localhub import LocalHub

from tests.support.protocol import JSON, RELIABLE_JSON


def invoke(event="price", invocation_id="1", **others):
    return {
        "type": "invoke",
        "invocationId": invocation_id,
        "target": "event",
        "event": event,
        **others,
    }


def response(invocation_id="1", **others):
    return {"type": "invokeResponse", "invocationId": invocation_id, **others}


@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON])
async def test_the_answer_of_the_handler_is_the_response(handler, connect, protocol):
    answers = {
        "a": web.json_response({"ct": [1.0, None]}),
        "b": web.Response(text="hé"),
        "c": web.Response(body=b"\x00\xff"),
        "d": None,
        "e": web.Response(status=200),
    }
    handler.react = lambda event: answers.get(event.name)
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=protocol, user_id="cp-7")
        for event, expected in {
            "a": {"dataType": "json", "data": {"ct": [1.0, None]}},
            "b": {"dataType": "text", "data": "hé"},
            "c": {"dataType": "binary", "data": base64.b64encode(b"\x00\xff").decode()},
            "d": {},
            "e": {},
        }.items():
            answer = await client.ask(**invoke(event, event * 3, data={"kwh": 3}))
            assert answer == response(event * 3, success=True, **expected)
        await client.quiet()


async def test_what_the_handler_is_told(handler, connect):
    """The same as with an event; that it is an invocation does not show."""
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="cp-7")
        assert await client.ask(**invoke(dataType="text", data="hé")) == response(success=True)
        assert await client.ask(**invoke()) == response(success=True)
        (asked, without_data) = handler.named("price")
        assert asked.body == "hé".encode()
        expected = {
            "ce-type": "azure.webpubsub.user.price",
            "ce-userId": "cp-7",
            "ce-connectionId": client.id,
            "ce-subprotocol": JSON,
            "Content-Type": "text/plain; charset=utf-8",
        }
        assert {name: asked.headers[name] for name in expected} == expected
        assert "ce-signature" in asked.headers
        assert without_data.body == b""


@pytest.mark.parametrize(
    "frame",
    [
        invoke("no spaces"),
        invoke(None),
        {**invoke(), "target": "group"},
        {**invoke(), "target": None},
    ],
)
async def test_what_cannot_be_invoked(handler, connect, frame):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub)
        answer = await client.ask(**frame)
        assert answer["error"].pop("message")
        assert answer == response(success=False, error={"name": "BadRequest"})
        assert not handler.named("price")
        await client.quiet()


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "invoke", "target": "event", "event": "price"},
        invoke(invocation_id=1),
        invoke(dataType="text"),
        invoke(dataType="text", data=1),
        invoke(dataType="binary", data="*"),
        {"type": "cancelInvocation"},
    ],
)
async def test_frames_that_are_no_messages(localhub, connect, frame):
    client = await connect(localhub)
    await client.send(**frame)
    assert (await client.close_code())[0] == 1007


@pytest.mark.parametrize("failure", ["no handler", 403, 500, "rubbish"])
async def test_a_handler_that_fails(handler, connect, failure):
    def react(event):
        if failure == "rubbish":
            return web.Response(body=b"{", content_type="application/json")
        return failure

    handler.react = react
    others = {"user_event_pattern": "other"} if failure == "no handler" else {}
    async with LocalHub(handler.config(system_events=[], **others)) as hub:
        client = await connect(hub)
        answer = await client.ask(**invoke())
        assert "'price'" in answer["error"].pop("message")
        assert answer == response(success=False, error={"name": "InternalServerError"})
        # The connection lives, and the id may be used again.
        assert (await client.ask(**invoke()))["success"] is False


async def test_in_order_with_events(handler, connect):
    """An invocation sees the connection state that the event before it left."""

    async def react(event):
        if event.name == "first":
            await asyncio.sleep(0.1)
            return web.Response(status=204, headers={"ce-connectionState": "set"})
        return web.Response(text=event.headers["ce-connectionState"])

    handler.react = react
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub)
        await client.send(type="event", event="first", data=1, ackId=1)
        await client.send(**invoke("second"))
        assert (await client.receive())["type"] == "ack"
        assert (await client.receive())["data"] == "set"


# -- cancellation ---------------------------------------------------------------------------


class Slow:
    """A handler that answers `slow` when it is released."""

    def __init__(self):
        self.may_answer = asyncio.Event()
        self.hung_up = asyncio.Event()

    async def __call__(self, event):
        if event.name != "slow":
            return web.Response(text=event.body.decode())
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.hung_up.set()
            raise
        return web.Response(text="at last")


@pytest.fixture
def slow(handler):
    handler.react = Slow()
    yield handler.react
    handler.react.may_answer.set()


async def test_a_cancelled_invocation_is_not_answered(handler, slow, connect):
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub)
        await client.send(**invoke("slow", "a"))
        await client.send(**invoke("quick", "b", data="b"))
        await client.send(**invoke("quick", "c", data="c"))
        await handler.wait_for("slow")
        await client.send(type="cancelInvocation", invocationId="b")  # still in the queue
        await client.send(type="cancelInvocation", invocationId="a")  # on its way
        await client.send(type="cancelInvocation", invocationId="unknown")
        assert (await client.receive())["invocationId"] == "c"
        # A cancelled id is free at once.
        assert (await client.ask(**invoke("quick", "a", data="again")))["success"]
        await client.quiet()
        assert [event.json for event in handler.named("quick")] == ["c", "again"]


async def test_an_id_that_is_used_again_at_once(handler, slow, connect):
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub)
        await client.send(**invoke("slow", "a"))
        await client.send(**invoke("quick", "b", data="first"))
        await client.send(type="cancelInvocation", invocationId="b")
        await client.send(**invoke("quick", "b", data="second"))
        slow.may_answer.set()
        assert (await client.receive())["invocationId"] == "a"
        assert (await client.receive())["data"] == '"second"'
        assert [event.json for event in handler.named("quick")] == ["second"]


async def test_an_id_that_is_pending_is_not_executed_twice(handler, slow, connect):
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub)
        await client.send(**invoke("slow"))
        await client.send(**invoke("slow"))
        await handler.wait_for("slow")
        slow.may_answer.set()
        assert await client.receive() == response(success=True, dataType="text", data="at last")
        await client.quiet()
        assert len(handler.named("slow")) == 1


async def test_the_answer_comes_after_a_recovery(handler, slow, connect, eventually):
    async with LocalHub(handler.config(system_events=["disconnected"])) as hub:
        client = await connect(hub, protocol=RELIABLE_JSON)
        await client.send(**invoke("slow"))
        await handler.wait_for("slow")
        client.websocket.transport.abort()
        await eventually(lambda: hub.control.connections()[0].detached)
        again = await connect(hub, protocol=RELIABLE_JSON, query=urlencode(client.recovery))
        slow.may_answer.set()
        assert (await again.receive())["data"] == "at last"


@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON])
async def test_a_client_that_leaves_cancels(handler, slow, connect, protocol):
    """Or its `disconnected` would wait for an answer that nobody wants."""
    async with LocalHub(handler.config(system_events=["disconnected"])) as hub:
        client = await connect(hub, protocol=protocol)
        await client.send(**invoke("slow"))
        await client.send(**invoke("quick", "2", data=1))
        await handler.wait_for("slow")
        await client.leave()
        await handler.wait_for("disconnected")
        assert not handler.named("quick")


async def test_a_service_that_ends_leaves_nothing_behind(handler, slow, connect):
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub)
        await client.send(**invoke("slow"))
        await handler.wait_for("slow")
    assert not [task for task in asyncio.all_tasks() if "host_tools" in repr(task)]


async def test_protobuf_has_no_invocations(localhub, connect):
    """Their field numbers are not published: numbers 10 to 12 are taken for an unknown message."""
    for number in (10, 11, 12):
        client = await connect(localhub, protocol="protobuf.webpubsub.azure.v1")
        await client.receive_text()
        await client.websocket.send(bytes((number << 3 | 2, 0)))
        assert (await client.close_code())[0] == 1007
