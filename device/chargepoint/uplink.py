"""The connections of a session: made, kept, and made again."""

import asyncio

from webpubsub import Backoff, once, ws_connect
from webpubsub.compat import const
from webpubsub.errors import HandshakeError, ProtocolError, TransportError

_TEXT = const(1)
_CLOSED = const(8)
_PROTOCOL = "ocpp1.6"
# What a server says that does not want us: it may be a mistake that somebody repairs.
_UNWANTED = (401, 403, 404)
# Nobody waits longer because a server asks for it.
_HOUR = const(3600)
# Of what is waited for in one piece.
_LONGEST = const(86400)


class Uplink:
    """Keeps a session connected.

    session: a Session. core: a Core. configuration: a Configuration. credentials: Credentials.
    url, identity, hub: as for ChargePoint. ssl: an SSL context, or None. backoff: a Backoff for
    the pauses between attempts; slow: another one for those that are refused with 401, 403 or 404.

    reason: the exception by which the last connection or attempt ended, or None. attempts,
    connections: how many there were.

    ready: async function(secure) that is awaited before each attempt, and says that there is a
    network, and for TLS the time; or None. outcome: function(reason, pause) that is called when an
    attempt failed or a connection is over, with the seconds until the next attempt, and with
    (None, None) when one is made; or None.
    """

    ready = outcome = None

    def __init__(
        self,
        session,
        core,
        configuration,
        credentials,
        url,
        identity,
        hub=None,
        ssl=None,
        backoff=None,
        slow=None,
    ):
        once("chargepoint.addresses").url_of(url, identity, hub)  # what is wrong with it
        self._session = session
        self._core = core
        self._configuration = configuration
        self._credentials = credentials
        self._url = url
        self._identity = identity
        self._hub = hub
        self._ssl = ssl
        self._backoff = backoff or Backoff()
        self._slow = slow or Backoff(first=60, maximum=3600)
        self._ws = None
        self._due = asyncio.Event()  # something to send, perhaps
        self._events = asyncio.Event()  # something happened in the core
        self._hurry = asyncio.Event()
        self.reason = None
        self.attempts = self.connections = 0
        configuration.on_change(self._changed)

    def wake(self):
        """Something happened: see what is due."""
        self._due.set()
        self._events.set()

    def hurry(self):
        """Try to connect now, whatever pause was due: there is a network again."""
        self._hurry.set()

    @property
    def heard(self):
        """What moves with each byte from the central system."""
        return self.connections, self._ws.bytes_received if self._ws else 0

    def quiet(self):
        """Seconds for which nothing need come from there, while all is well."""
        value = self._configuration.value
        silence = self._intervals()[1] or value("HeartbeatInterval") or _LONGEST
        return min(silence, _LONGEST) + value("MessageTimeout")

    async def run(self):
        """Connect and stay connected, for ever; cancelled, it closes the connection."""
        ticking = asyncio.create_task(self._tick())
        try:
            while True:
                pause = await self._connect()
                self._tell(self.reason, pause)
                if pause:
                    self._hurry.clear()
                    await _until(self._hurry, pause)
        finally:
            ticking.cancel()

    async def _tick(self):
        while True:
            self._events.clear()
            wait = 1
            try:
                wait = self._core.tick()
            except Exception:  # noqa: BLE001 what failed must not stop all else
                self._session.failures += 1
            self._due.set()
            await _until(self._events, wait)

    def _changed(self, key):
        if key == "WebSocketPingInterval" and self._ws:
            self._ws.keep_alive(*self._intervals())

    def _intervals(self):
        # Without a sign of life for three of them, the connection is given up.
        interval = min(self._configuration.value("WebSocketPingInterval"), _LONGEST)
        return (interval, 3 * interval) if interval > 0 else (None, None)

    # one connection; the result is the pause before the next one, in seconds

    async def _connect(self):
        self.attempts += 1
        credentials = self._credentials
        url = once("chargepoint.addresses").url_of(
            self._url, self._identity, self._hub, credentials.profile > 1
        )
        if self.ready:
            await self.ready(url.startswith("wss"))
        ping_interval, silence_timeout = self._intervals()
        credentials.changed = False
        self.reason = None
        try:
            ws = await ws_connect(
                url,
                protocols=(_PROTOCOL,),
                headers=credentials.headers(self._identity),
                ssl=self._ssl,
                ping_interval=ping_interval,
                silence_timeout=silence_timeout,
            )
        except (TransportError, MemoryError) as error:
            return self._refused(error)
        if ws.protocol is None:
            await ws.close()
            return self._refused(HandshakeError("the server does not speak " + _PROTOCOL, 404))
        self.connections += 1
        credentials.connected()
        self._slow.attempt = 0
        self._tell(None, None)
        started = self._session.uptime()
        await self._serve(ws)
        self._backoff.connected(self._session.uptime() - started)
        return 0 if credentials.changed else self._backoff.next()

    def _tell(self, reason, pause):
        if self.outcome:
            self.outcome(reason, pause)

    def _refused(self, error):
        self.reason = error
        status = getattr(error, "status", 0)
        if self._credentials.failed(status):
            self._backoff.attempt = 0
            return 0
        if self._credentials.on_trial:
            return min(self._backoff.next(), max(1, self._credentials.left()))
        pause = (self._slow if status in _UNWANTED else self._backoff).next()
        return max(pause, min(getattr(error, "retry_after", None) or 0, _HOUR))

    async def _serve(self, ws):
        session, credentials = self._session, self._credentials
        self._ws = ws
        session.connected()
        self._due.set()
        reading = asyncio.create_task(self._read(ws))
        try:
            while not (ws.closed or session.dead):
                session.leaving = credentials.changed
                if credentials.changed and session.idle:
                    break  # the new key is used once its own answer is out
                self._due.clear()
                text = session.next()
                if text is None:
                    await _until(self._due, session.wait())
                else:
                    await ws.send_str(text)
                    session.sent()
        except (TransportError, ProtocolError, MemoryError) as error:
            self.reason = error
        finally:
            self._ws = None
            session.lost()
            self._events.set()
            await ws.close()
            reading.cancel()

    async def _read(self, ws):
        session = self._session
        try:
            while True:
                kind = await ws.receive_view()
                if kind == _CLOSED:
                    break
                if kind == _TEXT:
                    session.received(ws.view, ws.view_holds(b"\\u"))
                else:
                    session.malformed += 1
                self.wake()
                while session.busy:
                    await asyncio.sleep(0.05)
        except (TransportError, ProtocolError) as error:
            self.reason = error
        finally:
            ws.abort()
            self._due.set()


async def _until(event, seconds):
    try:
        await asyncio.wait_for(event.wait(), min(seconds, _LONGEST))
    except asyncio.TimeoutError:
        pass
