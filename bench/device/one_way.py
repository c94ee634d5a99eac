"""One way only: COUNT messages of SIZE bytes; WAY=send, receive, view (by receive_view), or
poll (by poll_view, and receive_view only where it must wait).
"""

import asyncio
import os

from webpubsub.websocket import ws_connect

URL, SIZE, COUNT, WAY = (os.getenv(name) for name in ("URL", "SIZE", "COUNT", "WAY"))


async def main():
    ws = await ws_connect(URL)
    count, size = int(COUNT), int(SIZE)
    if WAY == "send":
        await ws.send_str(f"sink {count} {size}")
        await ws.receive()
        message = bytes(size)
        for _ in range(count):
            await ws.send_bytes(message)
        await ws.receive()
    else:
        await ws.send_str(f"send {count} {size}")
        if WAY == "view":
            for _ in range(count):
                await ws.receive_view()
        elif WAY == "poll":
            for _ in range(count):
                ws.poll_view() or await ws.receive_view()
        else:
            for _ in range(count):
                await ws.receive()
    await ws.close()


asyncio.run(main())
