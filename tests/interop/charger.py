"""A charging point as others build it: no Web PubSub client, just OCPP over a WebSocket.

URL, USER and PASSWORD say where to and as whom; what it prints is compared.
"""

import asyncio
import json
import os
from binascii import b2a_base64

from webpubsub.errors import HandshakeError
from webpubsub.websocket import ws_connect


async def main():
    credentials = f"{os.getenv('USER')}:{os.getenv('PASSWORD')}"
    headers = {"Authorization": "Basic " + b2a_base64(credentials.encode()).decode().strip()}
    try:
        ws = await ws_connect(os.getenv("URL"), protocols=("ocpp1.6",), headers=headers)
    except HandshakeError as error:
        print("refused with", error.status)
        return
    async with ws:
        print("speaks", ws.protocol)
        if ws.protocol is None:
            return  # as a strict one does
        await ws.send_json([2, "1", "Heartbeat", {}])
        # The answer comes through the hub's event handler: a call may overtake it.
        both = [await ws.receive_json(), await ws.receive_json()]
        answer, call = sorted(both, key=lambda message: -message[0])
        print("got", json.dumps(answer))
        print("called", call[2])
        await ws.send_json([3, call[1], {"status": "Accepted"}])
        await ws.receive()
        print("closed with", ws.close_code)


asyncio.run(main())
