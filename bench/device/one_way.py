"""One way only: WAY=send or WAY=receive, COUNT messages of SIZE bytes."""

import asyncio
import os

from webpubsub.websocket import ws_connect

URL, SIZE, COUNT, WAY = (os.getenv(name) for name in ("URL", "SIZE", "COUNT", "WAY"))


async def main():
    ws = await ws_connect(URL)
    count, size = int(COUNT), int(SIZE)
    if WAY == "send":
        await ws.send_str("sink")
        message = bytes(size)
        for _ in range(count):
            await ws.send_bytes(message)
        await ws.send_bytes(b"end")
        await ws.receive()
    else:
        await ws.send_str(f"send {count} {size}")
        for _ in range(count):
            await ws.receive()
    await ws.close()


asyncio.run(main())
