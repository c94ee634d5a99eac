"""The device code under test: takes part in every case the server has, and echoes.

The server's address is in the environment, as SERVER.
"""

import asyncio
import os

from webpubsub.errors import TransportError, WebPubSubError
from webpubsub.websocket import WSMsgType, ws_connect

SERVER = os.getenv("SERVER")


async def take_part(case):
    ws = await ws_connect(
        f"{SERVER}/runCase?case={case}&agent=webpubsub",
        max_size=17 * 1024 * 1024,
        ping_interval=None,
    )
    try:
        while True:
            kind = await ws.receive_view()
            if kind == WSMsgType.CLOSED:
                break
            await ws.send_frame(ws.view, kind)
    except (TransportError, WebPubSubError):
        pass  # the server judges what led to it
    finally:
        await ws.close()


async def main():
    ws = await ws_connect(SERVER + "/getCaseCount")
    count = int(await ws.receive_str())
    await ws.close()
    for case in range(1, count + 1):
        await take_part(case)
    ws = await ws_connect(SERVER + "/updateReports?agent=webpubsub")
    await ws.close()
    print("took part in", count)


asyncio.run(main())
