"""The first connection of a client, within a deadline. Loaded for it; see `once`."""

import asyncio

from .errors import ConnectionClosed, DeadlineError
from .memory import once
from .stream import ends_task


async def enter(client, timeout):
    """Connect, within `timeout` seconds; close the client when that fails.

    client: the WebPubSubClient, which has been started.

    Raises:
        ConnectionClosed: it was closed meanwhile.
        DeadlineError: there was no connection in time. And what `connecting.connect` raises.
    """
    closes = client.closes
    # A task that `close` ends: the client may be open again before its deadline.
    connecting = client.spawn(once("webpubsub.connecting").connect(client.keeper))
    try:
        await asyncio.wait_for(connecting, timeout)
    except BaseException as error:
        # With `close`, `connecting` was cancelled, and this task only if somebody else did it.
        tasks = (asyncio.current_task(),) if connecting.done() else ()
        if closes == client.closes:
            await client.close()
            if isinstance(error, asyncio.TimeoutError):
                raise DeadlineError("no connection within %s s" % timeout)
            raise
        if ends_task(error, tasks):
            raise
    if closes != client.closes:
        raise ConnectionClosed(1000, "the client was closed")
