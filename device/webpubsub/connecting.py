"""Makes a connection for a session, a new one or one that is taken up again.

Loaded for it and let go; see `once`. Its coroutine waits while TLS needs memory: keep it small.
In a task of the client's, it makes an error of a cancellation that is not its own.
"""

import asyncio

from .errors import HandshakeError, TransportError
from .memory import once
from .stream import ends_task


async def new_url(credential):
    """The client access URL of any credential: a secret.

    Raises:
        ValueError: what the credential gave is not a URL, or has a token for an open line.
    """
    if hasattr(credential, "url"):
        return await credential.url()
    url = credential if isinstance(credential, str) else await credential()
    return once("webpubsub.access_url").checked_url(url)


async def connect(keeper, new=True):
    """Begin a new session with a fresh URL, or take the last one up again.

    Returns False when the service refuses the latter for good.

    Raises:
        OSError, HandshakeError, ConnectionClosed, ProtocolError, ValueError: as for
            `WebPubSubClient.open`; and what the user's credential and `ready` raise.
        TransportError: what these waited for was cancelled.
        asyncio.CancelledError: the client was closed meanwhile.

    keeper: the Keeper that gets it. new: bool.
    """
    closes = keeper.client.closes
    if not new and keeper.client.wants_messages():
        # So that the replay finds room. A consumer that never comes must not cost the link.
        keeper.stalled = True
        await keeper.inbox.drained()
        keeper.stalled = False
    try:
        if keeper.ready:
            await keeper.ready()
        if new:
            if isinstance(keeper.credential, str):
                keeper.url = keeper.credential  # what is said of it from here on holds for good
            url = await new_url(keeper.credential)
            keeper.url = once("webpubsub.access_url").without_token(url)
    except BaseException as error:
        if closes != keeper.client.closes:
            raise asyncio.CancelledError  # nobody waits any more, nor looks at an error
        if isinstance(error, Exception) or ends_task(error, keeper.client.tasks):
            raise
        raise TransportError("what `ready` or the credential waited for was cancelled")
    if not new:
        session = keeper.session
        url = once("webpubsub.access_url").recovery_url(
            keeper.url, session.connection_id, session.token
        )
    if closes != keeper.client.closes:
        raise asyncio.CancelledError  # code of the user's went on all the same
    ws = keeper.new_connection()
    opening = ws.open(url=url, **keeper.options)
    url = None  # long, and a secret
    try:
        await opening
        return await once("webpubsub.confirming").confirm(keeper, ws, new, closes)
    except BaseException as error:
        ws.abort()
        if closes != keeper.client.closes:
            raise asyncio.CancelledError  # nobody waits any more
        if new:
            keeper.session.lost()
            if isinstance(error, HandshakeError) and hasattr(keeper.credential, "refused"):
                error = keeper.credential.refused(error)
        raise error
