"""What the scripts against the commanded service share, on both interpreters."""

import asyncio
import json
import os

from webpubsub import Backoff, WebPubSubClient

URL = os.getenv("URL")
RELIABLE = "json.reliable.webpubsub.azure.v1"
PLAIN = "json.webpubsub.azure.v1"
EVENTS = (
    "connected",
    "recovering",
    "recovered",
    "reconnecting",
    "reconnected",
    "disconnected",
    "rejoin-group-failed",
    "stopped",
)


def new_client(credential=URL, **options):
    """A client that keeps a diary: `.diary` has the events."""
    options.setdefault("backoff", Backoff(first=0.05, maximum=0.2))
    client = WebPubSubClient(credential, **options)
    client.diary = []
    client.dropped = []  # numbers only: small things kept among garbage fragment a small heap
    for name in EVENTS:
        client.subscribe(name, client.diary.append)
    client.subscribe("message-dropped", lambda event: client.dropped.append(event.message.data))
    return client


def names(client):
    """The names of the events so far."""
    return [event.name for event in client.diary]


async def command(*words):
    """Let the service do something; returns what it says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.getenv("CONTROL")))
    try:
        writer.write(json.dumps(words).encode() + b"\n")
        await writer.drain()
        return json.loads(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()


async def until(condition, seconds=10):
    """Wait for something to become true."""
    for _ in range(int(seconds * 50)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


def quietly():
    """Collect the errors of callbacks instead of printing them."""
    errors = []
    asyncio.get_event_loop().set_exception_handler(
        lambda loop, context: errors.append(context["exception"])
    )
    return errors


def collect(client, seen):
    """A task that iterates and appends the data of each message."""

    async def iterate():
        async for message in client:
            seen.append(message.data)

    return asyncio.create_task(iterate())
