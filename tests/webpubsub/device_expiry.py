"""Run on a device: tokens that have ended, or soon will, at the hub of ENDPOINT."""

import asyncio
import os

from checks import equal
from device_common import descriptors, fails, main, settled
from webpubsub import AccessToken, WebPubSubClient
from webpubsub.errors import HandshakeError

ENDPOINT = os.getenv("ENDPOINT")


def client_with(name, **options):
    return WebPubSubClient(AccessToken(ENDPOINT, "chargers", os.getenv(name), **options))


async def test_an_expired_token():
    before = descriptors()
    error = await fails(HandshakeError, client_with("EXPIRED").open())
    equal(error.status, 401)
    assert "the access token expired on 20" in str(error), error
    assert os.getenv("EXPIRED") not in str(error)
    await settled(before)


async def test_a_token_that_is_refused_for_another_reason():
    error = await fails(HandshakeError, client_with("FORGED").open())
    equal(error.status, 401)
    assert "expired" not in str(error), error
    assert os.getenv("FORGED") not in str(error)


async def test_a_warning():
    client = client_with("SHORT")
    warnings = []
    warned = asyncio.Event()

    def warn(event):
        warnings.append(event)
        warned.set()

    client.subscribe("token-expires", warn)
    async with client:
        await warned.wait()
    (event,) = warnings
    assert 0 < event.left <= 3600, event.left
    equal(event.expires, client_with("SHORT").keeper.credential.expires)


async def test_each_client_of_a_credential_is_warned():
    token = client_with("SHORT").keeper.credential
    warned = []
    clients = [WebPubSubClient(token) for _ in range(3)]
    for client in clients:
        if client is not clients[2]:
            client.subscribe("token-expires", lambda event, client=client: warned.append(client))
        await client.open()
    while len(warned) < 2:
        await asyncio.sleep(0.01)
    # Also the one that asks when it is connected, once.
    for _ in range(2):
        clients[2].subscribe("token-expires", lambda event: warned.append(clients[2]))
    while len(warned) < 4:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    equal([warned.count(client) for client in clients], [1, 1, 2])
    # And in each of its lives.
    await clients[0].close()
    await clients[0].open()
    while warned.count(clients[0]) < 2:
        await asyncio.sleep(0.01)
    for client in clients:
        await client.close()


async def test_no_warning_before_its_time():
    client = client_with("SHORT", warn=60)
    warnings = []
    client.subscribe("token-expires", warnings.append)
    async with client:
        await client.flush()
        await asyncio.sleep(0.05)
    equal(warnings, [])


main(globals())
