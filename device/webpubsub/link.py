"""Keeps a transport connection under a client: connect, read, recover, reconnect."""

import asyncio

from .compat import const
from .credentials import new_url, recovery_url
from .errors import (
    ConnectionClosed,
    DeadlineError,
    HandshakeError,
    ProtocolError,
    Stopped,
    TransportError,
)
from .messages import ACK, CONNECTED, DISCONNECTED, Message
from .stream import ticks_add, ticks_diff, ticks_ms
from .websocket import WSMsgType, ws_connect

_RECOVERY_PAUSE = const(1)  # seconds between attempts, as Azure's SDKs have it
_CONNECT_TIMEOUT = const(30)
# However long the service asks to wait (Retry-After), a device looks again within the hour.
_LONGEST_PAUSE = const(3600)
# A full queue is given so long to move before the link is dropped for the service to replay.
_QUEUE_PATIENCE = 0.2


class Link:
    """The connection of one client. `state` is the client's."""

    def __init__(self, client, credential, codec, options, backoff, recovery_timeout, ready):
        self.state = "closed"
        self._client = client
        self._session = client._session
        self._credential = credential
        self._codec = codec
        self._options = options
        self._backoff = backoff
        self._recovery_timeout = recovery_timeout
        self._ready = ready
        self._url = None  # of the current session: a secret
        self._ws = None
        self._life = 0  # how many connections there have been
        self._sender = None  # the task that sends what had to wait
        self._since = 0
        self._had_session = False  # whether a session was there before
        self._wait_first = False  # whether the next attempt waits for its delay
        self._retry_after = 0  # seconds that the service asked for

    # connecting

    async def connect_new(self):
        """Begin a new session with a fresh URL, up to its connected frame."""
        await self._until_ready()
        self._url = await new_url(self._credential)
        try:
            ws = await self._connect(self._url)
        except HandshakeError as error:
            if hasattr(self._credential, "refused"):
                error = self._credential.refused(error)
            raise error
        try:
            wanted = self._options["protocols"][0]
            if (ws.protocol or "").lower() != wanted:
                raise HandshakeError("the service does not speak " + wanted, 101)
            await self._greeting(ws)
            if self._had_session:
                self._client._queue_rejoins()
            self._begin(ws)
        except BaseException:
            ws.abort()
            raise
        client, session = self._client, self._session
        client._emit("connected", connection_id=session.connection_id, user_id=session.user_id)
        if "token-expires" in client._callbacks and hasattr(self._credential, "watch"):
            self._credential.watch(client)
        if self._had_session:
            client.stats.reconnects += 1
            client._emit("reconnected", session_lost=True)
        self._had_session = self._wait_first = True

    async def _until_ready(self):
        if self._ready is not None:
            await self._ready()

    def _connect(self, url):
        return ws_connect(url, timeout=_CONNECT_TIMEOUT, **self._options)

    async def _greeting(self, ws):
        while True:
            kind = await ws.receive_view()
            if kind == WSMsgType.CLOSED:
                raise ConnectionClosed(ws.close_code, ws.close_reason)
            frame = self._codec.decode(ws.view)
            if isinstance(frame, tuple) and frame[0] == CONNECTED:
                self._session.connected(frame[1], frame[2], frame[3])
                return
            if isinstance(frame, Message):
                raise ProtocolError(1002, "a message came before the connected frame")

    def _begin(self, ws):
        if self._client._closing:
            raise ConnectionClosed(1000, "the client was closed")
        self._ws = ws
        self._life += 1
        self._client.stats._follow(ws)
        self._since = ticks_ms()
        # The last acknowledgement may have been lost with the last connection: say it again.
        self._session.acknowledged = 0
        self._client._send_sequence_ack()
        if self._sender is None and self._session.waiting:
            self._sender = self._client._task(self._send())
        self.state = "connected"

    # sending

    def offer(self, request):
        """Send a request now, or in its turn as soon as a connection takes it."""
        if self._sender is None and not self._put(request):
            self._sender = self._client._task(self._send())

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
        if request.ack_id is None:
            self._session.forget(request)
            request.finish(None)
        return True

    async def _send(self):
        # Sends what waits, in its order, until all is out or the connection ends.
        try:
            while self._ws is not None and not self._ws.closed:
                for request in self._session.waiting:
                    if request.life != self._life:
                        break
                else:
                    return
                if not self._put(request):
                    await self._ws.free()
        finally:
            self._sender = None

    def post(self, frame):
        """Send what is worth nothing later; False when it was not possible now."""
        try:
            ws = self._ws
            return ws is not None and ws.post_frame(frame, self._codec.OPCODE)
        except OSError:
            return False  # the reader sees it too

    # keeping

    async def keep(self):
        """Read and keep the connection up until the client closes or gives up."""
        try:
            await self._keep()
        except Exception as error:  # noqa: BLE001 nobody else would notice that this task is over
            if not self._client._closing:
                self._give_up(error)

    async def _keep(self):
        client, session = self._client, self._session
        while not client._closing:
            if self._ws is None:
                if not await self._reconnect():
                    return
                continue
            ws = self._ws
            code, reason = await self._read(ws)
            self._ws = None
            # Not `close`: after a code of 1000 the service would not keep the session.
            ws.abort()
            client.stats._follow(None)
            client.stats.last_reason = reason
            self._backoff.connected(ticks_diff(ticks_ms(), self._since) / 1000)
            if client._closing:
                return
            if session.closed(code) and await self._recover(reason):
                continue
            if client._closing:
                return
            client._session_lost()
            client._emit("disconnected", code=code, reason=reason)

    async def _read(self, ws):
        # Reads until the connection ends; returns the close code and the reason.
        try:
            while await self._read_one(ws):
                pass
            return ws.close_code, ws.close_reason or "closed by the service"
        except ProtocolError as error:
            # A replay would bring the same frame again: its code rules out a recovery.
            await ws.close(error.code, str(error))
            return error.code, str(error)
        except MemoryError:
            # A replay would need as much again.
            return 1009, "out of memory"
        except OSError as error:
            return 1006, str(error)

    async def _read_one(self, ws):
        # Takes one frame in; False when it was the service's close.
        kind = ws.poll_view() or await ws.receive_view()
        if kind == WSMsgType.CLOSED:
            return False
        if kind != self._codec.OPCODE:
            raise ProtocolError(1003, "the service sent a frame of the wrong type")
        data = ws.view
        size = len(data)
        frame = self._codec.decode(data, ws.view_holds(b"\\u"))
        if isinstance(frame, Message):
            if not self._client._inbox.fits(size):
                await asyncio.sleep(0)  # a consumer that has not had its turn is not slow
            if not self._client._on_message(frame, size):
                await self._make_room(frame, size)
        elif frame is not None:
            self._control(frame)
        return True

    async def _make_room(self, message, size):
        try:
            await self._client._inbox.drained(_QUEUE_PATIENCE)
        except DeadlineError:
            pass
        if not self._client._on_message(message, size):
            raise TransportError("nobody takes the messages")

    def _control(self, frame):
        kind = frame[0]
        if kind == ACK:
            self._session.acknowledge(frame[1], frame[2], frame[3])
        elif kind == CONNECTED:
            # Allowed after a recovery, for a new reconnection token; nobody is told.
            self._session.connected(frame[1], frame[2], frame[3])
        elif kind == DISCONNECTED:
            self._client.stats.last_reason = frame[1]

    async def _recover(self, reason):
        # Take the session up again within the time for which the service keeps it.
        client, session = self._client, self._session
        self.state = "recovering"
        client._emit("recovering", reason=reason)
        end = ticks_add(ticks_ms(), int(self._recovery_timeout * 1000))
        url = recovery_url(self._url, session.connection_id, session.token)
        while not client._closing:
            left = ticks_diff(end, ticks_ms()) / 1000
            if left <= 0:
                break
            try:
                if not await asyncio.wait_for(self._try_recovery(url, left), left):
                    break
                client.stats.recoveries += 1
                client._emit("recovered")
                return True
            except Exception as error:  # noqa: BLE001 `ready` is the user's: it may raise anything
                client.stats.last_reason = str(error)
                asked = getattr(error, "retry_after", None) or 0
                if asked > left:
                    self._retry_after = asked  # by then the session is gone
                    break
                await asyncio.sleep(max(_RECOVERY_PAUSE, asked))
        return False

    async def _try_recovery(self, url, left):
        # False when the service refused for good: it accepts the upgrade, then closes with 1008.
        # Its answer to a ping shows that it did not, before anything is sent again.
        client = self._client
        if client._wanted():
            # So that the replay finds room. A consumer that never comes must not cost the link.
            client._stalled = True
            await client._inbox.drained(left)
            client._stalled = False
        await self._until_ready()
        ws = await self._connect(url)
        try:
            await ws.send_frame(self._codec.PING, self._codec.OPCODE)
            if not await self._read_one(ws):
                if self._session.closed(ws.close_code):
                    raise ConnectionClosed(ws.close_code, ws.close_reason)
                return False
            self._begin(ws)
        except BaseException:
            ws.abort()
            raise
        return True

    async def _reconnect(self):
        # One attempt to begin a new session. False when the client gives up.
        client, backoff = self._client, self._backoff
        if self._wait_first:
            delay = backoff.next()
            if delay is None:
                return self._give_up(client.stats.last_reason)
            delay = max(delay, min(self._retry_after, _LONGEST_PAUSE))
            self.state = "reconnecting"
            reason = client.stats.last_reason
            client._emit("reconnecting", attempt=backoff.attempt, delay=delay, reason=reason)
            await asyncio.sleep(delay)
        self._wait_first = True
        self._retry_after = 0
        try:
            # Before the deadline begins: a link may be away for days.
            await self._until_ready()
            await asyncio.wait_for(self.connect_new(), _CONNECT_TIMEOUT)
        except asyncio.TimeoutError:
            client.stats.last_reason = DeadlineError("no connection in time")
            return True
        except Exception as error:  # noqa: BLE001 a credential of the user's may raise anything
            if isinstance(error, ValueError) and not callable(self._credential):
                return self._give_up(error)  # wrong in itself: trying again cannot help
            client.stats.last_reason = error
            self._retry_after = getattr(error, "retry_after", None) or 0
        return True

    def _give_up(self, reason):
        client = self._client
        self.state = "stopped"
        self._wait_first = False
        self._backoff.connected(self._backoff.stable)
        if self._ws is not None:
            self._ws.abort()
            self._ws = None
            client.stats._follow(None)
        client.stats.last_reason = reason
        client._session_lost()
        self._session.end()
        client._inbox.end(Stopped(reason))
        client._timer_wake.set()
        client._emit("stopped", reason=reason)
        return False

    async def close(self):
        """Close the connection in an orderly way."""
        self._had_session = self._wait_first = False
        self._sender = None
        if self._ws is not None:
            await self._ws.close()
            self._ws = None
            self._client.stats._follow(None)
