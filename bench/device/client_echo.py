"""The full client: JSON, reliable, one group, COUNT messages of SIZE characters to itself."""

import asyncio
import os

from webpubsub import WebPubSubClient

URL, SIZE, COUNT = (os.getenv(name) for name in ("URL", "SIZE", "COUNT"))


async def main():
    client = WebPubSubClient(URL)
    async with client:
        await client.join_group("bench")
        text = "x" * int(SIZE)
        messages = client.__aiter__()
        for _ in range(int(COUNT)):
            await client.send_to_group("bench", text, "text")
            await messages.__anext__()


asyncio.run(main())
