"""A device that takes what an application server sends, and prints it.

ENDPOINT, HUB and TOKEN say where and as whom; the device ends with the message "end". When a
connection is closed by the server, its session is over: the client reconnects as a new one.
"""

import asyncio
import os

from webpubsub import AccessToken, WebPubSubClient


def described(message):
    # Interpreters show values in their own ways; this one is the same on both.
    data = message.data
    if message.data_type == "binary":
        data = list(data)
    elif message.data_type == "json":
        data = ", ".join(f"{key}={data[key]}" for key in sorted(data))
    return f"{message.kind} {message.group} {message.data_type} {data}"


async def main():
    credential = AccessToken(os.getenv("ENDPOINT"), os.getenv("HUB"), os.getenv("TOKEN"))
    client = WebPubSubClient(credential, protocol=os.getenv("SUBPROTOCOL"))
    client.subscribe("reconnected", lambda event: print("reconnected"))
    async with client:
        await client.send_event("status", "ready", ack=False)
        async for message in client:
            print(described(message))
            # MicroPython warns of comparing bytes with text.
            if message.data_type == "text" and message.data == "end":
                break


asyncio.run(main())
