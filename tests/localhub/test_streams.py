"""Streams over real sockets: every protocol publishes, every kind of client receives."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from urllib.parse import urlencode

import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from google.protobuf.any_pb2 import Any as AnyMessage
from localhub import LocalHub
from localhub.errors import ConfigError
from localhub.protocol.client_pb2 import (
    DownstreamMessage,
    MessageData,
    StreamInfo,
    UpstreamMessage,
)
from websockets.exceptions import ConnectionClosed

from tests.support.protocol import JSON, PROTOBUF, RELIABLE_JSON, RELIABLE_PROTOBUF, ROLES

PLAIN = (JSON, PROTOBUF)
RELIABLE = (RELIABLE_JSON, RELIABLE_PROTOBUF)
ANY = AnyMessage(type_url="type.example/Reading", value=b"\x08\x96\x01").SerializeToString()
# What a piece may be, and the bytes of it: as JSON says it, as protobuf does, as a simple client
# gets it.
PIECES = [
    (("text", "hé"), {"text_data": "hé"}, "hé"),
    (("json", [7.50]), {"json_data": "[7.5]"}, "[7.5]"),
    (
        ("binary", base64.b64encode(b"\x00\xff").decode()),
        {"binary_data": b"\x00\xff"},
        b"\x00\xff",
    ),
    (
        ("protobuf", base64.b64encode(ANY).decode()),
        {"protobuf_data": AnyMessage.FromString(ANY)},
        ANY,
    ),
]


class JsonVoice:
    """Publishes a stream in JSON."""

    def __init__(self, client):
        self.client = client
        self.connected = client.connected

    @property
    def recovery(self):
        return self.client.recovery

    async def start(self, stream_id="s", group="g", timeout=None, **others):
        stream = {"streamId": stream_id}
        if timeout is not None:
            stream["idleTimeoutMs"] = timeout
        await self.client.send(type="sendToGroup", group=group, stream=stream, **others)

    async def data(self, number, piece=PIECES[0], stream_id="s"):
        data_type, data = piece[0]
        await self.client.send(
            type="streamData",
            streamId=stream_id,
            streamSequenceId=number,
            dataType=data_type,
            data=data,
        )

    async def keep_alive(self, stream_id="s"):
        await self.client.send(type="streamData", streamId=stream_id)

    async def end(self, stream_id="s", **error):
        given = {"error": error} if error else {}
        await self.client.send(type="streamEnd", streamId=stream_id, **given)

    async def receive(self):
        """What the publisher receives, but for the wording."""
        frame = await self.client.receive()
        frame.pop("message", None)
        if "error" in frame:
            assert frame["error"].pop("message")
        return frame

    async def quiet(self):
        await self.client.quiet()


class ProtobufVoice:
    """Publishes a stream in protobuf; what it receives is given as in JSON."""

    def __init__(self, client):
        self.client = client
        self.connected = None

    @property
    def recovery(self):
        return {
            "awps_connection_id": self.connected.connection_id,
            "awps_reconnection_token": self.connected.reconnection_token,
        }

    async def _send(self, **message):
        await self.client.websocket.send(UpstreamMessage(**message).SerializeToString())

    async def _frame(self):
        return DownstreamMessage.FromString(await self.client.receive_text())

    async def greeting(self):
        self.connected = (await self._frame()).system_message.connected_message

    async def start(self, stream_id="s", group="g", timeout=None, noEcho=None, ackId=None):
        stream = {"stream_id": stream_id, "idle_timeout_ms": timeout}
        await self._send(
            send_to_group_message={
                "group": group,
                "stream": stream,
                "no_echo": noEcho,
                "ack_id": ackId,
            }
        )

    async def data(self, number, piece=PIECES[0], stream_id="s"):
        await self._send(
            stream_data_message={
                "stream_id": stream_id,
                "stream_sequence_id": number,
                "data": piece[1],
            }
        )

    async def keep_alive(self, stream_id="s"):
        await self._send(stream_data_message={"stream_id": stream_id})

    async def end(self, stream_id="s", message=None, userErrorCode=None):
        error = None
        if message is not None or userErrorCode is not None:
            error = {"message": message, "user_error_code": userErrorCode}
        await self._send(stream_end_message={"stream_id": stream_id, "error": error})

    async def receive(self):
        frame = await self._frame()
        kind = frame.WhichOneof("message")
        content = getattr(frame, kind)
        if kind == "system_message":
            self.connected = content.connected_message
            return {"type": "system", "event": "connected"}
        reply = {"type": kind.title().replace("_", "").replace("Message", "")}
        reply["type"] = reply["type"][0].lower() + reply["type"][1:]
        reply["streamId"] = content.stream_id
        if kind in ("stream_ack_message", "stream_nack_message"):
            reply["expectedSequenceId"] = content.expected_sequence_id
        if kind == "stream_nack_message":
            assert content.message
            reply["name"] = content.name
        if kind == "stream_closed_message" and content.HasField("error"):
            assert content.error.message
            reply["error"] = {"name": content.error.name}
        return reply

    async def quiet(self):
        await self._send(ping_message={})
        assert (await self._frame()).WhichOneof("message") == "pong_message"


@pytest.fixture
def publisher(connect):
    """Opens a client that can publish streams; it may publish to every group."""

    async def open_publisher(hub, protocol, query="", **keywords):
        keywords = {"roles": ROLES, **keywords}
        client = await connect(hub, protocol=protocol, query=query, **keywords)
        if protocol in (JSON, RELIABLE_JSON):
            return JsonVoice(client)
        voice = ProtobufVoice(client)
        if not query:
            await voice.greeting()
        return voice

    return open_publisher


@pytest.fixture
def member(connect):
    """Opens a member of the group `g`."""

    async def open_member(hub, protocol, **keywords):
        keywords = {"groups": ["g"], **keywords}
        client = await connect(hub, protocol=protocol, **keywords)
        if protocol in (PROTOBUF, RELIABLE_PROTOBUF):
            await client.receive_text()
        return client

    return open_member


def ack(expected, stream_id="s"):
    return {"type": "streamAck", "streamId": stream_id, "expectedSequenceId": expected}


def closed(name=None, stream_id="s"):
    reply = {"type": "streamClosed", "streamId": stream_id}
    return {**reply, "error": {"name": name}} if name else reply


def streamed(number, data_type="text", data="hé", stream_id="s", **info):
    """A group message of a stream, as JSON has it."""
    stream = {"streamId": stream_id, "streamSequenceId": number, **info}
    return {
        "type": "message",
        "from": "group",
        "group": "g",
        "dataType": data_type,
        "data": data,
        "fromUserId": "pub",
        "stream": stream,
    }


def last(number, **info):
    return streamed(number, data="", endOfStream=True, **info)


async def ending(client):
    """The end of a stream, as a JSON client gets it: its number and the name of the error."""
    frame = await client.receive()
    assert frame["stream"]["endOfStream"] is True
    assert (frame["dataType"], frame["data"]) == ("text", "")
    error = frame["stream"].get("error")
    assert error is None or error["message"]
    return frame["stream"]["streamSequenceId"], error and error["name"]


# -- delivery -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [*PLAIN, *RELIABLE])
async def test_every_kind_of_client_gets_the_stream(localhub, publisher, member, protocol):
    plain, reliable = await member(localhub, JSON), await member(localhub, RELIABLE_JSON)
    binary = await member(localhub, PROTOBUF)
    reliable_binary = await member(localhub, RELIABLE_PROTOBUF)
    simple = await member(localhub, None)
    outsider = await member(localhub, JSON, groups=["h"])
    voice = await publisher(localhub, protocol, user_id="pub")
    await voice.start()
    assert await voice.receive() == ack(1)
    for number, piece in enumerate(PIECES, 1):
        await voice.data(number, piece)
        assert await voice.receive() == ack(number + 1)
    await voice.end()
    assert await voice.receive() == closed()

    for number, ((data_type, data), in_protobuf, raw) in enumerate(PIECES, 1):
        assert await plain.receive() == streamed(number, data_type, data)
        expected = {**streamed(number, data_type, data), "sequenceId": number}
        assert await reliable.receive() == expected
        info = StreamInfo(stream_id="s", stream_sequence_id=number)
        for client, sequence_id in ((binary, None), (reliable_binary, number)):
            frame = DownstreamMessage.FromString(await client.receive_text()).data_message
            assert frame == DownstreamMessage.DataMessage(
                group="g",
                data=MessageData(**in_protobuf),
                sequence_id=sequence_id,
                stream=info,
                **{"from": "group"},
            )
        assert await simple.receive_text() == raw
    end = len(PIECES) + 1
    assert await plain.receive() == last(end)
    assert await reliable.receive() == {**last(end), "sequenceId": end}
    for client in (binary, reliable_binary):
        frame = DownstreamMessage.FromString(await client.receive_text()).data_message
        assert frame.data.WhichOneof("data") == "text_data"
        assert frame.stream == StreamInfo(
            stream_id="s", stream_sequence_id=end, end_of_stream=True
        )
    await outsider.quiet()
    # A simple client learns nothing of the end: what it gets next is the next message.
    localhub.control.send("chargers", "after", group="g")
    assert await simple.receive_text() == "after"


async def test_the_frames_byte_for_byte(localhub, connect):
    """As Azure's reference shows them: the order of the keys, nothing that is empty."""
    client = await connect(localhub, roles=ROLES, groups=["g"], user_id="pub")
    await client.send(type="sendToGroup", group="g", stream={"streamId": "s"})
    assert (
        await client.receive_text() == '{"type":"streamAck","streamId":"s","expectedSequenceId":1}'
    )
    await client.send(
        type="streamData", streamId="s", streamSequenceId=1, dataType="text", data="a"
    )
    assert await client.receive_text() == (
        '{"type":"message","from":"group","group":"g","dataType":"text","data":"a",'
        '"fromUserId":"pub","stream":{"streamId":"s","streamSequenceId":1}}'
    )
    assert (
        await client.receive_text() == '{"type":"streamAck","streamId":"s","expectedSequenceId":2}'
    )
    await client.send(type="streamEnd", streamId="s", error={"userErrorCode": "E1"})
    assert await client.receive_text() == (
        '{"type":"message","from":"group","group":"g","dataType":"text","data":"",'
        '"fromUserId":"pub","stream":{"streamId":"s","streamSequenceId":2,"endOfStream":true,'
        '"error":{"name":"UserError","message":"","userErrorCode":"E1"}}}'
    )
    assert await client.receive_text() == '{"type":"streamClosed","streamId":"s"}'


async def test_protobuf_byte_for_byte(localhub, connect):
    client = await connect(localhub, protocol=PROTOBUF, roles=ROLES)
    await client.receive_text()
    for sent, received in (
        ("0a 08 0a 01 67 3a 03 0a 01 73", "32 05 0a 01 73 10 01"),
        ("6a 0c 0a 01 73 10 02 1a 05 0a 03 61 62 63", "3a"),
        ("6a 0c 0a 01 73 10 01 1a 05 0a 03 61 62 63", "32 05 0a 01 73 10 02"),
        ("72 03 0a 01 73", "42 03 0a 01 73"),
    ):
        await client.websocket.send(bytes.fromhex(sent))
        frame = await client.receive_text()
        assert frame.hex().startswith(bytes.fromhex(received).hex())
        assert received == "3a" or len(frame) == len(bytes.fromhex(received))


@pytest.mark.parametrize("protocol", PLAIN)
@pytest.mark.parametrize("no_echo", [False, True])
async def test_its_own_stream(localhub, publisher, protocol, no_echo):
    voice = await publisher(localhub, protocol, groups=["g"])
    await voice.start(noEcho=no_echo)
    assert await voice.receive() == ack(1)
    await voice.data(1)
    if not no_echo:
        await voice.client.receive_text()
    assert await voice.receive() == ack(2)
    await voice.quiet()


@pytest.mark.parametrize("protocol", PLAIN)
async def test_who_comes_late_gets_the_rest(localhub, publisher, member, protocol):
    voice = await publisher(localhub, protocol, user_id="pub")
    await voice.start()
    await voice.data(1)
    assert [await voice.receive(), await voice.receive()] == [ack(1), ack(2)]
    late = await member(localhub, JSON)
    await voice.data(2)
    assert await late.receive() == streamed(2)


@pytest.mark.parametrize("protocol", PLAIN)
async def test_gaps_repeats_and_two_streams(localhub, publisher, member, protocol):
    listener = await member(localhub, JSON)
    voice = await publisher(localhub, protocol, user_id="pub")
    for stream_id in "ab":
        await voice.start(stream_id)
        assert await voice.receive() == ack(1, stream_id)
    await voice.data(2, stream_id="a")
    assert await voice.receive() == {
        **ack(1, "a"),
        "type": "streamNack",
        "name": "InvalidSequenceId",
    }
    await voice.data(1, stream_id="b")
    assert await voice.receive() == ack(2, "b")
    await voice.data(1, stream_id="b")
    assert await voice.receive() == ack(2, "b")
    await voice.data(1, stream_id="a")
    assert await voice.receive() == ack(2, "a")
    await voice.keep_alive("a")
    await voice.quiet()
    assert await listener.receive() == streamed(1, stream_id="b")
    assert await listener.receive() == streamed(1, stream_id="a")
    await listener.quiet()


# -- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PLAIN)
@pytest.mark.parametrize(
    ("start", "name"),
    [
        ({"stream_id": ""}, "BadRequest"),
        ({"timeout": 0}, "BadRequest"),
        ({"ackId": 1}, "BadRequest"),
        ({"group": " "}, "BadRequest"),
        ({"group": "other"}, "Forbidden"),
    ],
)
async def test_starts_that_are_refused(localhub, publisher, protocol, start, name):
    voice = await publisher(localhub, protocol, roles=["webpubsub.sendToGroup.g"])
    await voice.start(**start)
    assert await voice.receive() == closed(name, start.get("stream_id", "s"))
    await voice.start("mine")
    assert await voice.receive() == ack(1, "mine")


@pytest.mark.parametrize("protocol", PLAIN)
async def test_streams_that_are_not_there(localhub, publisher, protocol):
    voice = await publisher(localhub, protocol)
    other = await publisher(localhub, protocol)
    await other.start()
    assert await other.receive() == ack(1)
    for send in (voice.data(1), voice.keep_alive(), voice.end()):
        await send
        assert await voice.receive() == closed("StreamNotFound")
    await other.quiet()


@pytest.mark.parametrize("protocol", PLAIN)
async def test_too_many_streams(publisher, protocol):
    config = {"service": {"max_streams_per_connection": 2}, "hubs": [{"name": "chargers"}]}
    async with LocalHub(config) as hub:
        voice = await publisher(hub, protocol)
        for stream_id in "ab":
            await voice.start(stream_id)
            assert await voice.receive() == ack(1, stream_id)
        await voice.start("c")
        assert await voice.receive() == closed("BadRequest", "c")
        await (await publisher(hub, protocol)).start("c")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_streams_per_connection", 0),
        ("max_streams_per_connection", 10_001),
        ("max_streams_per_connection", 1.5),
        ("stream_idle_timeout_in_seconds", 0),
        ("stream_idle_timeout_in_seconds", 3601),
    ],
)
def test_limits_that_are_none(key, value):
    with pytest.raises(ConfigError, match=rf"^configuration: service\.{key}: [^\n]+$"):
        LocalHub({"service": {key: value}})


@pytest.mark.parametrize("protocol", PLAIN)
async def test_a_permission_that_is_taken_away(localhub, publisher, member, protocol):
    listener = await member(localhub, JSON)
    voice = await publisher(localhub, protocol, user_id="pub")
    await voice.start()
    assert await voice.receive() == ack(1)
    server = WebPubSubServiceClient.from_connection_string(localhub.connection_string, "chargers")
    (one,) = [each for each in localhub.control.connections() if each.user_id == "pub"]
    await asyncio.to_thread(server.revoke_permission, "sendToGroup", one.id)
    await voice.data(1)
    assert await voice.receive() == closed("Forbidden")
    assert await ending(listener) == (1, "Forbidden")


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "sendToGroup", "group": "g", "stream": "s"},
        {"type": "sendToGroup", "group": "g", "stream": {}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": 7}},
        {"type": "sendToGroup", "stream": {"streamId": "s"}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s", "idleTimeoutMs": "1"}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s", "idleTimeoutMs": -1}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s", "idleTimeoutMs": 2**32}},
        {"type": "streamData"},
        {"type": "streamData", "streamId": "s", "streamSequenceId": 1.5, "data": 1},
        {"type": "streamData", "streamId": "s", "streamSequenceId": 2**64, "data": 1},
        {"type": "streamData", "streamId": "s", "streamSequenceId": 1, "dataType": "text"},
        {
            "type": "streamData",
            "streamId": "s",
            "streamSequenceId": 1,
            "dataType": "binary",
            "data": "*",
        },
        {"type": "streamEnd"},
        {"type": "streamEnd", "streamId": "s", "error": "burnt"},
        {"type": "streamEnd", "streamId": "s", "error": {"message": 1}},
    ],
)
async def test_frames_that_are_no_messages(localhub, publisher, frame):
    voice = await publisher(localhub, JSON)
    await voice.start()
    assert await voice.receive() == ack(1)
    await voice.client.send(**frame)
    assert (await voice.client.close_code())[0] == 1007


# -- ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PLAIN)
async def test_an_end_with_an_error(localhub, publisher, member, protocol):
    listener = await member(localhub, JSON)
    binary = await member(localhub, PROTOBUF)
    voice = await publisher(localhub, protocol, user_id="pub")
    await voice.start()
    await voice.end(message="burnt", userErrorCode="E1")
    assert [await voice.receive(), await voice.receive()] == [ack(1), closed()]
    error = {"name": "UserError", "message": "burnt", "userErrorCode": "E1"}
    assert await listener.receive() == last(1, error=error)
    frame = DownstreamMessage.FromString(await binary.receive_text()).data_message
    assert frame.stream == StreamInfo(
        stream_id="s",
        stream_sequence_id=1,
        end_of_stream=True,
        error={"name": "UserError", "message": "burnt", "user_error_code": "E1"},
    )


@pytest.mark.parametrize("protocol", PLAIN)
@pytest.mark.parametrize("chosen_by", ["client", "configuration"])
async def test_silence_ends_a_stream(publisher, member, protocol, chosen_by):
    seconds = 0.1 if chosen_by == "configuration" else 300
    config = {
        "service": {"stream_idle_timeout_in_seconds": seconds},
        "hubs": [{"name": "chargers"}],
    }
    async with LocalHub(config) as hub:
        listener = await member(hub, JSON)
        voice = await publisher(hub, protocol)
        await voice.start(timeout=None if chosen_by == "configuration" else 100)
        assert [await voice.receive(), await voice.receive()] == [ack(1), closed("IdleTimeout")]
        assert await ending(listener) == (1, "IdleTimeout")
        await voice.data(1)
        assert await voice.receive() == closed("StreamNotFound")


@pytest.mark.parametrize("protocol", [*PLAIN, *RELIABLE])
async def test_a_publisher_that_leaves(localhub, publisher, member, protocol):
    listener = await member(localhub, JSON)
    voice = await publisher(localhub, protocol)
    await voice.start()
    await voice.data(1)
    assert [await voice.receive(), await voice.receive()] == [ack(1), ack(2)]
    await voice.client.leave()
    await listener.receive()
    assert await ending(listener) == (2, "Cancelled")


# -- recovery -------------------------------------------------------------------------------


async def cut(voice):
    """Lose the connection, and wait until both sides know."""
    voice.client.websocket.transport.abort()
    with contextlib.suppress(ConnectionClosed):
        await voice.client.receive_text()


@pytest.mark.parametrize("protocol", RELIABLE)
async def test_a_stream_goes_on_after_a_recovery(
    localhub, publisher, member, eventually, protocol
):
    listener = await member(localhub, RELIABLE_JSON)
    voice = await publisher(localhub, protocol, user_id="pub")
    await voice.start()
    await voice.data(1)
    assert [await voice.receive(), await voice.receive()] == [ack(1), ack(2)]
    await cut(voice)
    await eventually(lambda: any(one.detached for one in localhub.control.connections()))
    again = await publisher(localhub, protocol, urlencode(voice.recovery))
    # Microsoft's client holds its streams until it is greeted again.
    greeting = await again.receive()
    assert (greeting["type"], greeting["event"]) == ("system", "connected")
    await again.data(1)
    assert await again.receive() == ack(2)
    await again.data(2)
    assert await again.receive() == ack(3)
    await again.end()
    assert await again.receive() == closed()
    numbers = [(await listener.receive())["stream"]["streamSequenceId"] for _ in range(3)]
    assert numbers == [1, 2, 3]


async def test_the_greeting_is_the_same_and_only_for_publishers(localhub, publisher, eventually):
    for streaming in (True, False):
        voice = await publisher(localhub, RELIABLE_JSON)
        if streaming:
            await voice.start()
            assert await voice.receive() == ack(1)
        await cut(voice)
        await eventually(lambda: any(one.detached for one in localhub.control.connections()))
        again = await publisher(localhub, RELIABLE_JSON, urlencode(voice.recovery))
        if streaming:
            assert await again.client.receive() == voice.connected
        await again.quiet()


@pytest.mark.parametrize("protocol", RELIABLE)
async def test_the_idle_timeout_goes_on_without_a_connection(
    localhub, publisher, member, eventually, protocol
):
    listener = await member(localhub, JSON)
    voice = await publisher(localhub, protocol)
    await voice.start("quick", timeout=200)
    await voice.start("slow")
    assert [await voice.receive(), await voice.receive()] == [ack(1, "quick"), ack(1, "slow")]
    await cut(voice)
    assert await ending(listener) == (1, "IdleTimeout")
    await eventually(lambda: any(one.detached for one in localhub.control.connections()))
    again = await publisher(localhub, protocol, urlencode(voice.recovery))
    assert (await again.receive())["event"] == "connected"
    await again.data(1, stream_id="quick")
    assert await again.receive() == closed("StreamNotFound", "quick")
    await again.data(1, stream_id="slow")
    assert await again.receive() == ack(2, "slow")


@pytest.mark.parametrize("protocol", RELIABLE)
async def test_a_session_that_is_not_recovered(localhub, publisher, member, eventually, protocol):
    listener = await member(localhub, JSON)
    voice = await publisher(localhub, protocol)
    await voice.start()
    assert await voice.receive() == ack(1)
    await cut(voice)
    (detached,) = await eventually(
        lambda: [one for one in localhub.control.connections() if one.detached]
    )
    await listener.quiet()
    localhub.control.expire(detached.id)
    assert await ending(listener) == (1, "Cancelled")


# -- whatever comes -------------------------------------------------------------------------


async def babble(voice, dice):
    """Send one frame of a stream, sensible or not."""
    stream_id = dice.choice(["a", "b", "", "x" * 2000])
    number = dice.choice([None, 0, 1, 1, 2, 3, 4, 2**64 - 1])
    match dice.randrange(4):
        case 0:
            group = dice.choice(["g", "g", "other", " "])
            await voice.start(stream_id, group, dice.choice([None, 0, 1, 50]))
        case 1:
            await voice.end(stream_id, **dice.choice([{}, {"message": "m"}]))
        case 2:
            await voice.keep_alive(stream_id)
        case 3 if number is not None:
            await voice.data(number, dice.choice(PIECES), stream_id)


@pytest.mark.parametrize("protocol", [*PLAIN, *RELIABLE])
@pytest.mark.parametrize("seed", range(3))
async def test_babble_harms_nobody(
    localhub, publisher, member, eventually, caplog, protocol, seed
):
    dice = random.Random(seed)
    listener = await member(localhub, JSON)
    numbers = {}
    # It never reads the answers, but for the Close frame.
    unread = {"max_queue": None}
    roles = ["webpubsub.sendToGroup.g"]
    voice = await publisher(localhub, protocol, roles=roles, options=unread)
    for _ in range(150):
        await babble(voice, dice)
    await voice.client.leave()
    await eventually(lambda: len(localhub.control.connections()) == 1)
    await asyncio.sleep(0.01)  # the group gets it in the next turn of the loop
    localhub.control.send("chargers", "the end", group="g")
    received = 0
    while "stream" in (frame := await listener.receive()):
        received += 1
        info = frame["stream"]
        assert info["streamSequenceId"] == numbers.pop(info["streamId"], 0) + 1
        if "endOfStream" not in info:
            numbers[info["streamId"]] = info["streamSequenceId"]
    assert received > 5
    assert not numbers, "a stream has no end"
    assert localhub.control.counters.stream_timers == 0
    assert not [record for record in caplog.records if record.exc_info]


# -- the end of the service -----------------------------------------------------------------


async def test_nothing_is_left_behind(publisher):
    async with LocalHub({"hubs": [{"name": "chargers"}]}) as hub:
        for protocol in (*PLAIN, *RELIABLE):
            voice = await publisher(hub, protocol)
            for stream_id in "ab":
                await voice.start(stream_id)
                assert await voice.receive() == ack(1, stream_id)
        assert hub.control.counters.stream_timers == len(PLAIN + RELIABLE)
    assert hub.control.counters.hubs == ("chargers",), "what is counted is still there"
    assert hub.control.counters.stream_timers == 0
    assert not [task for task in asyncio.all_tasks() if "host_tools" in repr(task)]
