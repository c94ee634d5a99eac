"""Run on MicroPython with a clock that is not set, or wrong: what certificates make of it.

URL: a client access URL over TLS. CA: path of the CA certificate in DER. CONTROL: sets the clock.
"""

import asyncio
import os
import time

from checks import equal
from device_bench import collect, command, names, new_client, until
from device_common import descriptors, fails, main, settled
from webpubsub import clock
from webpubsub.errors import TransportError
from webpubsub.tls import tls_context

with open(os.getenv("CA"), "rb") as file:
    CONTEXT = tls_context(file.read())


class OneClock:
    """On a board both are one clock. Here only gmtime() is the one that CONTROL sets."""

    def gmtime(self, *seconds):
        return time.gmtime(*seconds)

    def time(self):
        return time.mktime(time.gmtime())


clock.time = OneClock()


def client_of(**options):
    return new_client(os.getenv("URL"), ssl=CONTEXT, **options)


async def test_a_clock_that_is_not_set():
    await command("set_clock", 2000)
    equal(time.gmtime()[0], 2000)
    before = descriptors()
    error = await fails(TransportError, client_of().open())
    assert str(error).startswith("TLS with localhost failed: "), error
    assert str(error).endswith(
        ": The certificate validity starts in the future: "
        "the clock shows 2000-01-01 and was never set: set it by NTP"
    ), error
    await settled(before)


async def test_a_client_connects_as_soon_as_the_clock_is_set():
    await command("set_clock", 2000)
    client = client_of()
    task = asyncio.create_task(client.run())
    await until(lambda: names(client).count("reconnecting") >= 2)
    for event in client.diary:
        equal(event.name, "reconnecting")
        assert "validity starts in the future" in str(event.reason), event.reason
    await command("set_clock", None)
    await until(lambda: client.state == "connected")
    await client.join_group("a")
    seen = []
    reader = collect(client, seen)
    await client.send_to_group("a", "on time")
    await until(lambda: seen == ["on time"])
    await client.close()
    await reader
    await task


async def test_a_clock_that_runs_ahead():
    await command("set_clock", 2099)
    error = await fails(TransportError, client_of().open())
    assert "validity has expired" in str(error), error


main(globals())
