"""An outbox on a real client: URL and PROTOCOL say where; prints what became of it."""

import asyncio
import os

from webpubsub import WebPubSubClient
from webpubsub.outbox import Outbox


async def main():
    client = WebPubSubClient(os.getenv("URL"), protocol=os.getenv("PROTOCOL"))
    outbox = Outbox(client)
    client.subscribe("outbox-dropped", lambda event: print(event.reason, event.error.name))
    await outbox.send_to_group("site", {"boot": 0, "number": 1.5})
    await outbox.send_to_group("elsewhere", "not allowed")
    await outbox.send_to_group("site", [1, None, "\u20ac"])
    await outbox.send_to_group("site", "text \u20ac")
    await outbox.send_to_group("site", bytes(range(256)))
    async with client:
        await outbox.send_to_group("site", "last")
        await client.flush(20)
        print("delivered", outbox.delivered, "waiting", outbox.waiting)
    await outbox.close()


asyncio.run(main())
