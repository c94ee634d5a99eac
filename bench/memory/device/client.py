"""A client with an access token over verified TLS: groups, acknowledgements, an outage."""

import os

import rig


async def main(asyncio, client):
    watching = asyncio.create_task(rig.watch(asyncio, "running"))
    rig.show("made")
    await client.open()
    rig.show("open")
    await client.join_group("g")
    for number in range(10):
        await client.send_to_group("g", {"n": number}, no_echo=True)
    rig.show("used")
    rig.names()
    print("ready")
    async for _ in client:
        pass
    watching.cancel()


def made():
    from webpubsub import AccessToken, WebPubSubClient
    from webpubsub.memory import once

    rig.show("imported")
    with open("/ca", "rb") as file:
        certificate = file.read()
    with open("/token") as file:
        token = file.read()
    credential = AccessToken(os.getenv("ENDPOINT"), "chargers", token)
    return WebPubSubClient(credential, ssl=once("webpubsub.tls").tls_context(certificate))


def run():
    import asyncio

    asyncio.run(main(asyncio, made()))


rig.begin()
run()
