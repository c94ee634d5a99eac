"""Heap bytes that one message takes in steady state, with the collector off."""

import asyncio
import gc
import os

from webpubsub.websocket import ws_connect

URL, SIZE = os.getenv("URL"), 128
COUNT = 200


async def measure(step):
    for _ in range(20):
        await step()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(COUNT):
        await step()
    used = gc.mem_alloc() - before
    gc.enable()
    return used // COUNT


async def main():
    ws = await ws_connect(URL)
    message = bytes(SIZE)

    async def nothing():
        pass

    async def send():
        await ws.send_bytes(message)

    async def receive():
        await ws.receive()

    async def lend():
        await ws.receive_view()

    own = await measure(nothing)
    await ws.send_str(f"send 500 {SIZE}")
    await asyncio.sleep(1)
    print("receive", await measure(receive) - own)
    print("receive_view", await measure(lend) - own)
    for _ in range(60):
        await ws.receive()
    await ws.send_str("sink")
    print("send", await measure(send) - own)
    await ws.send_bytes(b"end")
    await ws.receive()
    await ws.close()


asyncio.run(main())
