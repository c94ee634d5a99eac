"""Both protobuf subprotocols: groups, acks, events, recovery, and every kind of receiver."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest
from aiohttp import web
from google.protobuf.any_pb2 import Any as AnyMessage
from localhub import LocalHub
from localhub.protocol.client_pb2 import DownstreamMessage, MessageData, UpstreamMessage

from tests.support.protocol import JSON, PROTOBUF, RELIABLE_JSON, RELIABLE_PROTOBUF, ROLES

MEGABYTE = 1024 * 1024
ANY = AnyMessage(type_url="type.example/Reading", value=b"\x08\x96\x01").SerializeToString()


class Speaker:
    """A client that speaks protobuf."""

    def __init__(self, client):
        self.client = client
        self.websocket = client.websocket
        self.connected = None

    @property
    def id(self):
        return self.connected.connection_id

    async def send(self, **message):
        await self.websocket.send(UpstreamMessage(**message).SerializeToString())

    async def receive(self):
        return DownstreamMessage.FromString(await self.client.receive_text())

    async def ask(self, **message):
        await self.send(**message)
        return await self.receive()

    async def ack(self, **message):
        """Send a request, and return the ack that comes next."""
        answer = await self.ask(**message)
        assert answer.WhichOneof("message") == "ack_message"
        return answer.ack_message

    async def message(self):
        """The next message, which must be one."""
        frame = await self.receive()
        assert frame.WhichOneof("message") == "data_message"
        return frame.data_message

    async def quiet(self):
        assert (await self.ask(ping_message={})).WhichOneof("message") == "pong_message"

    async def publish(self, group, **data):
        await self.send(send_to_group_message={"group": group, "data": data})


@pytest.fixture
def speak(connect):
    """Opens clients as `connect` does; they speak protobuf."""

    async def open_speaker(hub, protocol=PROTOBUF, query="", **keywords):
        speaker = Speaker(await connect(hub, protocol=protocol, query=query, **keywords))
        if not query:
            frame = await speaker.receive()
            speaker.connected = frame.system_message.connected_message
            assert speaker.id
        return speaker

    return open_speaker


def join(group, ack_id=None):
    return {"join_group_message": {"group": group, "ack_id": ack_id}}


# -- greeting, groups, acks -----------------------------------------------------------------


@pytest.mark.parametrize("protocol", [PROTOBUF, RELIABLE_PROTOBUF, PROTOBUF.upper()])
async def test_the_greeting(localhub, speak, protocol):
    known = await speak(localhub, protocol, user_id="é")
    assert known.websocket.subprotocol == protocol
    assert known.connected.user_id == "é"
    assert known.connected.HasField("reconnection_token") == ("reliable" in protocol)
    unknown = await speak(localhub, protocol)
    assert unknown.connected.user_id == ""


@pytest.mark.parametrize("protocol", [PROTOBUF, RELIABLE_PROTOBUF])
async def test_requests_byte_for_byte(localhub, connect, protocol):
    client = await connect(localhub, protocol=protocol, roles=ROLES, user_id="u")
    await client.receive_text()
    number = "20 01" if protocol == RELIABLE_PROTOBUF else ""
    for sent, received in (
        ("32 05 0a 01 67 10 01", ["0a 04 08 01 10 01"]),
        # To itself, then without an echo.
        (
            "0a 0b 0a 01 67 10 02 1a 04 0a 02 68 69",
            [
                ("12 12" if number else "12 10")
                + "0a 05 67 72 6f 75 70 12 01 67 1a 04 0a 02 68 69"
                + number,
                "0a 04 08 02 10 01",
            ],
        ),
        ("0a 0d 0a 01 67 10 03 1a 04 0a 02 68 69 20 01", ["0a 04 08 03 10 01"]),
        ("3a 05 0a 01 67 10 04", ["0a 04 08 04 10 01"]),
        ("4a 00", ["22 00"]),
    ):
        await client.websocket.send(bytes.fromhex(sent))
        for frame in received:
            assert (await client.receive_text()).hex() == bytes.fromhex(frame).hex()


async def test_acks(localhub, speak):
    client = await speak(localhub, roles=["webpubsub.joinLeaveGroup.g"])
    # 0 is an ackId, and without one there is no answer.
    ack = await client.ack(**join("g", 0))
    assert (ack.ack_id, ack.success, ack.HasField("error")) == (0, True, False)
    await client.send(**join("g"))
    ack = await client.ack(**join("g", 0))
    assert (ack.success, ack.error.name) == (False, "Duplicate")
    ack = await client.ack(**join("other", 2**64 - 1))
    assert (ack.ack_id, ack.error.name) == (2**64 - 1, "Forbidden")
    assert "'other'" in ack.error.message
    ack = await client.ack(leave_group_message={"group": "", "ack_id": 2})
    assert ack.error.name == "BadRequest"
    ack = await client.ack(leave_group_message={"group": "g", "ack_id": 3})
    assert ack.success
    ack = await client.ack(
        send_to_group_message={"group": "g", "ack_id": 4, "data": {"text_data": "x"}}
    )
    assert ack.error.name == "Forbidden"
    # No handler is there for it.
    ack = await client.ack(event_message={"event": "e", "ack_id": 5, "data": {"binary_data": b""}})
    assert ack.error.name == "InternalServerError"
    await client.quiet()


async def test_no_echo(localhub, speak):
    alice = await speak(localhub, roles=ROLES, groups=["g"])
    bob = await speak(localhub, groups=["g"])
    for no_echo, text in ((True, "a"), (False, "b"), (None, "c")):
        await alice.send(
            send_to_group_message={"group": "g", "no_echo": no_echo, "data": {"text_data": text}}
        )
    assert [(await bob.message()).data.text_data for _ in "abc"] == ["a", "b", "c"]
    assert [(await alice.message()).data.text_data for _ in "bc"] == ["b", "c"]


# -- what each kind of receiver sees --------------------------------------------------------

# By data type: content as JSON clients, protobuf clients and simple clients see it.
MATRIX = {
    "text": ("hé \U0001f600", MessageData(text_data="hé \U0001f600"), "hé \U0001f600"),
    "json": ({"a": [1.0]}, MessageData(json_data='{"a": [1.0]}'), '{"a": [1.0]}'),
    "binary": ("AP8=", MessageData(binary_data=b"\x00\xff"), b"\x00\xff"),
    "protobuf": (
        base64.b64encode(ANY).decode(),
        MessageData(protobuf_data=AnyMessage.FromString(ANY)),
        ANY,
    ),
}
EMPTY = {
    "text": ("", MessageData(text_data=""), ""),
    "json": ("", MessageData(json_data='""'), '""'),
    "binary": ("", MessageData(binary_data=b""), b""),
    "protobuf": ("", MessageData(protobuf_data=AnyMessage()), b""),
}


async def publish_as(sender, localhub, connect, speak, data_type, content):
    """Publish to `g` from a client of this kind."""
    for_json, for_protobuf, for_simple = content
    if sender in (JSON, RELIABLE_JSON):
        client = await connect(localhub, protocol=sender, roles=ROLES, user_id="s")
        await client.send(type="sendToGroup", group="g", dataType=data_type, data=for_json)
    elif sender is None:
        query = "webpubsub_mode=sendToGroup&group=g"
        client = await connect(localhub, protocol=None, query=query, roles=ROLES, user_id="s")
        await client.websocket.send(for_simple)
    else:
        speaker = await speak(localhub, sender, roles=ROLES, user_id="s")
        await speaker.send(send_to_group_message={"group": "g", "data": for_protobuf})


@pytest.mark.parametrize(
    ("sender", "data_type"),
    [
        (sender, data_type)
        for sender in (JSON, RELIABLE_JSON, PROTOBUF, RELIABLE_PROTOBUF)
        for data_type in MATRIX
    ]
    + [(None, "text"), (None, "binary")],
)
@pytest.mark.parametrize("contents", [MATRIX, EMPTY], ids=["full", "empty"])
async def test_the_delivery_matrix(localhub, connect, speak, sender, data_type, contents):
    in_json = [
        await connect(localhub, protocol=protocol, groups=["g"], user_id="r")
        for protocol in (JSON, RELIABLE_JSON)
    ]
    in_protobuf = [
        await speak(localhub, one, groups=["g"]) for one in (PROTOBUF, RELIABLE_PROTOBUF)
    ]
    simple = await connect(localhub, protocol=None, groups=["g"], user_id="r")
    for_json, for_protobuf, for_simple = content = contents[data_type]
    await publish_as(sender, localhub, connect, speak, data_type, content)
    for client in in_json:
        frame = await client.receive()
        assert (frame["dataType"], frame["data"]) == (data_type, for_json)
        assert (frame["group"], frame["fromUserId"]) == ("g", "s")
    for speaker in in_protobuf:
        message = await speaker.message()
        assert (getattr(message, "from"), message.group) == ("group", "g")
        assert message.data.SerializeToString() == for_protobuf.SerializeToString()
        assert message.HasField("sequence_id") == (
            speaker.websocket.subprotocol == RELIABLE_PROTOBUF
        )
    assert await simple.receive_text() == for_simple


async def test_messages_of_the_application_server(localhub, speak):
    plain = await speak(localhub, user_id="u")
    reliable = await speak(localhub, RELIABLE_PROTOBUF, user_id="u", groups=["g"])
    localhub.control.send("chargers", {"a": 1})
    localhub.control.send("chargers", b"\x00", user_id="u")
    localhub.control.send("chargers", "to g", group="g")
    for client in (plain, reliable):
        message = await client.message()
        assert (getattr(message, "from"), message.HasField("group")) == ("server", False)
        assert message.data.json_data == '{"a":1}'
        assert (await client.message()).data.binary_data == b"\x00"
    message = await reliable.message()
    assert (message.group, message.data.text_data, message.sequence_id) == ("g", "to g", 3)


async def test_what_is_unknown_is_ignored(localhub, speak):
    client = await speak(localhub, roles=ROLES, groups=["g"])
    request = UpstreamMessage(
        send_to_group_message={
            "group": "g",
            "data": {"text_data": "x"},
            "ttl_seconds": 7,
            "metadata": {"key": "value"},
        }
    )
    # Fields of a later version: a number, 8 bytes, 4 bytes, something with a length.
    later = b"\xf8\x07\x05" + b"\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4) + b"\xfa\x07\x01x"
    await client.websocket.send(request.SerializeToString() + later)
    assert (await client.message()).data.text_data == "x"


# -- events ---------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [PROTOBUF, RELIABLE_PROTOBUF])
async def test_events_reach_the_handler(handler, speak, protocol):
    expected = {
        "text/plain": "hé \U0001f600".encode(),
        "application/json": b'{"a": [1.0]}',
        "application/octet-stream": b"\x00\xff",
        "application/x-protobuf": ANY,
    }
    async with LocalHub(handler.config()) as hub:
        client = await speak(hub, protocol, user_id="u")
        for ack_id, (_, data, _) in enumerate(MATRIX.values()):
            request = {"event": "status", "ack_id": ack_id, "data": data}
            assert (await client.ack(event_message=request)).success
    events = handler.named("status")
    found = {one.headers["Content-Type"].partition(";")[0]: one.body for one in events}
    assert found == expected
    assert {one.headers["ce-subprotocol"] for one in events} == {protocol}


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("text/plain; charset=utf-8", "é".encode(), MessageData(text_data="é")),
        ("application/json", b'{"a": 1.0}', MessageData(json_data='{"a": 1.0}')),
        ("application/octet-stream", b"\x00", MessageData(binary_data=b"\x00")),
    ],
)
async def test_answers_come_before_the_ack(handler, speak, content_type, body, data):
    handler.react = lambda event: (
        web.Response(body=body, headers={"Content-Type": content_type})
        if event.name == "ask"
        else None
    )
    async with LocalHub(handler.config()) as hub:
        client = await speak(hub, RELIABLE_PROTOBUF, user_id="u")
        await client.send(
            event_message={"event": "ask", "ack_id": 9, "data": {"protobuf_data": AnyMessage()}}
        )
        message = await client.message()
        assert (getattr(message, "from"), message.data, message.sequence_id) == ("server", data, 1)
        assert (await client.receive()).ack_message.ack_id == 9


async def test_the_handler_picks_protobuf(handler, speak):
    handler.react = lambda event: (
        {"subprotocol": RELIABLE_PROTOBUF} if event.name == "connect" else None
    )
    async with LocalHub(handler.config()) as hub:
        client = await speak(hub, f"{JSON},{RELIABLE_PROTOBUF}")
        assert client.websocket.subprotocol == RELIABLE_PROTOBUF
        assert client.connected.reconnection_token


# -- recovery -------------------------------------------------------------------------------


async def test_replay_after_a_recovery(localhub, speak, eventually):
    client = await speak(localhub, RELIABLE_PROTOBUF, user_id="u", roles=ROLES, groups=["g"])
    for content in ("a", b"b", {"c": 1}):
        localhub.control.send("chargers", content)
    assert [(await client.message()).sequence_id for _ in range(3)] == [1, 2, 3]
    await client.send(sequence_ack_message={"sequence_id": 1})
    await client.quiet()
    localhub.control.drop(client.id)
    await client.client.close_code()
    await eventually(lambda: [one for one in localhub.control.connections() if one.detached])
    localhub.control.send("chargers", "d", group="g")

    query = urlencode(
        {
            "awps_connection_id": client.id,
            "awps_reconnection_token": client.connected.reconnection_token,
        }
    )
    again = await speak(localhub, RELIABLE_PROTOBUF, query=query)
    assert again.websocket.subprotocol == RELIABLE_PROTOBUF
    replayed = [await again.message() for _ in range(3)]
    assert [one.sequence_id for one in replayed] == [2, 3, 4]
    assert [one.data for one in replayed] == [
        MessageData(binary_data=b"b"),
        MessageData(json_data='{"c":1}'),
        MessageData(text_data="d"),
    ]
    assert (await again.ack(**join("g2", 1))).success
    await again.publish("g", text_data="e")
    assert (await again.message()).sequence_id == 5


async def test_one_message_has_a_number_of_its_own_for_each_receiver(localhub, speak):
    first = await speak(localhub, RELIABLE_PROTOBUF, groups=["g"])
    localhub.control.send("chargers", "only first")
    others = [await speak(localhub, RELIABLE_PROTOBUF, groups=["g"]) for _ in range(3)]
    plain = await speak(localhub, groups=["g"])
    localhub.control.send("chargers", "all", group="g")
    assert (await first.message()).sequence_id == 1
    assert (await first.message()).sequence_id == 2
    for other in others:
        message = await other.message()
        assert (message.sequence_id, message.data.text_data) == (1, "all")
    message = await plain.message()
    assert (message.HasField("sequence_id"), message.data.text_data) == (False, "all")


async def test_a_mistake_does_not_end_a_reliable_session(localhub, speak):
    client = await speak(localhub, RELIABLE_PROTOBUF)
    await client.websocket.send(b"\xff")
    assert (await client.client.close_code())[0] == 1007
    (info,) = localhub.control.connections()
    assert info.detached


# -- what is refused ------------------------------------------------------------------------

BROKEN = {
    "nothing": b"",
    "garbage": b"\xff\xff\xff",
    "truncated varint": bytes.fromhex("32 05 0a 01 67 10 80"),
    "varint of eleven bytes": b"\x42\x0c\x08" + b"\x80" * 10 + b"\x00",
    "length beyond the frame": bytes.fromhex("32 06 0a 01 67 10 01"),
    "length of 2^64 - 1": b"\x32" + b"\xff" * 9 + b"\x01",
    "wrong wire type": bytes.fromhex("30 05"),
    "group name not UTF-8": bytes.fromhex("32 03 0a 01 ff"),
    "text not UTF-8": bytes.fromhex("0a 08 0a 01 67 1a 03 0a 01 ff"),
    "field number 0": bytes.fromhex("02 00"),
    "end of a group": b"\x4c",
    "groups within groups": b"\x5b" * 10_000,
    "messages within messages": b"\x32\x7f" * 5_000,
    "an unknown message": bytes.fromhex("52 00"),
    "JSON": b'{"type":"ping"}',
    "no data": bytes.fromhex("2a 03 0a 01 65"),
    "data of no kind": bytes.fromhex("2a 05 0a 01 65 12 00"),
    "data of an unknown kind": bytes.fromhex("2a 07 0a 01 65 12 02 2a 00"),
    "an Any that is none": bytes.fromhex("2a 08 0a 01 65 12 03 1a 01 ff"),
    "json_data that is none": bytes.fromhex("2a 09 0a 01 65 12 04 22 02 7b 5d"),
    "json_data that breaks out": UpstreamMessage(
        event_message={"event": "e", "data": {"json_data": '1,"fromUserId":"x"'}}
    ).SerializeToString(),
    "json_data null": UpstreamMessage(
        event_message={"event": "e", "data": {"json_data": " null "}}
    ).SerializeToString(),
    "json_data NaN": UpstreamMessage(
        event_message={"event": "e", "data": {"json_data": "[NaN]"}}
    ).SerializeToString(),
    "json_data nested deeply": UpstreamMessage(
        event_message={"event": "e", "data": {"json_data": "[" * 100_000 + "]" * 100_000}}
    ).SerializeToString(),
    "a stream for an event handler": UpstreamMessage(
        event_message={"event": "e", "data": {"text_data": "x"}, "stream": {"stream_id": "s"}}
    ).SerializeToString(),
    "stream data without data": UpstreamMessage(
        stream_data_message={"stream_id": "s", "stream_sequence_id": 1, "data": {}}
    ).SerializeToString(),
}


@pytest.mark.parametrize("name", list(BROKEN))
async def test_frames_that_are_refused(localhub, speak, caplog, name):
    bystander = await speak(localhub)
    client = await speak(localhub, roles=ROLES)
    await client.websocket.send(BROKEN[name])
    farewell = (await client.receive()).system_message.disconnected_message.reason
    code, reason = await client.client.close_code()
    assert code == 1007
    assert farewell == reason
    assert reason
    await bystander.quiet()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("protocol", [PROTOBUF, RELIABLE_PROTOBUF])
async def test_text_frames_are_refused(localhub, speak, protocol):
    client = await speak(localhub, protocol)
    await client.websocket.send('{"type":"ping"}')
    assert (await client.client.close_code())[0] == 1003


async def test_sequence_ack_needs_a_reliable_subprotocol(localhub, speak):
    client = await speak(localhub)
    await client.send(sequence_ack_message={"sequence_id": 1})
    assert (await client.client.close_code())[0] == 1007


async def test_the_limit_of_a_message(localhub, speak):
    client = await speak(localhub, roles=ROLES, groups=["g"])
    request = UpstreamMessage(send_to_group_message={"group": "g"})
    content = bytes(MEGABYTE)
    request.send_to_group_message.data.binary_data = content
    largest = MEGABYTE - (request.ByteSize() - MEGABYTE)
    await client.publish("g", binary_data=content[:largest])
    assert len((await client.message()).data.binary_data) == largest
    await client.publish("g", binary_data=content[: largest + 1])
    assert (await client.client.close_code())[0] == 1009


async def test_a_json_client_cannot_send_an_any_that_is_none(localhub, connect, speak):
    member = await speak(localhub, groups=["g"])
    client = await connect(localhub, roles=ROLES)
    await client.send(type="sendToGroup", group="g", dataType="protobuf", data="/w==")
    assert (await client.close_code())[0] == 1007
    await member.quiet()
