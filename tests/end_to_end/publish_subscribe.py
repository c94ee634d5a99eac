"""Publish and subscribe, as a device does it: one scenario for every credential and interpreter.

ENDPOINT and HUB say where; with TOKEN the device shows a Client Access Token, without it is
anonymous and the hub's event handler lets it in. A peer in the group `site` greets the device
and answers its last message. What this prints is compared line by line.
"""

import asyncio
import os

from webpubsub import AccessToken, AckError, Anonymous, WebPubSubClient

ENDPOINT, HUB, TOKEN = os.getenv("ENDPOINT"), os.getenv("HUB"), os.getenv("TOKEN")


def credential():
    if TOKEN:
        return AccessToken(ENDPOINT, HUB, TOKEN)
    return Anonymous(ENDPOINT, HUB, {"id": "CP-7"})


async def refused(awaitable):
    try:
        await awaitable
    except AckError as error:
        return f"{error.name} {error.outcome}"
    return "accepted"


def described(message):
    # Interpreters show values in their own ways; this one is the same on both.
    data = message.data
    if message.data_type == "binary":
        data = f"{len(data)} bytes {data == bytes(range(256))}"
    elif message.data_type == "json":
        data = ", ".join(f"{key}={data[key]}" for key in sorted(data))
    else:
        data = data.replace("\U0001f50c", "(plug)")
    return f"{message.kind} {message.group} {message.data_type} {data} from {message.from_user_id}"


async def main():
    client = WebPubSubClient(credential(), protocol=os.getenv("SUBPROTOCOL"))
    seen = []
    client.subscribe("connected", lambda event: seen.append(event.user_id))
    async with client:
        print("state", client.state, "user", client.user_id, "id", bool(client.connection_id))
        await client.join_group("site")
        await client.send_to_group(
            "site", {"kw": 7.2, "phases": [1, 2, 3], "note": "\u00e9\u20ac"}
        )
        await client.send_to_group("site", "text \U0001f50c")
        await client.send_to_group("site", bytes(range(256)))
        await client.send_to_group("site", "not for me", no_echo=True)
        await client.send_to_group("site", "forgotten", ack=False)
        print("elsewhere", await refused(client.send_to_group("elsewhere", 1)))
        print("event", await refused(client.send_event("status", {"state": "Available"})))
        received = []
        async for message in client:
            received.append(message)
            if message.data_type != "text":
                continue
            if message.data == "goodbye":
                break
            if message.data == "hello, device":
                await client.send_to_group("site", {"last": True}, no_echo=True)
        ids = [message.sequence_id for message in received]
        print("sequence", "none" if None in ids else ids == list(range(1, len(ids) + 1)))
        for line in sorted(described(message) for message in received):
            print(line)
        await client.leave_group("site")
        await client.flush(10)
        print("connected as", seen)
    print("state", client.state)


asyncio.run(main())
