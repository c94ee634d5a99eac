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


async def test_no_warning_before_its_time():
    client = client_with("SHORT", warn=60)
    warnings = []
    client.subscribe("token-expires", warnings.append)
    async with client:
        await client.flush()
        await asyncio.sleep(0.05)
    equal(warnings, [])


main(globals())
