"""Run on a device: a client that negotiates; SERVER hands out URLs, and cuts on request."""

import asyncio
import os

from checks import equal
from device_common import main
from webpubsub import Backoff, Negotiate, WebPubSubClient
from webpubsub.errors import HandshakeError
from webpubsub.sockets import open_stream

BASE = os.getenv("SERVER")


async def tell(path):
    """Have the test do something to the connection."""
    host, _, port = BASE.partition("//")[2].rpartition(":")
    stream = await open_stream(host, int(port))
    request = f"GET /{path} HTTP/1.1\r\n\r\n".encode()
    assert stream.write_now(request, 0, len(request)) == len(request)
    answer = bytearray(100)
    while stream.read_now(memoryview(answer)) is None:
        await stream.readable()
    stream.close()


async def test_a_client():
    # A server that refuses now is asked again, as long as it says.
    client = WebPubSubClient(Negotiate(BASE + "/status/404"))
    try:
        await client.open()
        raise AssertionError("it was not refused")
    except HandshakeError as error:
        equal(error.status, 404)

    client = WebPubSubClient(Negotiate(BASE + "/url"), backoff=Backoff(first=0.05))
    events = []
    again = asyncio.Event()

    def note(event):
        events.append((event.name, client.user_id))
        again.set()

    for name in ("connected", "recovered", "reconnected"):
        client.subscribe(name, note)
    async with client:
        equal(client.user_id, "CP-1")
        for path, count in (("cut", 2), ("expire", 4)):
            await tell(path)
            while len(events) < count:
                again.clear()
                await again.wait()
    equal(
        events,
        [
            ("connected", "CP-1"),
            ("recovered", "CP-1"),
            ("connected", "CP-2"),
            ("reconnected", "CP-2"),
        ],
    )


main(globals())
