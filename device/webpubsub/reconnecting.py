"""Begins a new session, after the delay that is due. Loaded for it and let go; see `once`."""

import asyncio

from .errors import DeadlineError, Stopped, TransportError
from .memory import once
from .stream import ends_task


async def reconnect(keeper, closes):
    """One attempt to begin a new session, after the delay that is due.

    Returns False when the client gives up, or was closed.

    keeper: the Keeper. closes: of the client, when it was opened.
    """
    stats, client = keeper.stats, keeper.client
    if keeper.wait_first:
        # The usual one is loaded for a look: it would stay in the middle of what comes and goes.
        backoff = keeper.backoff or once("webpubsub.backoff").Backoff()
        backoff.attempt = keeper.attempt
        backoff.delay = keeper.delay
        backoff.connected(keeper.longest / 1000)
        reason = stats.last_reason
        delay = backoff.next()
        keeper.attempt = backoff.attempt
        keeper.longest = 0
        if delay is None:
            return give_up(keeper, reason)
        keeper.delay = delay
        # However long the service asks to wait, a device looks again within the hour.
        delay = max(delay, min(keeper.retry_after, 3600))
        keeper.state = "reconnecting"
        client.emit("reconnecting", attempt=keeper.attempt, delay=delay, reason=reason)
        backoff = None
        await asyncio.sleep(delay)
        if closes != client.closes:
            return False
    keeper.wait_first = True
    keeper.retry_after = 0
    keeper.url = None
    try:
        # Before the deadline begins: a link may be away for days.
        if keeper.ready:
            await keeper.ready()
        await asyncio.wait_for(once("webpubsub.connecting").connect(keeper), 30)
    except asyncio.TimeoutError:
        stats.last_reason = DeadlineError("no connection in time")
    except BaseException as error:  # a credential of the user's, and `ready`, may raise anything
        if ends_task(error, client.tasks):
            raise
        if closes != client.closes:
            return False
        if not isinstance(error, Exception):
            error = TransportError("what `ready` or the credential waited for was cancelled")
        # Wrong in itself, so that trying again cannot help, is only what nobody gives anew.
        if isinstance(error, ValueError) and keeper.url and not callable(keeper.credential):
            return give_up(keeper, error)
        stats.last_reason = error
        keeper.retry_after = getattr(error, "retry_after", None) or 0
    return True


def give_up(keeper, reason):
    """Stop for good, until the client is opened again. Returns False.

    keeper: the Keeper. reason: an exception."""
    keeper.state = "stopped"
    keeper.wait_first = False
    keeper.attempt = 0
    keeper.drop()
    keeper.stats.last_reason = reason
    keeper.lost(True)
    keeper.inbox.end(Stopped(reason))
    keeper.client.emit("stopped", reason=reason)
    return False
