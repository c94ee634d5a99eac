import asyncio

from webpubsub import WebPubSubClient


async def main():
    # hubtool token chargers --role webpubsub.joinLeaveGroup --role webpubsub.sendToGroup \
    #     --url --output url.txt
    async with WebPubSubClient(open("url.txt").read().strip()) as client:
        await client.join_group("site-7")
        await client.send_to_group("site-7", {"kw": 7.2})
        async for message in client:
            print(message.group, message.data)


asyncio.run(main())
