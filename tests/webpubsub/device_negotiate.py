"""Run on a device against the application server at SERVER (http) and TLS_PORT, CA, OTHER_CA."""

import asyncio
import os
from binascii import unhexlify

from checks import equal, raises
from device_common import descriptors, fails, main, settled
from webpubsub import Negotiate
from webpubsub.errors import DeadlineError, HandshakeError, OutOfMemory, TransportError
from webpubsub.stream import ticks_diff, ticks_ms
from webpubsub.tls import tls_context

BASE = os.getenv("SERVER")
URL = "wss://h/client/hubs/a?access_token=head.s3cret.sign"


def asked(path, **options):
    return Negotiate(BASE + path, **options).url()


def secure(ca, port=None, timeout=10):
    with open(os.getenv(ca), "rb") as file:
        context = tls_context(file.read())
    port = port or os.getenv("TLS_PORT")
    return Negotiate(f"https://localhost:{port}/url", ssl=context, timeout=timeout).url()


async def refused(path, kind=HandshakeError, **options):
    """It fails with one clear error, and without a descriptor left open."""
    before = descriptors()
    error = await fails(kind, asked(path, **options))
    assert "s3cret" not in str(error)
    assert "\n" not in str(error)
    await settled(before)
    return error


async def test_a_url():
    before = descriptors()
    for path in ("/url", "/slowly", "/chunked", "/until_end"):
        equal(await asked(path), URL)
    await settled(before)


async def test_the_request():
    url = await asked("/head", headers={"Authorization": "Bearer s3cret"})
    lines = unhexlify(url.partition("head=")[2]).decode().split("\r\n")
    equal(lines[0], "GET /head HTTP/1.1")
    assert "Host: " + BASE.partition("//")[2] in lines
    assert "Authorization: Bearer s3cret" in lines


async def test_refusals():
    for status in (301, 307, 400, 401, 403, 404, 429, 500, 502, 503):
        error = await refused(f"/status/{status}")
        equal((error.status, error.reason), (status, "not today"))
        equal(error.retry_after, 17 if status in (429, 503) else None)
        assert str(status) in str(error)


async def test_a_refusal_that_never_ends():
    equal((await refused("/trickle/401", timeout=0.5)).status, 401)
    await refused("/trickle/200", DeadlineError, timeout=0.5)


async def test_answers_of_no_use():
    for path in ("/body/none", "/body/rubbish", "/body/long", "/garbage"):
        await refused(path)
    for count in (0, 5, 20, 60):
        await refused(f"/cut/{count}")
    equal((await refused("/url", max_size=20)).status, 200)


async def test_no_answer():
    started = ticks_ms()
    await refused("/silent", DeadlineError, timeout=0.3)
    assert ticks_diff(ticks_ms(), started) < 10000


async def test_a_cancelled_request():
    before = descriptors()
    task = asyncio.create_task(asked("/silent"))
    await asyncio.sleep(0.05)
    task.cancel()
    await fails(asyncio.CancelledError, wrapped(task))
    await settled(before)


async def wrapped(task):
    return await task


async def test_nobody_there():
    before = descriptors()
    error = await fails(TransportError, Negotiate("http://127.0.0.1:1/url").url())
    assert "127.0.0.1" in str(error)
    await settled(before)


async def test_tls():
    before = descriptors()
    equal(await secure("CA"), URL)
    error = await fails(TransportError, secure("OTHER_CA"))
    assert "localhost" in str(error), error
    await fails(TransportError, secure("CA", port=BASE.split(":")[-1], timeout=1))
    await settled(before)


async def test_it_waits_for_the_memory_of_tls():
    try:
        import _chip
    except ImportError:
        return  # only a chip has a heap that others take from
    from webpubsub.memory import idf_heap, is_room_for_tls

    if not is_room_for_tls():
        return  # source, which is loaded here from text, has taken it
    # By their texts: as attributes they would get the names that the build gives to ours.
    calls = "take give"
    take, give = (getattr(_chip, name) for name in calls.split())
    taken = take(idf_heap()[0] - 20000)
    waiting = asyncio.create_task(secure("CA"))
    await asyncio.sleep(0.2)
    asked_early = waiting.done()
    give(taken)
    equal(await waiting, URL)
    assert not asked_early


async def test_want_of_memory_is_told_as_that():
    # mbedTLS says of a certificate that is right that it is wrong; CPython has memory.
    import sys

    from webpubsub import negotiate

    saved = negotiate.is_room_for_tls
    negotiate.is_room_for_tls = lambda: False
    try:
        if sys.implementation.name == "micropython":
            await fails(OutOfMemory, secure("OTHER_CA"))
        # What has nothing to do with it is not.
        error = await fails(TransportError, secure("CA", port="1"))
        assert not isinstance(error, OutOfMemory), error
    finally:
        negotiate.is_room_for_tls = saved


async def test_no_ca():
    import sys

    if sys.implementation.name == "micropython":
        raises(ValueError, Negotiate, "https://localhost/negotiate")


main(globals())
