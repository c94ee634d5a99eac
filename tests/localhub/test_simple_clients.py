"""Simple WebSocket clients, in both modes."""

from __future__ import annotations

import pytest
from aiohttp import web
from localhub import LocalHub

from tests.support.protocol import ROLES


async def test_frames_become_message_events(handler, connect):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=None)
        await client.websocket.send("hé")
        await client.websocket.send(b"\x00\xff")
        text, binary = await handler.wait_for("message", 2)
    assert (text.headers["Content-Type"].partition(";")[0], text.body) == (
        "text/plain",
        "hé".encode(),
    )
    assert binary.headers["Content-Type"] == "application/octet-stream"
    assert binary.body == b"\x00\xff"
    assert text.headers["ce-type"] == "azure.webpubsub.user.message"
    assert "ce-subprotocol" not in text.headers


async def test_answers_are_one_frame(handler, connect):
    answers = {
        b"text": web.Response(text="é"),
        b"json": web.Response(body=b'{"a": 1}', content_type="application/json"),
        b"binary": web.Response(body=b"\x00", content_type="application/octet-stream"),
    }
    handler.react = lambda event: answers[event.body] if event.name == "message" else None
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=None)
        for ask, answer in (("text", "é"), ("json", '{"a": 1}'), ("binary", b"\x00")):
            await client.websocket.send(ask)
            assert await client.receive_text() == answer


async def test_a_custom_subprotocol_is_raw(handler, connect):
    def react(event):
        if event.name == "connect":
            return {"subprotocol": "ocpp1.6"}
        if event.name == "message":
            return web.Response(text='[3,"1",{}]', content_type="text/plain")
        return None

    handler.react = react
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol="ocpp1.6")
        await client.websocket.send('[2,"1","Heartbeat",{}]')
        assert await client.receive_text() == '[3,"1",{}]'
    (event,) = handler.named("message")
    assert event.headers["ce-subprotocol"] == "ocpp1.6"


@pytest.mark.parametrize("status", [None, 400, 500])
async def test_a_frame_that_cannot_be_delivered_ends_the_connection(handler, connect, status):
    handler.react = lambda event: status if event.name == "message" else None
    pattern = "other" if status is None else "*"
    async with LocalHub(handler.config(user_event_pattern=pattern)) as hub:
        client = await connect(hub, protocol=None)
        await client.websocket.send("x")
        assert (await client.close_code())[0] == 1011
        assert hub.control.connections() == []


async def test_frames_are_published_to_a_group(localhub, connect):
    query = "webpubsub_mode=SendToGroup&group=g"
    member = await connect(localhub, user_id="m", groups=["g"])
    sender = await connect(
        localhub, protocol=None, query=query, user_id="s", roles=["webpubsub.sendToGroup.g"]
    )
    echoing, quiet = [
        await connect(
            localhub,
            protocol=None,
            query=f"{query}&noEcho={no_echo}",
            user_id="e",
            roles=["webpubsub.sendToGroup.g"],
            groups=["g"],
        )
        for no_echo in ("false", "True")
    ]
    await sender.websocket.send("hi")
    message = await member.receive()
    assert (message["dataType"], message["data"], message["fromUserId"]) == ("text", "hi", "s")
    await echoing.websocket.send(b"\x01")
    assert (await member.receive())["data"] == "AQ=="
    await quiet.websocket.send("q")
    assert (await member.receive())["data"] == "q"
    # The sender is no member; the other two see each other's frames, and one sees its own.
    assert [await echoing.receive_text() for _ in range(3)] == ["hi", b"\x01", "q"]
    assert [await quiet.receive_text() for _ in range(2)] == ["hi", b"\x01"]


@pytest.mark.parametrize(
    ("query", "published", "echo"),
    [
        ("", False, False),
        ("webpubsub_mode=", False, False),
        ("webpubsub_mode=sendToGroup&webpubsub_mode=", False, False),
        ("webpubsub_mode=sendEvent&group=%20&noEcho=maybe", False, False),
        ("webpubsub_mode=sendToGroup&group=g", True, True),
        ("webpubsub_mode=sendToGroup&group=g&noEcho=", True, True),
        ("webpubsub_mode=sendToGroup&group=g&noEcho=TRUE", True, False),
        ("webpubsub_mode=sendToGroup&group=other&group=g", True, True),
        ("webpubsub_mode=sendEvent&webpubsub_mode=sendToGroup&group=g", True, True),
        ("webpubsub_mode=sendToGroup&group=g&noEcho=true&noEcho=false", True, True),
        ("WebPubSub_Mode=sendToGroup&GROUP=g&noecho=true", True, False),
    ],
)
async def test_empty_and_repeated_parameters(handler, connect, query, published, echo):
    """Microsoft's emulator, README.md, "Raw WebSocket events and group sends": the default is
    "when `webpubsub_mode` is absent or empty"; "repeated ... parameters use their last value"."""
    async with LocalHub(handler.config(system_events=[])) as hub:
        member = await connect(hub, user_id="m", groups=["g"])
        roles = ["webpubsub.sendToGroup"]
        client = await connect(hub, protocol=None, query=query, roles=roles, groups=["g"])
        await client.websocket.send("x")
        if published:
            assert (await member.receive())["data"] == "x"
        else:
            await handler.wait_for("message")
        hub.control.send("chargers", "end", group="g")
        assert await client.receive_text() == ("x" if echo else "end")


async def test_without_the_role_nothing_is_published(localhub, connect):
    member = await connect(localhub, user_id="m", groups=["g"])
    sender = await connect(
        localhub, protocol=None, query="webpubsub_mode=sendToGroup&group=g", user_id="s"
    )
    await sender.websocket.send("hi")
    await (await sender.websocket.ping())
    await member.quiet()


async def test_what_a_simple_client_receives(localhub, connect):
    simple = await connect(localhub, protocol=None, user_id="s", groups=["g"])
    sender = await connect(localhub, roles=ROLES)
    for content in ("hi", b"\x00", {"a": 1}):
        localhub.control.send("chargers", content, user_id="s")
    await sender.websocket.send('{"type":"sendToGroup","group":"g","data":"quoted"}')
    await sender.send(type="sendToGroup", group="g", dataType="protobuf", data="CgA=")
    assert [await simple.receive_text() for _ in range(5)] == [
        "hi",
        b"\x00",
        '{"a":1}',
        '"quoted"',
        b"\x0a\x00",
    ]


async def test_illegal_text_from_a_simple_client(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade="")
    peer.write_frame(0x81, b"\xff")
    assert await peer.close_code() == 1007
