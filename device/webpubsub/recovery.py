"""What is done about a lost connection: the session is taken up again, or a new one begun.

Loaded for it and let go; see `once`.
"""

import asyncio

from .errors import DeadlineError
from .memory import once
from .stream import ticks_add, ticks_diff, ticks_ms


async def recover(keeper, reason):
    """Take the session up again within the time for which the service keeps it.

    Returns whether that came true.
    """
    session, stats, client = keeper.session, keeper.stats, keeper.client
    keeper.state = "recovering"
    client.emit("recovering", reason=reason)
    end = ticks_add(ticks_ms(), int(keeper.recovery_timeout * 1000))
    url = once("webpubsub.url").recovery_url(keeper.url, session.connection_id, session.token)
    while not keeper.closing:
        left = ticks_diff(end, ticks_ms()) / 1000
        if left <= 0:
            break
        try:
            connecting = once("webpubsub.connecting").connect(keeper, url)
            if not await asyncio.wait_for(connecting, left):
                break
            stats.recoveries += 1
            client.emit("recovered")
            return True
        except Exception as error:  # noqa: BLE001 `ready` is the user's: it may raise anything
            stats.last_reason = str(error) or "no recovery in time"
            asked = getattr(error, "retry_after", None) or 0
            if asked > left:
                keeper.retry_after = asked  # by then the session is gone
                break
            # The shortest pause is that of Azure's SDKs.
            await asyncio.sleep(max(1, asked))
    return False


async def reconnect(keeper):
    """One attempt to begin a new session, after the delay that is due.

    Returns False when the client gives up.
    """
    stats, backoff = keeper.stats, keeper.backoff
    if keeper.wait_first:
        reason = stats.last_reason
        delay = backoff.next()
        if delay is None:
            return keeper.give_up(reason)
        # However long the service asks to wait, a device looks again within the hour.
        delay = max(delay, min(keeper.retry_after, 3600))
        keeper.state = "reconnecting"
        keeper.client.emit("reconnecting", attempt=backoff.attempt, delay=delay, reason=reason)
        await asyncio.sleep(delay)
    keeper.wait_first = True
    keeper.retry_after = 0
    try:
        # Before the deadline begins: a link may be away for days.
        if keeper.ready:
            await keeper.ready()
        await asyncio.wait_for(once("webpubsub.connecting").connect(keeper), 30)
    except asyncio.TimeoutError:
        stats.last_reason = DeadlineError("no connection in time")
    except Exception as error:  # noqa: BLE001 a credential of the user's may raise anything
        if isinstance(error, ValueError) and not callable(keeper.credential):
            return keeper.give_up(error)  # wrong in itself: trying again cannot help
        stats.last_reason = error
        keeper.retry_after = getattr(error, "retry_after", None) or 0
    return True
