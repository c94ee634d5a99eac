"""A client on a chip whose network has so many bytes left; the test cuts its link.

ENDPOINT, TOKEN, CA (a file): the service. LEFT: bytes of the IDF heap when connected.
"""

import asyncio
import os

import _chip
import esp32
from webpubsub import AccessToken, WebPubSubClient
from webpubsub.memory import once


def idf():
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    return sum(region[1] for region in regions)


def tell(event):
    print("event", event.name, getattr(event, "reason", ""))


async def leave(left):
    """Take of the IDF heap, in pieces as others do, until so much is there."""
    held = []
    while idf() > left + 64:
        held.append(_chip.take(min(idf() - left, 4096)))
        await asyncio.sleep(0)
    return held


async def main():
    with open(os.getenv("CA"), "rb") as file:
        context = once("webpubsub.tls").tls_context(file.read())
    client = WebPubSubClient(
        AccessToken(os.getenv("ENDPOINT"), "chargers", os.getenv("TOKEN")), ssl=context
    )
    for name in ("connected", "recovering", "recovered", "disconnected", "reconnected", "stopped"):
        client.subscribe(
            name, lambda event: print("event", event.name, getattr(event, "reason", ""))
        )
    running = asyncio.create_task(client.run())
    while client.state != "connected":
        await asyncio.sleep(0.1)
    held = await leave(int(os.getenv("LEFT")))
    print("ready", idf())
    async for message in client:
        print("message", message.data)
        if message.data == "end":
            break
    print("end", len(held), idf())
    running.cancel()


asyncio.run(main())
