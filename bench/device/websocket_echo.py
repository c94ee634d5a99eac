"""The client under measurement: ws_connect, all defaults on, one message at a time.

VIEW: take each message by `receive_view`, which lends the buffer.
"""

import asyncio
import os

from webpubsub.websocket import ws_connect

URL, SIZE, COUNT, CA, VIEW = (os.getenv(name) for name in ("URL", "SIZE", "COUNT", "CA", "VIEW"))


async def main():
    ssl = None
    if CA:
        from webpubsub.tls import tls_context

        with open(CA, "rb") as file:
            ssl = tls_context(file.read())
    ws = await ws_connect(URL, ssl=ssl)
    message = bytes(int(SIZE))
    if VIEW:
        for _ in range(int(COUNT)):
            await ws.send_bytes(message)
            await ws.receive_view()
    else:
        for _ in range(int(COUNT)):
            await ws.send_bytes(message)
            await ws.receive()
    await ws.close()


asyncio.run(main())
