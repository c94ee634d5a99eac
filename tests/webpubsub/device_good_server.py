"""Run on a device against the good server at SERVER."""

import asyncio
import gc
import json
import os
from array import array

from checks import equal, raises
from device_common import descriptors, fails, main, settled
from webpubsub.errors import ConnectionClosed, DeadlineError
from webpubsub.websocket import WSMsgType, ws_connect

BASE = os.getenv("SERVER")


def connect(path, **options):
    return ws_connect(BASE + path, **options)


async def test_echo_of_all_sizes():
    pattern = bytes((i * 7) & 255 for i in range(8192))
    async with await connect("/echo") as ws:
        for size in (0, 1, 2, 3, 124, 125, 126, 127, 1000, 2030, 2046, 2048, 4096, 8191, 8192):
            data = memoryview(pattern)[:size]
            await ws.send_bytes(data)
            message = await ws.receive()
            equal(message.type, WSMsgType.BINARY)
            assert message.data == data, size
            text = "ab" * (size // 2) + "ü" * (size % 2)
            await ws.send_str(text)
            message = await ws.receive()
            equal(message.type, WSMsgType.TEXT)
            assert message.data == text, size
            message = data = text = None
            gc.collect()


async def test_deadlines_that_pass_while_messages_come():
    # On MicroPython `wait_for` throws a result away that comes in the moment of the deadline.
    async with await connect("/echo") as ws:
        sending = asyncio.create_task(send_slowly(ws, 200))
        got = []
        while len(got) < 200:
            try:
                got.append(int(await asyncio.wait_for(ws.receive_str(), 0.003)))
            except asyncio.TimeoutError:
                pass
        equal(got, list(range(200)))
        await sending


async def send_slowly(ws, count):
    for number in range(count):
        await ws.send_str(str(number))
        await asyncio.sleep(0.001)


async def test_bytes_likes():
    async with await connect("/echo") as ws:
        for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
            await ws.send_bytes(data)
            equal(await ws.receive_bytes(), b"abc")
        await fails(TypeError, wrapped(ws.send_bytes, "text"))
        await fails(TypeError, wrapped(ws.send_bytes, 5))
        await ws.send_str("still alive")
        equal(await ws.receive_str(), "still alive")


async def test_larger_items_go_out_whole():
    from array import array

    samples = array("H", (258, 772, 0))
    data = b"\x02\x01\x04\x03\x00\x00"
    async with await connect("/echo") as ws:
        for content in (samples, memoryview(samples)):
            await ws.send_bytes(content)
            equal(await ws.receive_bytes(), data)
            await ws.send_frame(content, WSMsgType.BINARY)
            equal(await ws.receive_bytes(), data)
            assert ws.post_frame(content, WSMsgType.BINARY)
            equal(await ws.receive_bytes(), data)
            await ws.ping(content)
        # 126 bytes, although less than 125 items.
        await fails(ValueError, wrapped(ws.ping, array("H", range(63))))
        for wrong in ("text", 5, None, [1, 2]):
            await fails(TypeError, wrapped(ws.ping, wrong))
            await fails(TypeError, wrapped(ws.send_bytes, wrong))
            await fails(TypeError, wrapped(ws.send_frame, wrong, WSMsgType.BINARY))
        await ws.send_bytes(array("B", b"alive"))
        equal(await ws.receive_bytes(), b"alive")


async def test_what_is_no_text():
    async with await connect("/echo") as ws:
        for wrong in (b"bytes", 5, None):
            await fails(TypeError, wrapped(ws.send_str, wrong))
        for wrong in (b"\xff", b"\xed\xa0\xbd", b"\xc3", b"\xc0\x80"):
            await fails(ValueError, wrapped(ws.send_frame, wrong, WSMsgType.TEXT))
        for opcode in (0, 3, 7, 11, 17, 33):
            await fails(ValueError, wrapped(ws.send_frame, b"x", opcode))
        for wrong in (float("nan"), [float("inf")]):
            await fails(ValueError, wrapped(ws.send_json, wrong))
        for wrong in ({1}, {"a": b"x"}, {(1, 2): 3}):
            await fails(TypeError, wrapped(ws.send_json, wrong))
        # Two halves of a pair, as MicroPython's json makes them; and one.
        await ws.send_str("\ud83d\ude00 \ud83d")
        equal(await ws.receive_str(), "\U0001f600 \ufffd")
        await ws.send_json({"\ud83d\ude00": "\ude00"})
        equal(await ws.receive_json(), {"\U0001f600": "\ufffd"})
        await ws.send_str('"\\ud83d\\ude00"')
        equal(await ws.receive_json(), "\U0001f600")


async def test_closes_that_cannot_be_sent():
    async with await connect("/echo") as ws:
        for code in (99, 1005, 1006, 2000, 5000):
            await fails(ValueError, wrapped(ws.close, code))
        await fails(TypeError, wrapped(ws.close, "1000"))
        await fails(TypeError, wrapped(ws.close, 1000, b"bye"))
        assert not ws.closed
        await ws.send_str("still alive")
        equal(await ws.receive_str(), "still alive")
        await ws.close(3000, "\ud83d\ude00")
        equal(ws.close_code, 3000)


async def test_items_that_are_larger_than_a_byte():
    samples = array("H", range(900, 3300))  # in one piece, and in several
    raw = bytes(memoryview(samples))
    equal(len(raw), 4800)
    async with connect("/echo") as ws:
        for count in (0, 1, 4, 63, 64, 500, 2400):
            for data in (samples[:count], memoryview(samples)[:count]):
                await ws.send_bytes(data)
                equal(await ws.receive_bytes(), raw[: 2 * count])
                await ws.send_frame(data, WSMsgType.BINARY)
                equal(await ws.receive_bytes(), raw[: 2 * count])
        part = memoryview(samples)[100:200]
        await ws.send_bytes(part[10:])
        equal(await ws.receive_bytes(), raw[220:400])
        for data in (array("b", [-1]), array("d", [0.5, 2]), array("I", [7] * 9)):
            await ws.send_bytes(data)
            equal(await ws.receive_bytes(), bytes(memoryview(data)))
        await ws.ping(samples[:62])
        raises(ValueError, ws.ping, samples[:63])
        for data in (7, None, [1, 2], "text", {1}):
            await fails(TypeError, wrapped(ws.send_bytes, data))
            await fails(TypeError, wrapped(ws.send_frame, data, WSMsgType.BINARY))
            await fails(TypeError, wrapped(ws.ping, data))
        await ws.send_str("still alive")
        equal(await ws.receive_str(), "still alive")


async def test_ways_to_open():
    before = descriptors()
    async with connect("/echo") as ws:
        await ws.send_str("entered")
        equal(await ws.receive_str(), "entered")
    assert ws.closed
    for opening in (
        asyncio.create_task(connect("/echo")),
        asyncio.wait_for(connect("/echo"), 20),
        connect("/echo"),
    ):
        async with await opening as ws:
            # What is sent at once is a task like any other.
            tasks = [asyncio.create_task(ws.send_str("task")) for _ in range(2)]
            await asyncio.gather(ws.send_str("gathered"), *tasks)
            await asyncio.wait_for(ws.ping(), 5)
            seen = []
            while len(seen) < 3:
                seen.append(await ws.receive_str())
            equal(sorted(seen), ["gathered", "task", "task"])
    opening = connect("/echo", timeout=0.0001)
    await fails(DeadlineError, entered(opening))
    await settled(before)


async def entered(opening):
    async with opening:
        raise AssertionError("opened in no time")


async def test_a_task_that_opens_is_cancelled():
    before = descriptors()
    task = asyncio.create_task(connect("/echo"))
    await asyncio.sleep(0)
    task.cancel()
    await fails(asyncio.CancelledError, wrapped_task(task))
    await settled(before)


async def wrapped_task(task):
    return await task


async def test_one_host():
    for headers in ({"Host": "hub.example"}, [("A", "b"), ("hOST", "hub.example")]):
        async with connect("/head/h", headers=headers) as ws:
            equal((await ws.receive_json())["hosts"], ["hub.example"])
    async with connect("/head/h") as ws:
        equal((await ws.receive_json())["hosts"], [BASE.split("/")[2]])
    await fails(ValueError, connect("/head/h", headers={"Host": "a\r\nB: c"}))


async def wrapped(function, *arguments):
    await function(*arguments)


async def test_kinds():
    async with await connect("/echo") as ws:
        await ws.send_json({"a": [1, "ü", None]})
        equal(await ws.receive_json(), {"a": [1, "ü", None]})
        await ws.send_str("text")
        await fails(TypeError, ws.receive_bytes())
        await ws.send_bytes(b"data")
        await fails(TypeError, ws.receive_str())


async def test_text_outside_ascii():
    async with await connect("/echo") as ws:
        for text in ("ü", "☃" * 700, "\U0001f600" * 600, "\x00"):
            await ws.send_str(text)
            equal(await ws.receive_str(), text)


async def test_the_head():
    headers = {"Authorization": "Basic eDp5", "X-Id": "CP-7"}
    ws = await connect("/head/a?b=c%20d", headers=headers, protocols=("nope", "ocpp1.6"))
    equal(ws.protocol, "ocpp1.6")
    seen = await ws.receive_json()
    equal(seen["path"], "/head/a?b=c%20d")
    equal(seen["headers"]["authorization"], "Basic eDp5")
    equal(seen["headers"]["x-id"], "CP-7")
    equal(seen["headers"]["host"], BASE.split("://")[1])
    await ws.close()


async def test_no_subprotocol():
    for protocols in ((), ("nope",)):
        async with await connect("/echo", protocols=protocols) as ws:
            equal(ws.protocol, None)


async def test_headers_cannot_be_smuggled_in():
    before = descriptors()
    await fails(ValueError, connect("/echo", headers={"A": "b\r\nEvil: 1"}))
    await fails(ValueError, connect("/echo", protocols=("a\r\nEvil: 1",)))
    equal(descriptors(), before)


async def test_fragments():
    async with await connect("/fragments") as ws:
        equal(await ws.receive_str(), "grüße")
        equal(await ws.receive_bytes(), b"".join(bytes([n]) * n for n in range(50)))


async def test_fragments_over_the_limit():
    ws = await connect("/fragments", max_size=100)
    equal(await ws.receive_str(), "grüße")
    equal((await fails(Exception, ws.receive())).code, 1009)
    equal(ws.close_code, 1009)


async def test_server_closes():
    for code, reason in ((1000, ""), (1001, "going"), (1008, "policy"), (3000, "x"), (4999, "y")):
        ws = await connect("/close/" + str(code) + "/" + reason)
        equal(await ws.receive_str(), "last words")
        assert not ws.closed
        message = await ws.receive()
        equal((message.type, message.data), (WSMsgType.CLOSED, code))
        equal((ws.closed, ws.close_code, ws.close_reason), (True, code, reason))
        error = await fails(ConnectionClosed, ws.receive())
        equal((error.code, error.reason), (code, reason))
        error = await fails(ConnectionClosed, wrapped(ws.send_str, "late"))
        equal(error.code, code)
        assert not ws.post_frame(b"late", WSMsgType.TEXT)
        await ws.close()
        equal(ws.close_code, code)


async def test_iteration_ends_with_the_close():
    ws = await connect("/close/1000/")
    for expected in (["last words"], []):
        seen = []
        async for message in ws:
            seen.append(message.data)
        equal(seen, expected)
    ws = await connect("/close/1000/")
    equal(await ws.receive_str(), "last words")
    error = await fails(ConnectionClosed, ws.receive_str())
    equal(error.code, 1000)


async def test_client_closes():
    ws = await connect("/closed_by_client")
    await ws.close(4001, "bye")
    equal((ws.closed, ws.close_code), (True, 4001))
    async with await connect("/last_close") as other:
        equal(await other.receive_json(), [4001, "bye"])
    error = await fails(ConnectionClosed, ws.receive())
    equal(error.code, 4001)
    await fails(ConnectionClosed, wrapped(ws.send_bytes, b"late"))
    await ws.close()


async def test_close_while_another_task_receives():
    ws = await connect("/echo")

    async def receive():
        return (await ws.receive()).data

    task = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await ws.send_str("x")
    equal(await task, "x")
    task = asyncio.create_task(receive())
    await asyncio.sleep(0.01)
    await ws.close(1000)
    equal(await asyncio.wait_for(task, 5), 1000)


async def test_close_with_messages_unread():
    ws = await connect("/count/200")
    equal(await ws.receive_str(), "0")
    await ws.close()
    equal(ws.close_code, 1000)


async def test_two_receivers_are_refused():
    async with await connect("/echo") as ws:
        task = asyncio.create_task(ws.receive_str())
        await asyncio.sleep(0.01)
        await fails(RuntimeError, ws.receive_str())
        await ws.send_str("for the first")
        equal(await task, "for the first")


async def test_pings_are_answered():
    async with await connect("/ping", ping_interval=None, silence_timeout=None) as ws:
        equal(await ws.receive_str(), "answered")


async def test_own_pings():
    async with await connect("/echo") as ws:
        await ws.ping()
        await ws.ping(bytes(125))
        raises(ValueError, ws.ping, bytes(126))
        await ws.send_str("the pongs are not seen")
        equal(await ws.receive_str(), "the pongs are not seen")


async def test_a_cancelled_receive_loses_nothing():
    ws = await connect("/count/300")
    expected = tries = 0
    while expected < 300:
        task = asyncio.create_task(ws.receive_str())
        tries += 1
        for _ in range(tries % 5):
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
        try:
            equal(int(await task), expected)
            expected += 1
        except asyncio.CancelledError:
            await asyncio.sleep(0)
    await ws.close()


async def test_concurrent_senders():
    ws = await connect("/gather/300")

    async def send(task):
        for number in range(30):
            await ws.send_str(str(task) + " " + str(number) + " " + "x" * (number * 37 % 3000))
            if number % 7 == task % 7:
                await asyncio.sleep(0)

    await asyncio.gather(*(send(task) for task in range(10)))
    equal(await ws.receive_json(), [29] * 10)
    await ws.close()


async def test_a_busy_link_keeps_its_pings():
    # Neither starved by what comes in, nor taken for dead.
    ws = await connect("/stream", ping_interval=0.2, silence_timeout=0.6)
    while True:
        text = await ws.receive_str()
        if text[0] != "x":
            break
    assert 3 <= int(text) <= 8, text
    await ws.close()


async def test_a_slow_program_is_not_a_dead_link():
    ws = await connect("/echo", ping_interval=None, silence_timeout=0.3)
    await asyncio.sleep(0.8)
    await ws.send_str("x")
    equal(await ws.receive_str(), "x")
    await ws.close()


async def test_own_pings_keep_a_quiet_link():
    ws = await connect("/echo", ping_interval=0.15, silence_timeout=0.6)
    try:
        await asyncio.wait_for(ws.receive(), 1.5)
        raise AssertionError("nothing was sent")
    except asyncio.TimeoutError:
        pass
    await ws.send_str("alive")
    equal(await ws.receive_str(), "alive")
    await ws.close()


async def test_pings_change_on_an_open_connection():
    ws = await connect("/echo", ping_interval=None, silence_timeout=None)
    receiving = asyncio.create_task(ws.receive_str())
    before = ws.bytes_received
    await asyncio.sleep(0.3)
    equal(ws.bytes_received, before)
    ws.keep_alive(0.1, 0.6)
    while ws.bytes_received < before + 10:  # pongs
        await asyncio.sleep(0.05)
    ws.keep_alive(None, None)
    await asyncio.sleep(0.3)
    before = ws.bytes_received
    await asyncio.sleep(0.5)
    equal(ws.bytes_received, before)
    for wrong in (("1", 1), (1, "1"), (-1, 1), (True, 1)):
        try:
            ws.keep_alive(*wrong)
            raise AssertionError(wrong)
        except (TypeError, ValueError):
            pass
    await ws.send_str("alive")
    equal(await receiving, "alive")
    await ws.close()
    ws.keep_alive(0.1, 0.2)  # too late: nothing happens
    assert ws.closed


async def test_a_stalled_reader_gets_whole_frames():
    ws = await connect("/stall", ping_interval=None, silence_timeout=None)
    sent = 0
    chunk = bytearray(8192)
    while True:
        chunk[:] = bytes([sent & 255]) * len(chunk)
        sent += 1
        try:
            # A send that does not come through is cancelled in mid-frame.
            await asyncio.wait_for(ws.send_bytes(chunk), 0.3)
        except asyncio.TimeoutError:
            break
        assert sent < 2000, "the server's buffers have no end"
    assert not ws.post_frame(b"no room", WSMsgType.TEXT)
    # What waits for its turn and is cancelled there has not begun.
    await fails(asyncio.TimeoutError, asyncio.wait_for(ws.send_bytes(b"\xee" * 7), 0.05))
    tasks = [asyncio.create_task(wrapped(ws.send_bytes, b"\xdd" * 9)) for _ in range(3)]
    # A reader that is cancelled takes nobody along who waits to write.
    await fails(asyncio.TimeoutError, asyncio.wait_for(ws.receive(), 0.05))
    reader = asyncio.create_task(ws.receive_str())
    await asyncio.sleep(0.05)
    async with await connect("/release"):
        for task in tasks:
            await task
        await ws.send_str("report")
        seen = json.loads(await reader)
    expected = [[8192, number & 255, True] for number in range(sent)] + [[9, 0xDD, True]] * 3
    assert seen == expected, seen[-6:]
    await ws.close()


async def test_nothing_stays_behind():
    before = descriptors()
    for _ in range(5):
        async with await connect("/echo") as ws:
            await ws.send_str("x")
    ws = await connect("/echo")
    ws.abort()
    ws.abort()
    equal(ws.close_code, 1006)
    await fails(ConnectionClosed, ws.receive())
    await settled(before)


main(globals())
