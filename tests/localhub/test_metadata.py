"""Metadata beside the content of a message: from clients, from REST, to clients, to handlers."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession
from localhub import LocalHub
from localhub.protocol.client_pb2 import DownstreamMessage, UpstreamMessage
from localhub.protocol.metadata import checked, from_headers

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
    assert from_headers([("X-WebPubSub-Metadata-A", "1"), ("X-Other", "2")]) == (("A", "1"),)
    assert from_headers([("X-WebPubSub-Metadata-", "1")]) == ()
    with pytest.raises(ValueError, match="twice"):
        from_headers([("X-WebPubSub-Metadata-a", "1"), ("x-webpubsub-metadata-A", "2")])


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
            assert (await client.receive())["metadata"] == GIVEN
            bad = {"X-WebPubSub-Metadata-a": "é"}
            async with session.post(url, data=b"x", headers={**headers, **bad}) as answer:
                assert answer.status == 400
                assert "metadata values" in (await answer.json())["message"]
        await client.quiet()
