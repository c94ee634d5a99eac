"""What breaks RFC 6455 or the protocol: close codes, no traceback, others unaffected."""

from __future__ import annotations

import logging
import os
import random

import pytest

from tests.support.protocol import JSON, RELIABLE_JSON

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
async def others_are_unaffected(localhub, connect, caplog):
    """Beside each of these tests somebody else is connected, and nothing is logged as an error."""
    bystander = await connect(localhub)
    with caplog.at_level(logging.WARNING):
        yield
    await bystander.quiet()
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]


FRAMES = {
    "unmasked": ((0x81, b"{}", False), 1002),
    "reserved bit 1": ((0xC1, b"{}"), 1002),
    "reserved bit 3": ((0x91, b"{}"), 1002),
    "unknown opcode": ((0x83, b""), 1002),
    "unknown control opcode": ((0x8B, b""), 1002),
    "fragmented ping": ((0x09, b""), 1002),
    "long ping": ((0x89, b"x" * 126), 1002),
    "continuation of nothing": ((0x80, b""), 1002),
    "close with half a code": ((0x88, b"\x03"), 1002),
    "close with 1005": ((0x88, b"\x03\xed"), 1002),
    "close with 999": ((0x88, b"\x03\xe7"), 1002),
    "close with 5000": ((0x88, b"\x13\x88"), 1002),
    "close reason is not UTF-8": ((0x88, b"\x03\xe8\xff"), 1007),
    "text is not UTF-8": ((0x81, b'{"type":"ping\xff"}'), 1007),
    "binary frame": ((0x82, b'{"type":"ping"}'), 1003),
    "too big": ((0x81, b" " * (MEGABYTE + 1)), 1009),
}


@pytest.mark.parametrize("name", list(FRAMES))
@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON])
async def test_close_codes_of_broken_frames(localhub, raw_socket, name, protocol):
    (first, payload, *masked), code = FRAMES[name]
    peer = await raw_socket(localhub, upgrade=protocol)
    peer.write_frame(first, payload, mask=masked != [False])
    assert await peer.close_code() == code


async def test_fragments_out_of_order(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    peer.write_frame(0x01, b"{")
    peer.write_frame(0x01, b"}")
    assert await peer.close_code() == 1002


async def test_fragments_that_are_too_big_together(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    peer.write_frame(0x01, b" " * MEGABYTE)
    peer.write_frame(0x80, b" ")
    assert await peer.close_code() == 1009


async def test_a_length_beyond_63_bits(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    peer.write(b"\x81\xff" + b"\xff" * 8 + bytes(4))
    assert await peer.close_code() == 1002


async def test_a_message_of_exactly_one_megabyte(localhub, connect):
    client = await connect(localhub, roles=["webpubsub.sendToGroup"], groups=["g"])
    frame = '{"type":"sendToGroup","group":"g","dataType":"text","data":"%s"}'
    await client.websocket.send(frame % ("x" * (MEGABYTE - len(frame) + 2)))
    assert len((await client.receive())["data"]) == MEGABYTE - len(frame) + 2


async def test_fragments_with_control_frames_between(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    await peer.read_frame()
    peer.write_frame(0x01, b'{"type":')
    peer.write_frame(0x89, b"in between")
    peer.write_frame(0x00, b"")
    peer.write_frame(0x80, b'"ping"}')
    assert await peer.read_frame() == (0x8A, b"in between")
    assert await peer.read_frame() == (0x81, b'{"type":"pong"}')


async def test_frames_byte_by_byte_and_many_at_once(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    await peer.read_frame()
    single = b"\x81\x8f" + bytes(4) + b'{"type":"ping"}'
    for byte in single:
        peer.write(bytes((byte,)))
        await peer.writer.drain()
    peer.write(single * 50)
    for _ in range(51):
        assert await peer.read_frame() == (0x81, b'{"type":"pong"}')


async def test_frames_that_come_with_the_handshake_are_not_lost(localhub, raw_socket):
    frame = b"\x81\x8f" + bytes(4) + b'{"type":"ping"}'
    peer = await raw_socket(localhub, upgrade=JSON, tail=frame)
    assert b"connected" in (await peer.read_frame())[1]
    assert await peer.read_frame() == (0x81, b'{"type":"pong"}')


async def test_the_close_handshake(localhub, raw_socket, eventually):
    peer = await raw_socket(localhub, upgrade=JSON)
    await peer.read_frame()
    peer.write_frame(0x88, b"\x03\xe8bye")
    assert await peer.read_frame() == (0x88, b"\x03\xe8")
    assert await peer.rest() == b""
    await eventually(lambda: len(localhub.control.connections()) == 1)


async def test_nothing_is_read_after_a_close_frame(localhub, raw_socket):
    peer = await raw_socket(localhub, upgrade=JSON)
    await peer.read_frame()
    peer.write_frame(0x88, b"\x03\xe8")
    peer.write_frame(0x81, b'{"type":"ping"}')
    assert await peer.read_frame() == (0x88, b"\x03\xe8")
    assert await peer.rest() == b""


MESSAGES = [
    "",
    "x",
    "[]",
    '"text"',
    "null",
    "{",
    '{"type"',
    '{"type":',
    '{"type":"ping"',
    '{"type":"ping",}',
    '{"type":"ping"}{}',
    "{'type':'ping'}",
    "{}",
    '{"type":null}',
    '{"type":7}',
    '{"type":"dance"}',
    '{"type":"joinGroup"}',
    '{"type":"joinGroup","group":7}',
    '{"type":"joinGroup","group":"\\ud800"}',
    '{"type":"joinGroup","group":"g","ackId":-1}',
    '{"type":"joinGroup","group":"g","ackId":1.0}',
    '{"type":"joinGroup","group":"g","ackId":"1"}',
    '{"type":"joinGroup","group":"g","ackId":true}',
    '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
    '{"type":"sendToGroup","group":"g"}',
    '{"type":"sendToGroup","group":"g","data":null}',
    '{"type":"sendToGroup","group":"g","data":NaN}',
    '{"type":"sendToGroup","group":"g","data":[Infinity]}',
    '{"type":"sendToGroup","group":"g","data":01}',
    '{"type":"sendToGroup","group":"g","dataType":"text","data":7}',
    '{"type":"sendToGroup","group":"g","dataType":"text","data":"\\udc00"}',
    '{"type":"sendToGroup","group":"g","dataType":"binary","data":"A"}',
    '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AA==x"}',
    '{"type":"sendToGroup","group":"g","dataType":"binary","data":"\u00e4AA="}',
    '{"type":"sendToGroup","group":"g","dataType":"xml","data":"<a/>"}',
    '{"type":"sendToGroup","group":"g","dataType":7,"data":"a"}',
    '{"type":"sendToGroup","group":"g","noEcho":"yes","data":"a"}',
    '{"type":"event","data":1}',
    '{"type":"event","event":"e"}',
    '{"type":"sequenceAck"}',
    '{"type":"sequenceAck","sequenceId":"1"}',
    '{"type":"setGroupState","group":"g"}',
    '{"type":"ping","x":' + "[" * 100_000 + "}",
    '{"type":"joinGroup","group":"g","ackId":' + "9" * 5000 + "}",
]


@pytest.mark.parametrize("text", MESSAGES, ids=lambda text: text[:60])
async def test_illegal_messages_are_1007(localhub, connect, text):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    await client.websocket.send(text)
    frame = await client.receive()
    assert frame["event"] == "disconnected"
    code, reason = await client.close_code()
    assert code == 1007
    assert reason == frame["message"]


async def test_unknown_properties_are_ignored(localhub, connect):
    client = await connect(localhub)
    ack = await client.ask(
        type="PING", extra={"a": [1]}, metadata={"k": "v"}, ttlSeconds=3, ackId="x"
    )
    assert ack == {"type": "pong"}


GARBAGE = [
    b"\x00" * 100,
    b"\xff" * 5000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /client/hubs/chargers HTTP/1.1\r\nHost: x\r\nBroken header\r\n\r\n",
    b"GET /client/hubs/%ZZ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /client/hubs/chargers?access_token=%FF%FE HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /client/hubs/chargers HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /client/hubs/chargers HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff\xfe\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_instead_of_a_handshake(localhub, raw_socket, garbage):
    peer = await raw_socket(localhub)
    peer.write(garbage)
    peer.writer.write_eof()
    answer = await peer.rest()
    assert answer == b"" or b" 400 " in answer or b" 40" in answer.split(b"\r\n")[0]
    assert b"Traceback" not in answer


async def test_random_bytes_instead_of_frames(localhub, raw_socket):
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    for _ in range(30):
        peer = await raw_socket(localhub, upgrade=RELIABLE_JSON)
        peer.write(source.randbytes(source.randrange(1, 400)))
        peer.writer.write_eof()
        await peer.rest()


async def test_connections_that_end_anywhere(localhub, raw_socket):
    frame = b"\x81\x8f" + os.urandom(4) + b'{"type":"ping"}'
    for cut in range(1, len(frame)):
        peer = await raw_socket(localhub, upgrade=JSON)
        peer.write(frame[:cut])
        peer.writer.close()
