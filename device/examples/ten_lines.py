import asyncio

from webpubsub import Anonymous, WebPubSubClient


async def main():
    async with WebPubSubClient(Anonymous("ws://127.0.0.1:7080", "chargers")) as client:
        await client.join_group("site-7")
        await client.send_to_group("site-7", {"kw": 7.2})
        async for message in client:
            print(message.group, message.data)


asyncio.run(main())
