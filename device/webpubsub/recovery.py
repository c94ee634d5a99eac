"""What is done about a lost connection: its session is taken up again.

Loaded for it and let go; see `once`. It waits while the connection is made: keep it small.
"""

import asyncio

from .errors import DeadlineError
from .memory import once
from .stream import ticks_add, ticks_diff, ticks_ms


async def recover(keeper, reason):
    """Take the session up again within the time for which the service keeps it.

    Returns whether that came true.

    keeper: the Keeper. reason: the exception that ended the connection.
    """
    stats, client = keeper.stats, keeper.client
    keeper.state = "recovering"
    client.emit("recovering", reason=reason)
    end = ticks_add(ticks_ms(), int(keeper.recovery_timeout * 1000))
    while not keeper.closing:
        left = ticks_diff(end, ticks_ms()) / 1000
        if left <= 0:
            break
        try:
            attempt = once("webpubsub.connecting").connect(keeper, False)
            return await asyncio.wait_for(attempt, left)
        except Exception as error:  # noqa: BLE001 `ready` is the user's: it may raise anything
            if isinstance(error, asyncio.TimeoutError):
                error = DeadlineError("no recovery in time")
            stats.last_reason = error
            asked = getattr(error, "retry_after", None) or 0
            if asked > left:
                keeper.retry_after = asked  # by then the session is gone
                break
            attempt = None  # with its module
            # The shortest pause is that of Azure's SDKs.
            await asyncio.sleep(max(1, asked))
    return False
