"""Heap bytes that one message takes in steady state, with the collector off.

Once with the messages there already, once so that each of them has to be waited for; and what
the same wait takes with MicroPython's own stream.
"""

import asyncio
import gc
import os

from webpubsub.websocket import ws_connect

URL, PORT, SIZE = os.getenv("URL"), os.getenv("RAW"), int(os.getenv("SIZE"))
WARM, COUNT = 20, 200


async def measure(step):
    # The loops are in the steps: a coroutine for each message would count too.
    await step(WARM)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    await step(COUNT)
    used = gc.mem_alloc() - before
    gc.enable()
    return used // COUNT


async def stream():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(PORT))
    reader.s.setsockopt(6, 1, 1)
    sock, message, buffer = reader.s, bytes(SIZE), bytearray(SIZE)

    async def wait(count):
        for _ in range(count):
            sock.write(message)  # takes no heap
            await reader.readinto(buffer)

    print("wait", await measure(wait))
    writer.close()


async def websocket():
    ws = await ws_connect(URL)
    message = bytes(SIZE)

    async def send(count):
        for _ in range(count):
            await ws.send_bytes(message)

    async def receive(count):
        for _ in range(count):
            await ws.receive()

    async def lend(count):
        for _ in range(count):
            await ws.receive_view()

    async def poll(count):
        for _ in range(count):
            ws.poll_view() or await ws.receive_view()

    async def echo(count):
        for _ in range(count):
            await ws.send_bytes(message)
            await ws.receive()

    async def echo_lent(count):
        for _ in range(count):
            await ws.send_bytes(message)
            await ws.receive_view()

    await ws.send_str(f"send {3 * (WARM + COUNT)} {SIZE}")
    await asyncio.sleep(1)
    print("receive", await measure(receive))
    print("receive_view", await measure(lend))
    print("poll_view", await measure(poll))
    print("echo", await measure(echo))
    print("echo_view", await measure(echo_lent))
    await ws.send_str(f"sink {WARM + COUNT} {SIZE}")
    await ws.receive()
    print("send", await measure(send))
    await ws.receive()
    await ws.close()


async def main():
    await stream()
    await websocket()


asyncio.run(main())
