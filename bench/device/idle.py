"""An open connection and nothing to do, for SECONDS."""

import asyncio
import os

from webpubsub.websocket import ws_connect

URL, SECONDS, CA = (os.getenv(name) for name in ("URL", "SECONDS", "CA"))


async def main():
    ssl = None
    if CA:
        from webpubsub.tls import tls_context

        with open(CA, "rb") as file:
            ssl = tls_context(file.read())
    ws = await ws_connect(URL, ssl=ssl)
    try:
        await asyncio.wait_for(ws.receive(), float(SECONDS))
    except asyncio.TimeoutError:
        pass
    await ws.close()


asyncio.run(main())
