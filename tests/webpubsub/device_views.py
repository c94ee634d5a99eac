"""Messages that are lent, run on a device against the good server at SERVER."""

import gc
import os

from checks import equal
from device_common import main
from webpubsub.websocket import WSMsgType, ws_connect

URL = os.getenv("SERVER") + "/echo"
# Taken while the heap is in one piece.
LARGE = bytearray(65536)


async def test_0_echo_of_the_largest():
    gc.collect()
    async with await ws_connect(URL) as ws:
        for size in (65535, 65536):
            data = memoryview(LARGE)[:size]
            data[0] = data[size - 1] = size & 255
            await ws.send_bytes(data)
            gc.collect()
            equal(await ws.receive_view(), WSMsgType.BINARY)
            equal(len(ws.view), size)
            equal((ws.view[0], ws.view[size - 1]), (size & 255, size & 255))


async def test_a_burst_is_polled():
    async with await ws_connect(URL) as ws:
        equal(ws.poll_view(), 0)
        for i in range(50):
            await ws.send_bytes(bytes((i,)))
        polled = 0
        for i in range(50):
            kind = ws.poll_view()
            polled += kind != 0
            equal(kind or await ws.receive_view(), WSMsgType.BINARY)
            equal(bytes(ws.view), bytes((i,)))
        assert polled, "no two messages came in one read"
        equal(ws.poll_view(), 0)
    equal(ws.poll_view(), 0)


main(globals())
