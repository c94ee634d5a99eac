"""Run on a device against the bad server at SERVER."""

import asyncio
import os

from checks import equal, raises
from device_common import descriptors, fails, main, settled
from webpubsub.errors import (
    ConnectionClosed,
    DeadlineError,
    HandshakeError,
    ProtocolError,
    TransportError,
)
from webpubsub.stream import ticks_diff, ticks_ms
from webpubsub.tls import unverified_tls_context
from webpubsub.websocket import WSMsgType, ws_connect

BASE = os.getenv("SERVER")


def connect(path, **options):
    return ws_connect(BASE + path, close_timeout=0.5, **options)


async def refused(path, **options):
    """The handshake fails, without a descriptor left open."""
    before = descriptors()
    error = await fails(TransportError, connect(path, **options))
    assert isinstance(error, OSError)
    await settled(before)
    return error


async def test_no_answer():
    started = ticks_ms()
    assert isinstance(await refused("/silent", timeout=0.3), DeadlineError)
    assert ticks_diff(ticks_ms(), started) < 10000


async def test_a_cancelled_opening():
    before = descriptors()
    task = asyncio.create_task(connect("/silent"))
    await asyncio.sleep(0.05)
    task.cancel()
    await fails(asyncio.CancelledError, wrapped(task))
    await settled(before)


async def wrapped(task):
    return await task


async def test_garbage():
    assert isinstance(await refused("/garbage"), HandshakeError)


async def test_refusals():
    for status in (301, 401, 403, 404, 429, 500, 503):
        error = await refused("/status/" + str(status))
        assert isinstance(error, HandshakeError)
        equal((error.status, error.reason), (status, "not today"))
        equal(error.retry_after, 17 if status == 429 else None)
        assert str(status) in str(error)


async def test_bodies():
    error = await refused("/chatty")
    equal(error.status, 502)
    assert len(error.reason) <= 200
    for path, status in (("/nolength", 500), ("/shortbody", 503)):
        equal((await refused(path)).status, status)


async def test_interim_answers():
    for path in ("/interim", "/interim/late"):
        async with await connect(path) as ws:
            equal(await ws.receive_str(), "hi")
    assert "too long" in str(await refused("/interims"))


async def test_the_reason_is_there_whatever_frames_it():
    for how in ("length", "chunks", "open", "end"):
        started = ticks_ms()
        error = await refused("/reason/" + how)
        equal((error.status, error.reason), (403, "The hub \u00abh\u00bb is closed."))
        # Where its end cannot be seen it is not waited for long.
        assert how == "open" or ticks_diff(ticks_ms(), started) < 2000, how


async def test_a_redirect_says_where_to():
    assert "moved to http://127.0.0.1:1/" in str(await refused("/status/301"))


async def test_heads_without_end():
    assert isinstance(await refused("/endless"), HandshakeError)
    assert isinstance(await refused("/manylines", timeout=0.3), DeadlineError)


async def test_wrong_answers():
    for path, word in (("accept", "Accept"), ("unoffered", "subprotocol"), ("extension", "exten")):
        error = await refused("/" + path, protocols=("json.x",))
        equal(error.status, 101)
        assert word in str(error), error


async def test_cut_during_the_handshake():
    for stage in ("after_request", "in_head"):
        for how in ("fin", "rst"):
            await refused("/" + stage + "/" + how)


async def test_cut_after_the_handshake():
    before = descriptors()
    for stage in ("after_head", "in_frame_head", "in_frame"):
        for how in ("fin", "rst"):
            ws = await connect("/" + stage + "/" + how)
            if stage != "after_head" and how == "fin":
                equal(await ws.receive_str(), "hi")
            while True:
                try:
                    await ws.receive()
                except ConnectionClosed as error:
                    equal(error.code, 1006)
                    break
            equal((ws.closed, ws.close_code), (True, 1006))
            await fails(ConnectionClosed, sent(ws))
            await ws.close()
    await settled(before)


async def sent(ws):
    await ws.send_str("late")


async def test_nobody_listens():
    before = descriptors()
    error = await fails(TransportError, ws_connect("ws://127.0.0.1:1/"))
    assert "127.0.0.1" in str(error), error
    await settled(before)


async def test_no_such_host():
    error = await fails(TransportError, ws_connect("ws://no-such-host.invalid/", timeout=10))
    assert "no-such-host.invalid" in str(error), error


async def test_no_tls_at_the_other_end():
    before = descriptors()
    url = BASE.replace("ws:", "wss:")
    await fails(DeadlineError, ws_connect(url, ssl=unverified_tls_context(), timeout=0.5))
    await settled(before)


async def test_urls_that_are_none():
    for url in ("127.0.0.1", "ftp://h", "ws://", "ws://h:0"):
        await fails(ValueError, ws_connect(url))


async def test_frames_in_one_segment_with_the_head():
    ws = await connect("/early")
    equal(await ws.receive_str(), "early")
    equal(await ws.receive_bytes(), b"abc")
    message = await ws.receive()
    equal((message.type, message.data), (WSMsgType.CLOSED, 1000))


async def test_frames_that_break_the_protocol():
    for frames, code in (
        ("c100", 1002),  # a reserved bit
        ("8300", 1002),  # an unknown opcode
        ("8180" + "00000000", 1002),  # masked
        ("0900", 1002),  # a fragmented control frame
        ("897e007e", 1002),  # a long control frame
        ("817e0001" + "61", 1002),  # a length that is not minimal
        ("827fffffffffffffffff", 1002),  # a length with the highest bit
        ("8000", 1002),  # a continuation of nothing
        ("8101ff", 1007),  # no UTF-8
        ("0101c3" + "8000", 1007),  # no UTF-8 in two frames
        ("827f00000000ffffffff", 1009),  # too long: the rest is not waited for
        ("880103", 1002),  # half a close code
        ("880203ed", 1002),  # 1005 on the wire
        ("880303e8ff", 1007),  # a reason that is no UTF-8
    ):
        ws = await connect("/raw/" + frames)
        error = await fails(ProtocolError, ws.receive())
        equal((error.code, ws.close_code), (code, code))
        error = await fails(ConnectionClosed, ws.receive())
        equal(error.code, code)
        await fails(ConnectionClosed, sent(ws))


async def test_a_server_that_talks_on_after_its_mistake_learns_of_it():
    ws = await connect("/babble")
    await fails(ProtocolError, ws.receive())
    async with await connect("/why") as ws:
        equal(await ws.receive_str(), "1002")


async def test_a_message_before_the_mistake_arrives():
    ws = await connect("/raw/" + "81026869" + "8300")
    equal(await ws.receive_str(), "hi")
    await fails(ProtocolError, ws.receive())


async def test_a_close_without_code():
    ws = await connect("/raw/8800")
    message = await ws.receive()
    equal((message.type, message.data, ws.close_code), (WSMsgType.CLOSED, 1005, 1005))


async def test_silence_is_found():
    for path in ("/mute", "/deaf"):
        before = descriptors()
        ws = await connect(path, ping_interval=0.2, silence_timeout=0.6)
        started = ticks_ms()
        error = await fails(DeadlineError, ws.receive())
        assert 500 <= ticks_diff(ticks_ms(), started) < 5000
        assert "silent" in str(error), error
        assert await fails(DeadlineError, ws.receive()) is error
        await fails(TransportError, sent(ws))
        await settled(before)


async def test_silence_is_found_without_own_pings():
    ws = await connect("/deaf", ping_interval=None, silence_timeout=0.3)
    await fails(DeadlineError, ws.receive())


async def test_the_limit_of_silence_changes_on_an_open_connection():
    ws = await connect("/deaf", ping_interval=None, silence_timeout=None)
    receiving = asyncio.create_task(fails(DeadlineError, ws.receive()))
    await asyncio.sleep(0.1)
    ws.keep_alive(None, 0.3)
    assert "0.3 s" in str(await receiving)
    ws = await connect("/deaf", ping_interval=None, silence_timeout=0.4)
    ws.keep_alive(None, None)
    try:
        await asyncio.wait_for(ws.receive(), 1)
        raise AssertionError("nothing was sent")
    except asyncio.TimeoutError:
        pass
    ws.abort()


async def test_a_slow_message_is_no_silence():
    ws = await connect("/slow", ping_interval=None, silence_timeout=0.4)
    equal(len(await ws.receive_bytes()), 1000)
    await ws.close()


async def test_large_messages_under_way_starve_no_ping():
    # Longer than the silence allowed, with no complete frame for most of it.
    ws = await connect("/drip", ping_interval=0.2, silence_timeout=0.8)
    for _ in range(2):
        equal(len(await ws.receive_bytes()), 20000)
    pings = int(await ws.receive_str())
    # 1.6 s at least; a busy machine takes longer.
    assert pings >= 5, pings
    await ws.close()


async def test_a_write_that_does_not_move():
    # Nobody reads here: the writer alone finds out.
    ws = await connect("/mute", ping_interval=None, silence_timeout=0.5)
    data = bytes(16384)

    async def send():
        for _ in range(2000):
            await ws.send_bytes(data)

    error = await fails(DeadlineError, send())
    assert "write" in str(error), error
    await fails(TransportError, sent(ws))


async def test_close_against_a_stuck_peer():
    before = descriptors()
    ws = await connect("/mute", silence_timeout=None, ping_interval=None)
    data = bytes(16384)
    task = asyncio.create_task(flood(ws, data))
    await asyncio.sleep(0.2)
    started = ticks_ms()
    await ws.close()
    assert ticks_diff(ticks_ms(), started) < 5000
    equal(ws.close_code, 1006)
    await fails(TransportError, wrapped(task))
    await settled(before)


async def test_sending_right_after_an_abort():
    ws = await connect("/mute", silence_timeout=None, ping_interval=None)
    task = asyncio.create_task(flood(ws, bytes(16384)))
    await asyncio.sleep(0.2)
    ws.abort()
    # Nobody else had a turn: the frame that was on its way out must not be waited for.
    await fails(ConnectionClosed, sent(ws))
    await fails(TransportError, wrapped(task))


async def flood(ws, data):
    while True:
        await ws.send_bytes(data)


async def test_close_without_an_answer():
    ws = await connect("/deaf")
    started = ticks_ms()
    await ws.close()
    assert 400 <= ticks_diff(ticks_ms(), started) < 5000
    equal(ws.close_code, 1006)


async def test_a_cancelled_close():
    before = descriptors()
    ws = await connect("/deaf")
    await fails(asyncio.TimeoutError, asyncio.wait_for(ws.close(), 0.05))
    assert ws.closed
    await settled(before)


async def test_the_ping_of_a_closed_connection():
    ws = await connect("/early")
    while (await ws.receive()).type != WSMsgType.CLOSED:
        pass
    raises(ConnectionClosed, ws.ping)


main(globals())
