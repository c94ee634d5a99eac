"""Has the service confirm a session over a connection that was just opened.

Loaded for it and let go; see `once`: opening the connection needs the memory.
"""

from .errors import ConnectionClosed, HandshakeError, SessionLost


def watch(client):
    """See to it that `token-expires` comes if somebody asked for it; there is a session.

    client: the WebPubSubClient.
    """
    credential = client.keeper.credential
    if hasattr(credential, "watch") and client.has_subscribers("token-expires"):
        credential.watch(client)


async def confirm(keeper, ws, new, closes):
    """Wait for the message `connected` of a new session, or see that the last one goes on.

    With another connection id, it does not: this is a new one, too. Returns False when the service
    refuses to take it up again, for good: it accepts the upgrade, then closes with 1008. Its
    answer to a ping shows that it did not, before anything is sent again.

    Raises:
        OSError, HandshakeError, ConnectionClosed, ProtocolError: as `WebPubSubClient.open`.

    keeper: the Keeper. ws: that Connection. new: bool, whether the session is a new one.
    closes: the client's count when this began.
    """
    session, client = keeper.session, keeper.client
    wanted = keeper.options["protocols"][0]
    if (ws.protocol or "").lower() != wanted:
        raise HandshakeError("the service does not speak " + wanted, 101)
    if not new:
        await ws.send_frame(keeper.codec.PING, keeper.codec.OPCODE)
    known = session.connection_id
    more = True
    while more:
        if not await keeper.read_one(ws):
            if not new and not session.recoverable(ws.close_code):
                return False
            raise ConnectionClosed(ws.close_code, ws.close_reason)
        more = not session.connection_id
    new = session.connection_id != known
    if new and keeper.connections:
        keeper.inbox.lost()
        # Ahead of all that waits: whoever sends to a group next shall find us in it.
        for place, group in enumerate(session.groups):
            _rejoin(keeper, group, place)
    if closes != client.closes:
        raise ConnectionClosed(1000, "the client was closed")
    keeper.begin(ws)
    if new:
        if known:
            reason = keeper.stats.last_reason
            client.emit("disconnected", code=getattr(reason, "code", 1006), reason=reason)
        client.emit("connected", connection_id=session.connection_id, user_id=session.user_id)
        watch(client)
        if keeper.connections > 1:
            keeper.stats.reconnects += 1
            client.emit("reconnected", session_lost=True)
        keeper.wait_first = True
    else:
        keeper.stats.recoveries += 1
        client.emit("recovered")
    return True


def _rejoin(keeper, group, place):
    # Joins a group of the lost session again. `done` keeps this module until the answer is there,
    # which takes less memory than connecting did.
    client = keeper.client

    def done():
        keeper.lasted = 0  # this acknowledgement says little: it was not the program's
        # After another lost session the next connection joins again.
        if request.error and not isinstance(request.error, SessionLost):
            client.emit("rejoin-group-failed", group=group, error=request.error)

    ack_id = keeper.session.next_ack_id()
    frame = keeper.codec.join_group(group, ack_id)
    request = keeper.request(ack_id, frame, done, client.ack_timeout, place)
