"""Keeps a transport connection under a client: connect, read, recover, reconnect."""

import asyncio

from .errors import (
    UNKNOWN,
    ConnectionClosed,
    DeadlineError,
    HandshakeError,
    ProtocolError,
    Stopped,
    TransportError,
)
from .memory import tidy_up
from .messages import ACK, CONNECTED, Message
from .stream import ticks_add, ticks_diff, ticks_ms
from .url import parse_url, refuse_open_line, with_query
from .websocket import WSMsgType, ws_connect


async def new_url(credential):
    """The client access URL of any credential: a secret.

    Raises:
        ValueError: what the credential gave is not a URL, or has a token for an open line.
    """
    if hasattr(credential, "url"):
        return await credential.url()
    url = credential if isinstance(credential, str) else await credential()
    if not isinstance(url, str):
        raise ValueError("the credential gave no URL")
    parse_url(url)
    if "access_token=" in url:
        refuse_open_line(url)
    return url


def recovery_url(url, connection_id, token):
    """The URL that takes a session up again; it needs no access token, so none goes along."""
    url, _, query = url.partition("?")
    mark = "?"
    for item in query.split("&"):
        if item and not item.startswith("access_token="):
            url += mark + item
            mark = "&"
    return with_query(
        url, (("awps_connection_id", connection_id), ("awps_reconnection_token", token))
    )


class Link:
    """The lower half of a client: its connection, and what becomes of it when that ends.

    The upper half has the settings: `_credential`, `_codec`, `_options` (of ws_connect),
    `_backoff`, `_recovery_timeout`, `_ready`; and what outlives a connection: `_session`,
    `_inbox`, `_groups`, `stats`.
    """

    state = "closed"
    _url = None  # of the current session: a secret
    _ws = None
    _life = 0  # how many connections there have been since it was opened
    _sender = None  # the task that sends what had to wait
    _wait_first = False  # whether the next attempt waits for its delay
    _retry_after = 0  # seconds that the service asked for
    _stalled = False  # whether the consumer let a whole recovery pass

    # connecting

    async def _connect(self, url=None):
        # Begins a new session with a fresh URL, or takes the session up again at the one given.
        # False when the service refuses that for good: it accepts the upgrade, then closes with
        # 1008. Its answer to a ping shows that it did not, before anything is sent again.
        session, credential, options = self._session, self._credential, self._options
        new = not url
        if not new and self._wanted():
            # So that the replay finds room. A consumer that never comes must not cost the link.
            self._stalled = True
            await self._inbox.drained()
            self._stalled = False
        if self._ready:
            await self._ready()
        if new:
            url = self._url = await new_url(credential)
        try:
            ws = await ws_connect(url, **options)
        except HandshakeError as error:
            if new and hasattr(credential, "refused"):
                error = credential.refused(error)
            raise error
        try:
            wanted = options["protocols"][0]
            if (ws.protocol or "").lower() != wanted:
                raise HandshakeError("the service does not speak " + wanted, 101)
            if not new:
                await ws.send_frame(self._codec.PING, self._codec.OPCODE)
            more = True
            while more:
                if not await self._read_one(ws):
                    if not new and not session.recoverable(ws.close_code):
                        return False
                    raise ConnectionClosed(ws.close_code, ws.close_reason)
                more = not session.connection_id
            if new and self._life:
                # Ahead of all that waits: whoever sends to a group next shall find us in it.
                for place, group in enumerate(self._groups):
                    self._rejoin(group, place)
            self._begin(ws)
        except BaseException:
            ws.abort()
            if new:
                session.lost()
            raise
        if new:
            self._emit("connected", connection_id=session.connection_id, user_id=session.user_id)
            if "token-expires" in self._callbacks and hasattr(credential, "watch"):
                credential.watch(self)
            if self._life > 1:
                self.stats.reconnects += 1
                self._emit("reconnected", session_lost=True)
            self._wait_first = True
        return True

    def _begin(self, ws):
        if self._closing:
            raise ConnectionClosed(1000, "the client was closed")
        self._ws = self.stats._ws = ws
        self._life += 1
        self._since = ticks_ms()
        # The last acknowledgement may have been lost with the last connection: say it again.
        self._session.acknowledged = 0
        self._send_sequence_ack()
        if self._sender is None and self._session.waiting:
            self._sender = self._task(self._send_waiting())
        self.state = "connected"

    def _drop(self):
        # Not `close`: after a code of 1000 the service would not keep the session.
        ws, self._ws = self._ws, None
        if ws:
            ws.abort()
            self.stats._received += ws.bytes_received
            self.stats._sent += ws.bytes_sent
            self.stats._ws = None

    # sending

    def _offer(self, request):
        # Sends a request now, or in its turn as soon as a connection takes it.
        if self._sender is None and not self._put(request):
            self._sender = self._task(self._send_waiting())

    def _put(self, request):
        # Hands a request to the connection; False when that has another frame on its way out.
        ws = self._ws
        if ws is None or ws.closed:
            return True  # the next connection gets it
        try:
            if not ws.post_frame(request.frame, self._codec.OPCODE):
                return False
        except OSError:
            pass  # it may be out in part; the reader sees the end, too
        request.life = self._life
        request.outcome = UNKNOWN
        if request.ack_id is None:
            self._session.finish(request)
        return True

    async def _send_waiting(self):
        # Sends what waits, in its order, until all is out or the connection ends.
        try:
            while self._ws and not self._ws.closed:
                for request in self._session.waiting:
                    if request.life != self._life:
                        break
                else:
                    return
                if not self._put(request):
                    await self._ws.free()
        finally:
            self._sender = None

    def _send_sequence_ack(self):
        # When it is not possible now, it is worth nothing later: then more has been consumed.
        session, ws = self._session, self._ws
        if ws and session.consumed > session.acknowledged:
            try:
                if ws.post_frame(self._codec.sequence_ack(session.consumed), self._codec.OPCODE):
                    session.acknowledged = session.consumed
            except OSError:
                pass  # the reader sees it too

    # keeping

    async def _keep(self):
        # Reads and keeps the connection up until the client closes or gives up.
        try:
            while not self._closing:
                if self._ws:
                    await self._read()
                elif not await self._reconnect():
                    return
        except Exception as error:  # noqa: BLE001 nobody else would notice that this task is over
            if not self._closing:
                self._give_up(error)

    async def _read(self):
        # Reads until the connection ends, and takes the session up again if that is possible.
        ws, stats = self._ws, self.stats
        try:
            while await self._read_one(ws):
                pass
            code, reason = ws.close_code, ws.close_reason or "closed by the service"
        except ProtocolError as error:
            # A replay would bring the same frame again: its code rules out a recovery.
            code, reason = error.code, str(error)
            await ws.close(code, reason)
        except MemoryError:
            # A replay would need as much again.
            code, reason = 1009, "out of memory"
        except OSError as error:
            code, reason = 1006, str(error)
        self._drop()
        stats.last_reason = reason
        self._backoff.connected(ticks_diff(ticks_ms(), self._since) / 1000)
        if self._closing or (self._session.recoverable(code) and await self._recover(reason)):
            return
        if not self._closing:
            self._session_lost()
            self.state = "reconnecting"
            self._emit("disconnected", code=code, reason=reason)

    async def _read_one(self, ws):
        # Takes one frame in; False when it was the service's close.
        kind = ws.poll_view() or await ws.receive_view()
        if kind == WSMsgType.CLOSED:
            return False
        if kind != self._codec.OPCODE:
            raise ProtocolError(1003, "the service sent a frame of the wrong type")
        session, inbox = self._session, self._inbox
        data = ws.view
        size = len(data)
        frame = self._codec.decode(data, ws.view_holds(b"\\u"))
        if isinstance(frame, Message):
            if not session.connection_id:
                raise ProtocolError(1002, "a message came before the connected frame")
            if not inbox.fits(size):
                await asyncio.sleep(0)  # a consumer that has not had its turn is not slow
            if not self._keep_message(frame, size):
                # It is given so long to move before the link is dropped for a replay.
                try:
                    await asyncio.wait_for(inbox.drained(), 0.2)
                except asyncio.TimeoutError:
                    pass
                if not self._keep_message(frame, size):
                    raise TransportError("nobody takes the messages")
        elif frame:
            kind = frame[0]
            if kind == ACK:
                session.acknowledge(frame[1], frame[2], frame[3])
            elif kind == CONNECTED:
                # After a recovery, too, for a new reconnection token; nobody is told.
                session.connected(frame[1], frame[2], frame[3])
            else:
                self.stats.last_reason = frame[1]
        return True

    def _keep_message(self, message, size):
        # True when the message is taken care of; False when it must come again later.
        session, inbox = self._session, self._inbox
        number = message.sequence_id
        if number is not None:
            if number <= session.received:
                self.stats.duplicates += 1
                return True
            if not inbox.fits(size) and self._wanted():
                return False
            session.received = number
        # When nobody asks for messages, or the protocol has no replay, the newest ones count.
        while not inbox.fits(size):
            oldest, number = inbox.take()
            self.stats.dropped += 1
            if number is not None:
                session.consume(number)
                self._watch_time()
            self._emit("message-dropped", message=oldest)
        inbox.put(message, size)
        return True

    async def _recover(self, reason):
        # Takes the session up again within the time for which the service keeps it.
        session, stats = self._session, self.stats
        self.state = "recovering"
        self._emit("recovering", reason=reason)
        end = ticks_add(ticks_ms(), int(self._recovery_timeout * 1000))
        url = recovery_url(self._url, session.connection_id, session.token)
        while not self._closing:
            left = ticks_diff(end, ticks_ms()) / 1000
            if left <= 0:
                break
            try:
                if not await asyncio.wait_for(self._connect(url), left):
                    break
                stats.recoveries += 1
                self._emit("recovered")
                return True
            except Exception as error:  # noqa: BLE001 `ready` is the user's: it may raise anything
                stats.last_reason = str(error) or "no recovery in time"
                asked = getattr(error, "retry_after", None) or 0
                if asked > left:
                    self._retry_after = asked  # by then the session is gone
                    break
                # The shortest pause is that of Azure's SDKs.
                await asyncio.sleep(max(1, asked))
        return False

    async def _reconnect(self):
        # One attempt to begin a new session. False when the client gives up.
        stats, backoff = self.stats, self._backoff
        if self._wait_first:
            reason = stats.last_reason
            delay = backoff.next()
            if delay is None:
                return self._give_up(reason)
            # However long the service asks to wait, a device looks again within the hour.
            delay = max(delay, min(self._retry_after, 3600))
            self.state = "reconnecting"
            self._emit("reconnecting", attempt=backoff.attempt, delay=delay, reason=reason)
            await asyncio.sleep(delay)
        self._wait_first = True
        self._retry_after = 0
        try:
            # Before the deadline begins: a link may be away for days.
            if self._ready:
                await self._ready()
            await asyncio.wait_for(self._connect(), 30)
        except asyncio.TimeoutError:
            stats.last_reason = DeadlineError("no connection in time")
        except Exception as error:  # noqa: BLE001 a credential of the user's may raise anything
            if isinstance(error, ValueError) and not callable(self._credential):
                return self._give_up(error)  # wrong in itself: trying again cannot help
            stats.last_reason = error
            self._retry_after = getattr(error, "retry_after", None) or 0
        return True

    def _give_up(self, reason):
        self.state = "stopped"
        self._wait_first = False
        self._backoff.connected(self._backoff.stable)
        self._drop()
        self.stats.last_reason = reason
        self._session_lost(True)
        self._inbox.end(Stopped(reason))
        self._emit("stopped", reason=reason)
        return False

    def _session_lost(self, everything=False):
        self._session.lost(everything)
        self._inbox.lost()
        self._handed = None


tidy_up()
