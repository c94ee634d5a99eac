"""Keeps a client connected until it closes or gives up; loaded by those who call its `run`."""

import asyncio

from .errors import Stopped


async def run(client, closes):
    """Keep a client connected until it ends, or this is cancelled. As its `run`.

    client: the WebPubSubClient. closes: its count when `run` was called.
    """
    if closes != client.closes:
        return  # closed before this task had its first turn
    client.start()
    inbox = client.inbox
    ends = inbox.ends
    # Not the task itself is waited for: MicroPython would cancel it in the place of this one.
    inbox.ended = asyncio.Event()
    client.spawn(client.keeper.keep())
    try:
        await inbox.ended.wait()
    except asyncio.CancelledError:
        if closes == client.closes:
            await client.close()
        raise
    # By now it may be open again.
    if isinstance(ends[0], Stopped):
        raise ends[0]
