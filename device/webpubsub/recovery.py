"""What is done about a lost connection: its session is taken up again.

Loaded for it and let go; see `once`. It waits while the connection is made: keep it small.
"""

import asyncio

from .errors import DeadlineError, TransportError
from .memory import once
from .stream import ends_task, ticks_add, ticks_diff, ticks_ms


async def recover(keeper, closes):
    """Take the session up again within the time for which the service keeps it.

    Returns whether that came true.

    keeper: the Keeper. closes: of the client, when it was opened.
    """
    stats, client = keeper.stats, keeper.client
    keeper.state = "recovering"
    client.emit("recovering", reason=keeper.reason)
    end = ticks_add(ticks_ms(), int(keeper.recovery_timeout * 1000))
    # At once; but a service that takes us back, and at once drops us again, is given time.
    if keeper.pause and keeper.lasted < 1000:
        keeper.pause = min(2 * keeper.pause, 1)
        await asyncio.sleep(keeper.pause)
    else:
        keeper.pause = 0
    while closes == client.closes:
        left = ticks_diff(end, ticks_ms()) / 1000
        if left <= 0:
            break
        try:
            attempt = once("webpubsub.connecting").connect(keeper, False)
            if not await asyncio.wait_for(attempt, left):
                return False
            if closes != client.closes:
                break
            keeper.pause = keeper.pause or 0.125
            return True
        except BaseException as error:  # `ready` is the user's: it may raise anything
            if ends_task(error, client.tasks):
                raise
            if isinstance(error, asyncio.TimeoutError):
                error = DeadlineError("no recovery in time")
            elif not isinstance(error, Exception):
                error = TransportError("what `ready` waited for was cancelled")
            if closes == client.closes:
                stats.last_reason = error
            asked = getattr(error, "retry_after", None) or 0
            if asked > left:
                keeper.retry_after = asked  # by then the session is gone
                break
            attempt = None  # with its module
            # The shortest pause is that of Azure's SDKs.
            await asyncio.sleep(max(1, asked))
    return False
