"""Run on MicroPython with a board's heap: messages that the settings allow and the heap does not.

SERVER: a WebSocket server. URL, CONTROL: a client access URL and the service behind it.
"""

import asyncio
import gc
import os

from checks import equal
from device_bench import RELIABLE, collect, command, names, new_client, until
from device_common import descriptors, fails, main, settled
from webpubsub.errors import ConnectionClosed, OutOfMemory, ProtocolError
from webpubsub.websocket import ws_connect

SERVER = os.getenv("SERVER")
PROTOBUF = "protobuf.reliable.webpubsub.azure.v1"
LIMIT = 1000000
# Bytes of a message: of a heap of 256 KiB no program has as much left.
TOO_LARGE = 240000
# What a heap may hold more than before: caches of the interpreter's own.
SLACK = 4096


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def largest_block():
    """How many bytes there are in one piece, to within 1000."""
    gc.collect()
    size = TOO_LARGE
    while True:
        try:
            bytearray(size)
            return size
        except MemoryError:
            size -= 1000


async def returned(before):
    """Wait until the heap holds no more than before; a task that has ended goes a turn later."""
    for _ in range(100):
        if in_use() <= before + SLACK:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(str(in_use() - before) + " bytes stayed behind")


async def runs_out(path):
    ws = await ws_connect(SERVER + path, max_size=LIMIT)
    error = await fails(ProtocolError, ws.receive())
    equal((error.code, ws.close_code), (1009, 1009))
    assert "no memory for a message" in str(error), error
    await fails(ConnectionClosed, ws.receive())


async def test_out_of_memory_in_mid_message():
    async with await ws_connect(SERVER + "/echo") as ws:
        await ws.send_str("what is loaded on first use")
        await ws.receive_str()
    ws = None
    opened = descriptors()
    before = in_use()
    for path in (f"/blob/{TOO_LARGE}", f"/pieces/{TOO_LARGE}"):
        await runs_out(path)
        await settled(opened)
        await returned(before)
        # The server learns why.
        async with await ws_connect(SERVER + "/last_close") as ws:
            equal((await ws.receive_json())[0], 1009)
        ws = None
        # There is room for what is not too large.
        async with await ws_connect(SERVER + "/blob/65536") as ws:
            equal(len(await ws.receive_bytes()), 65536)
        ws = None
    await returned(before)


async def recovers(share, reason, protocol):
    """A client gets a message that does not fit, begins a new session and goes on.

    share: the size of the message, as a part of the largest free block.
    """
    client = new_client(protocol=protocol, max_message_size=LIMIT, queue_bytes=LIMIT)
    async with client:
        await client.join_group("a")
        seen = []
        task = collect(client, seen)
        await command("publish", "a", 0, 1)
        await until(lambda: seen == [0])
        first = client.connection_id
        before = in_use()
        await command("publish_text", "a", int(largest_block() * share))
        await until(lambda: "reconnected" in names(client))
        assert client.connection_id != first
        ends = [event for event in client.diary if event.name == "disconnected"]
        equal([event.code for event in ends], [1009])
        assert reason in str(ends[0].reason), ends[0].reason
        ends = None
        # It is in its group again, and takes what fits.
        await command("publish", "a", 1, 20)
        await until(lambda: len(seen) == 21)
        equal(seen, list(range(21)))
        await client.send_to_group("a", "mine")
        await until(lambda: seen[-1] == "mine")
        equal(names(client).count("connected"), 2)
        client.diary.clear()  # what this test keeps is no concern of the client's
        await returned(before)
    await task


async def test_a_client_recovers_from_a_message_that_does_not_fit():
    for protocol in (RELIABLE, PROTOBUF):
        await recovers(1.1, "no memory for a message", protocol)


async def test_a_client_recovers_from_a_message_that_cannot_be_read():
    # It fits once. Its text, which is a copy, does not.
    for protocol in (RELIABLE, PROTOBUF):
        await recovers(0.7, "no memory to read a frame", protocol)


async def test_content_that_does_not_fit_is_the_callers_error():
    async with new_client() as client:
        size = largest_block() // 4
        await asyncio.sleep(0.01)  # or the C stack still holds that block
        gc.collect()
        content = "x" * size
        await fails(OutOfMemory, client.send_to_group("a", [content] * 5))
        content = None
        await client.send_to_group("a", "small")
        equal(names(client), ["connected"])


main(globals())
