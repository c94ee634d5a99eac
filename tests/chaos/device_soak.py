"""Run on a device: loses its connection again and again, and says what each life leaves behind.

Prints `UP n heap tasks descriptors` once it is connected again and a message has come back to it.
The host answers each by ending the connection; a message "stop" ends the script.
"""

import asyncio
import gc
import os

from webpubsub import Backoff, WebPubSubClient
from webpubsub.errors import WebPubSubError

tasks = 0
original = asyncio.core.create_task


async def counted(coroutine):
    global tasks
    tasks += 1
    try:
        return await coroutine
    finally:
        tasks -= 1


def create_task(coroutine):
    return original(counted(coroutine))


# wait_for has a task of its own, too.
asyncio.create_task = asyncio.core.create_task = create_task


def tls():
    path = os.getenv("CA")
    if not path:
        return None
    from webpubsub.tls import tls_context

    with open(path, "rb") as file:
        return tls_context(file.read())


async def main():
    client = WebPubSubClient(
        os.getenv("URL"), ssl=tls(), backoff=Backoff(first=0.01, maximum=0.02)
    )
    lives = 0
    up = asyncio.Event()

    def alive(_):
        nonlocal lives
        lives += 1
        up.set()

    client.subscribe("connected", alive)
    client.subscribe("recovered", alive)
    keeping = asyncio.create_task(client.run())
    await asyncio.sleep(0)
    await client.join_group("loop")
    messages = client.__aiter__()
    while True:
        await up.wait()
        up.clear()
        life = lives
        try:
            await client.send_to_group("loop", life)
        except WebPubSubError:
            continue  # the cut came too early for it
        message = await messages.__anext__()
        while message.data != life and message.data != "stop":
            message = await messages.__anext__()
        await asyncio.sleep(0)
        gc.collect()
        print("UP", life, gc.mem_alloc(), tasks, len(os.listdir("/proc/self/fd")))
        if message.data == "stop":
            break
    await client.close()
    try:
        await keeping
    except asyncio.CancelledError:
        pass
    del client, messages, message
    await asyncio.sleep(0.1)
    gc.collect()
    print("END", lives, gc.mem_alloc(), tasks, len(os.listdir("/proc/self/fd")))


asyncio.run(main())
