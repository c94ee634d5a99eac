"""A device that comes in by one of the ways to authenticate, publishes, and gets an answer.

WAY: "token" (ENDPOINT, TOKEN), "anonymous" (ENDPOINT) or "negotiate" (NEGOTIATE, KEY). CA: a file
with the CA certificate in DER, for whatever is reached by TLS. What it prints is compared.
"""

import asyncio
import os

from webpubsub import AccessToken, Anonymous, Negotiate, WebPubSubClient
from webpubsub.tls import tls_context


def context():
    if not os.getenv("CA"):
        return None
    with open(os.getenv("CA"), "rb") as file:
        return tls_context(file.read())


def credential(ssl):
    way = os.getenv("WAY")
    if way == "negotiate":
        headers = {"Authorization": "Bearer " + os.getenv("KEY")}
        return Negotiate(os.getenv("NEGOTIATE") + "?id=CP-7", headers, ssl=ssl)
    if way == "anonymous":
        return Anonymous(os.getenv("ENDPOINT"), "chargers", {"id": "CP-7"})
    return AccessToken(os.getenv("ENDPOINT"), "chargers", os.getenv("TOKEN"))


async def main():
    ssl = context()
    client = WebPubSubClient(credential(ssl), ssl=ssl)
    async with client:
        print("connected as", client.user_id)
        await client.send_to_group("site", {"kw": 7.2}, no_echo=True)
        async for message in client:
            print(message.kind, message.group, message.data)
            break
    print(client.state)


asyncio.run(main())
