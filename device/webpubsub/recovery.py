"""What is done about a lost connection: its session is taken up again.

Loaded for it and let go; see `once`. It waits while the connection is made: keep it small.
"""

import asyncio

from .errors import DeadlineError, ProtocolError, TransportError
from .memory import once
from .stream import ends_task, ticks_add, ticks_diff, ticks_ms


async def over(keeper):
    """See to the end of a connection, for `keeper.reason`: take its session up again, or end it.

    It may be called again when it met a MemoryError.

    keeper: the Keeper.
    """
    ws, reason = keeper.ws, keeper.reason
    code = getattr(reason, "code", 1006)
    if ws:
        if isinstance(reason, ProtocolError):
            # A replay would bring the same frame again: its code rules out a recovery.
            await ws.close(code, str(reason))
        keeper.drop()
        keeper.stats.last_reason = reason
        keeper.longest = max(keeper.longest, keeper.lasted)
    if keeper.closing:
        return
    if keeper.session.recoverable(code) and (await recover(keeper, reason) or keeper.closing):
        keeper.reason = None
        return
    keeper.reason = None
    keeper.pause = 0
    keeper.lost()
    keeper.state = "reconnecting"
    keeper.client.emit("disconnected", code=code, reason=reason)


async def recover(keeper, reason):
    """Take the session up again within the time for which the service keeps it.

    Returns whether that came true.

    keeper: the Keeper. reason: the exception that ended the connection.
    """
    stats, client = keeper.stats, keeper.client
    keeper.state = "recovering"
    client.emit("recovering", reason=reason)
    timeout = keeper.recovery_timeout
    end = ticks_add(ticks_ms(), int(timeout * 1000))
    # At once; but a service that takes us back, and at once drops us again, is given time.
    if keeper.pause and keeper.lasted < 1000 * max(1, keeper.pause):
        keeper.pause = min(2 * keeper.pause, timeout / 4)
        await asyncio.sleep(keeper.pause)
    else:
        keeper.pause = 0
    while not keeper.closing:
        left = ticks_diff(end, ticks_ms()) / 1000
        if left <= 0:
            break
        try:
            attempt = once("webpubsub.connecting").connect(keeper, False)
            if not await asyncio.wait_for(attempt, left):
                break
            stats.recoveries += 1
            keeper.pause = keeper.pause or 0.125
            client.emit("recovered")
            return True
        except BaseException as error:  # `ready` is the user's: it may raise anything
            if ends_task(error, client.tasks):
                raise
            if isinstance(error, asyncio.TimeoutError):
                error = DeadlineError("no recovery in time")
            elif not isinstance(error, Exception):
                error = TransportError("what `ready` waited for was cancelled")
            stats.last_reason = error
            asked = getattr(error, "retry_after", None) or 0
            if asked > left:
                keeper.retry_after = asked  # by then the session is gone
                break
            attempt = None  # with its module
            # The shortest pause is that of Azure's SDKs.
            await asyncio.sleep(max(1, asked))
    return False
