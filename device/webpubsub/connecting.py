"""Makes a connection under a session, a new one or one that is taken up again.

Loaded for it and let go; see `once`. Its coroutine waits while TLS needs memory: keep it small.
"""

from .errors import ConnectionClosed, HandshakeError
from .memory import once


async def new_url(credential):
    """The client access URL of any credential: a secret.

    Raises:
        ValueError: what the credential gave is not a URL, or has a token for an open line.
    """
    if hasattr(credential, "url"):
        return await credential.url()
    url = credential if isinstance(credential, str) else await credential()
    return once("webpubsub.url").checked_url(url)


async def connect(keeper, url=None):
    """Begin a new session with a fresh URL, or take the session up again at the one given.

    Returns False when the service refuses that for good: it accepts the upgrade, then closes with
    1008. Its answer to a ping shows that it did not, before anything is sent again.

    Raises:
        OSError, ProtocolError, ValueError: as `WebPubSubClient.open`; what the user's credential
            and `ready` raise.
    """
    session, credential, client = keeper.session, keeper.credential, keeper.client
    new = not url
    if not new and client.wants_messages():
        # So that the replay finds room. A consumer that never comes must not cost the link.
        keeper.stalled = True
        await keeper.inbox.drained()
        keeper.stalled = False
    if keeper.ready:
        await keeper.ready()
    if new:
        url = await new_url(credential)
        keeper.url = once("webpubsub.url").without_token(url)
    ws = keeper.new_connection()
    try:
        await ws.open(url=url, **keeper.options)
    except HandshakeError as error:
        if new and hasattr(credential, "refused"):
            error = credential.refused(error)
        raise error
    try:
        wanted = keeper.options["protocols"][0]
        if (ws.protocol or "").lower() != wanted:
            raise HandshakeError("the service does not speak " + wanted, 101)
        if not new:
            await ws.send_frame(keeper.codec.PING, keeper.codec.OPCODE)
        more = True
        while more:
            if not await keeper.read_one(ws):
                if not new and not session.recoverable(ws.close_code):
                    return False
                raise ConnectionClosed(ws.close_code, ws.close_reason)
            more = not session.connection_id
        if new and keeper.connections:
            # Ahead of all that waits: whoever sends to a group next shall find us in it.
            for place, group in enumerate(session.groups):
                keeper.rejoin(group, place, client.ack_timeout)
        if keeper.closing:
            raise ConnectionClosed(1000, "the client was closed")
        keeper.begin(ws)
    except BaseException:
        ws.abort()
        if new:
            session.lost()
        raise
    if new:
        client.emit("connected", connection_id=session.connection_id, user_id=session.user_id)
        if hasattr(credential, "watch") and client.has_subscribers("token-expires"):
            credential.watch(client)
        if keeper.connections > 1:
            keeper.stats.reconnects += 1
            client.emit("reconnected", session_lost=True)
        keeper.wait_first = True
    return True
