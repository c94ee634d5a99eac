"""Metadata beside the content of a message: from clients, from REST, to clients, to handlers."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession, web
from localhub import LocalHub
from localhub.protocol.client_pb2 import DownstreamMessage, UpstreamMessage
from localhub.protocol.metadata import checked, from_headers, to_headers

from tests.support.protocol import JSON, PROTOBUF, RELIABLE_JSON

ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
GIVEN = {"trace-id": "4bf92f", "Unit": "kW h"}


async def in_protobuf(client):
    """The next DataMessage of a protobuf client."""
    while True:
        frame = DownstreamMessage.FromString(await client.receive_text())
        if frame.WhichOneof("message") == "data_message":
            return frame.data_message


async def test_a_client_s_metadata_reaches_the_others(localhub, connect):
    here = await connect(localhub, user_id="u", roles=ROLES, groups=["g"])
    reliable = await connect(localhub, user_id="v", protocol=RELIABLE_JSON, groups=["g"])
    binary = await connect(localhub, user_id="w", protocol=PROTOBUF, roles=ROLES, groups=["g"])
    simple = await connect(localhub, user_id="x", protocol=None, groups=["g"])
    await here.send(type="sendToGroup", group="g", data=1, metadata=GIVEN)
    assert (await here.receive())["metadata"] == GIVEN
    numbered = await reliable.receive()
    assert (numbered["metadata"], numbered["sequenceId"]) == (GIVEN, 1)
    assert dict((await in_protobuf(binary)).metadata) == GIVEN
    assert await simple.receive_text() == "1"
    request = UpstreamMessage(
        send_to_group_message={"group": "g", "data": {"text_data": "x"}, "metadata": GIVEN}
    )
    await binary.websocket.send(request.SerializeToString())
    assert (await here.receive())["metadata"] == GIVEN
    # A message without it has no such member.
    await here.send(type="sendToGroup", group="g", data=2)
    assert "metadata" not in await here.receive()
    await here.send(type="sendToGroup", group="g", data=3, metadata={})
    assert "metadata" not in await here.receive()


@pytest.mark.parametrize("protocol", [JSON, PROTOBUF])
async def test_handlers_are_told_in_headers(handler, connect, protocol):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=protocol)
        if protocol == JSON:
            await client.ask(type="event", event="e", data=1, ackId=1, metadata=GIVEN)
        else:
            event = {"event": "e", "data": {"text_data": "x"}, "metadata": GIVEN}
            request = UpstreamMessage(event_message=event)
            await client.websocket.send(request.SerializeToString())
        (event,) = await handler.wait_for("e")
        assert event.headers["x-webpubsub-metadata-trace-id"] == "4bf92f"
        assert event.headers["X-WebPubSub-Metadata-Unit"] == "kW h"
        names = [name.lower() for name in event.headers if "metadata" in name.lower()]
        assert len(names) == 2


BAD = [
    ({"a b": "x"}, "names"),
    ({"": "x"}, "names"),
    ({"k" * 257: "x"}, "names"),
    ({"é": "x"}, "names"),
    ({"k": "é"}, "values"),
    ({"k": "x\r\nce-userId: admin"}, "values"),
    ({"k": "x" * 1025}, "values"),
    ({f"k{n}": "x" * 1000 for n in range(9)}, "8 KiB"),
    ({"k": 1}, "'k' must be a string"),
    ({"k": None}, "'k' is missing"),
    (["k"], "'metadata' must be an object"),
    ("k", "'metadata' must be an object"),
]


@pytest.mark.parametrize(("metadata", "said"), BAD)
@pytest.mark.parametrize("kind", ["event", "sendToGroup"])
async def test_what_breaks_the_rules_is_1007(localhub, connect, kind, metadata, said):
    client = await connect(localhub, user_id="u", roles=ROLES)
    await client.send(type=kind, event="e", group="g", data=1, ackId=1, metadata=metadata)
    code, reason = await client.close_code()
    assert code == 1007
    assert said in reason


def test_the_rules():
    assert checked([("k" * 256, "x" * 1024)])
    assert checked([(f"k{n}", "x" * 1022) for n in range(8)])
    assert from_headers([("X-WebPubSub-Metadata-A", "1"), ("X-Other", "2")]) == (("a", "1"),)
    assert from_headers([("X-WebPubSub-Metadata-", "1")]) == ()


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ([("a", "1"), ("A", "2")], {"a": "2"}),
        ([("TraceId", "1"), ("b", "2"), ("traceid", "3")], {"traceid": "3", "b": "2"}),
        ([("a", "1, 2")], {"a": "2"}),
        ([("a", "1,2 , 3 ")], {"a": "3"}),
        ([("a", "1,")], {"a": ""}),
        ([("a", " x ")], {"a": "x"}),
    ],
)
def test_names_have_no_case_and_the_last_value_counts(headers, metadata):
    """GetMetadata of the emulator's WebPubSubEmulatorController.cs."""
    named = [(f"X-WebPubSub-Metadata-{name}", value) for name, value in headers]
    assert dict(from_headers(named)) == metadata


def test_handlers_get_lower_case_names():
    """AddMetadataHeaders of the emulator's UpstreamEventDispatcher.cs."""
    assert to_headers((("A", "1"), ("b", "2"), ("a", "3"))) == {
        "x-webpubsub-metadata-a": "3",
        "x-webpubsub-metadata-b": "2",
    }


async def test_answers_of_handlers_have_it_in_headers(handler, connect):
    """GetMetadata of the emulator's UpstreamEventDispatcher.cs, and its README.md: "Empty bodies
    use text regardless of Content-Type and produce a message only when response metadata is
    present"."""
    said = web.Response(text="pong", headers={"X-WebPubSub-Metadata-Trace": "a, b"})
    silent = {"X-WebPubSub-Metadata-K": "v", "Content-Type": "application/json"}
    illegal = web.Response(text="x", headers={"X-WebPubSub-Metadata-K": "é"})
    async with LocalHub(handler.config()) as hub:
        client, raw = await connect(hub), await connect(hub, protocol=None)

        async def ask(ack_id, answer):
            handler.react = lambda event: (
                web.Response(body=answer.body, headers=answer.headers)
                if event.name == "message"
                else None
            )
            frame = {"type": "event", "event": "message", "data": 1, "ackId": ack_id}
            return await client.ask(**frame)

        message = await ask(1, said)
        assert (message["data"], message["metadata"]) == ("pong", {"trace": "b"})
        assert (await client.receive())["success"]
        message = await ask(2, web.Response(headers=silent))
        assert (message["dataType"], message["data"]) == ("text", "")
        assert message["metadata"] == {"k": "v"}
        assert (await client.receive())["success"]
        await raw.websocket.send("x")
        assert await raw.receive_text() == ""
        assert (await ask(3, web.Response()))["success"]
        assert (await ask(4, illegal))["error"]["name"] == "InternalServerError"
        await client.quiet()


@pytest.mark.parametrize("metadata", [{"k": "v"}, {}])
@pytest.mark.parametrize("kind", ["sendToGroup", "event"])
async def test_metadata_without_data_is_an_empty_text(handler, connect, kind, metadata):
    """ReadData of the emulator's WebPubSubJsonV1Protocol.cs."""
    async with LocalHub(handler.config(system_events=[])) as hub:
        client = await connect(hub, roles=["webpubsub.sendToGroup"], groups=["g"])
        where = {"group": "g"} if kind == "sendToGroup" else {"event": "e"}
        got = [await client.ask(type=kind, **where, metadata=metadata, ackId=1)]
        if kind == "sendToGroup":
            got.append(await client.receive())
            (message,) = [one for one in got if one["type"] == "message"]
            assert (message["dataType"], message["data"]) == ("text", "")
            assert message.get("metadata", {}) == metadata
        else:
            (event,) = handler.named("e")
            assert event.body == b""
            assert event.headers["Content-Type"].startswith("text/plain")
        assert [one["success"] for one in got if one["type"] == "ack"] == [True]


async def test_metadata_without_data_in_protobuf(localhub, connect):
    client = await connect(localhub, groups=["g"])
    binary = await connect(localhub, protocol=PROTOBUF, roles=["webpubsub.sendToGroup"])
    await binary.websocket.recv()
    frame = UpstreamMessage(send_to_group_message={"group": "g", "metadata": {"k": "v"}})
    await binary.websocket.send(frame.SerializeToString())
    message = await client.receive()
    assert (message["dataType"], message["data"]) == ("text", "")
    assert message["metadata"] == {"k": "v"}


@pytest.mark.parametrize("data", [None, "absent"])
async def test_without_either_it_is_1007(localhub, connect, data):
    client = await connect(localhub, roles=["webpubsub.sendToGroup"])
    given = {"data": None, "metadata": {"k": "v"}} if data is None else {"metadata": None}
    await client.send(type="sendToGroup", group="g", **given)
    assert (await client.close_code())[0] == 1007


async def test_rest_calls_have_it_in_headers(localhub, connect):
    import time

    import jwt

    client = await connect(localhub, user_id="u", groups=["g"])
    key = localhub.connection_string.partition("AccessKey=")[2].partition(";")[0]
    async with ClientSession() as session:
        for path in ("", "/groups/g", "/users/u", f"/connections/{client.id}"):
            url = f"{localhub.endpoint}/api/hubs/chargers{path}/:send"
            token = jwt.encode({"aud": url, "exp": time.time() + 60}, key)
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
            given = {f"X-WebPubSub-Metadata-{name}": value for name, value in GIVEN.items()}
            async with session.post(url, data=b"x", headers={**headers, **given}) as answer:
                assert answer.status == 202
            assert (await client.receive())["metadata"] == {"trace-id": "4bf92f", "unit": "kW h"}
            bad = {"X-WebPubSub-Metadata-a": "é"}
            async with session.post(url, data=b"x", headers={**headers, **bad}) as answer:
                assert answer.status == 400
                assert "metadata values" in (await answer.json())["message"]
        await client.quiet()
