"""A WebSocket over ws, and nothing else."""

import os

import rig


async def main(asyncio, ws_connect):
    watching = asyncio.create_task(rig.watch(asyncio))
    ws = await ws_connect(os.getenv("URL"), protocols=("json.webpubsub.azure.v1",))
    await ws.receive()
    rig.show("open")
    for _ in range(10):
        await ws.send_str('{"type":"ping"}')
        await ws.receive()
    rig.show("used")
    rig.names()
    watching.cancel()
    await ws.close()


def run():
    import asyncio

    from webpubsub.websocket import ws_connect

    rig.show("imported")
    asyncio.run(main(asyncio, ws_connect))


rig.begin()
run()
