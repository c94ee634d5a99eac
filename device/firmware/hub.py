"""The connection to the hub, as the settings want it: made, kept, and told on the console."""

import asyncio

from webpubsub import AccessToken, Anonymous, Backoff, Stopped, WebPubSubClient

from .console import say
from .runtime import const
from .settings import SettingsError

# A service that refuses us is not asked more often than once a minute.
_LONGEST_DELAY = const(60)
_AT_ONCE = 0.2

_sleep = asyncio.sleep


def make_client(settings, link):
    """A WebPubSubClient for these settings.

    Raises:
        SettingsError: they cannot work: no CA for TLS, a token that anybody could read.
    """
    try:
        if settings.credential == "token":
            credential = AccessToken(settings.endpoint, settings.hub, settings.token)
        else:
            credential = Anonymous(settings.endpoint, settings.hub, settings.query)
    except ValueError as error:
        raise SettingsError("hub: %s: run hubtool configure" % error)
    return WebPubSubClient(
        _WhenUp(credential, link),
        protocol=settings.protocol,
        ssl=_tls_context(settings),
        backoff=_LinkBackoff(link, _LONGEST_DELAY),
    )


def _tls_context(settings):
    if not settings.uses_tls:
        return None
    # Loaded only by those who use it.
    from webpubsub.tls import tls_context

    try:
        with open(settings.ca_path, "rb") as file:
            return tls_context(file.read())
    except (OSError, ValueError) as error:
        raise SettingsError("tls.ca: %s: run hubtool configure" % error)


class _WhenUp:
    """A credential that has no URL while the link is down.

    Without an address a name cannot be looked up, and trying blocks the board for 20 s.
    """

    def __init__(self, credential, link):
        self._credential = credential
        self._link = link

    async def url(self):
        await self._link.wait_up()
        return await self._credential.url()


class _LinkBackoff(Backoff):
    """Delays only what went wrong with the link up: when it comes back we try at once."""

    def __init__(self, link, maximum):
        super().__init__(maximum=maximum)
        self._link = link

    def next(self):
        return super().next() if self._link.is_up() else _AT_ONCE


class Hub:
    """Keeps the client of a board connected, and tells what happens.

    Args:
        client: WebPubSubClient.
        settings: Settings.
        link: Station or Wired.
        accept: called with each message; must neither block nor raise.
        progress: called without arguments after each attempt to connect.
    """

    def __init__(self, client, settings, link, accept, progress):
        self.client = client
        self.connected = asyncio.Event()
        self._settings = settings
        self._link = link
        self._accept = accept
        self._progress = progress
        self._joined = []
        for name, callback in (
            ("connected", self._on_connected),
            ("recovering", self._on_recovering),
            ("recovered", self._on_recovered),
            ("disconnected", self._on_disconnected),
            ("reconnecting", self._on_reconnecting),
            ("rejoin-group-failed", self._on_not_joined),
            ("message-dropped", self._on_dropped),
            ("group-message", self._on_message),
            ("server-message", self._on_message),
        ):
            client.subscribe(name, callback)

    async def run(self):
        """Connect, and stay connected. Ends only by cancellation."""
        delay = 1
        while True:
            say("hub", "connecting to %s, hub %s" % (self._settings.endpoint, self._settings.hub))
            try:
                await self.client.run()
            except Stopped as error:
                self._tell(error.reason, delay)
            self._progress()
            await _sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    def _on_message(self, event):
        self._accept(event.message)

    async def _on_connected(self, event):
        say("hub", "connected as %s (%s)" % (event.user_id or "anonymous", event.connection_id))
        self.connected.set()
        self._progress()
        for group in self._settings.command_groups:
            if group not in self._joined:
                await self._join(group)

    async def _join(self, group):
        try:
            await self.client.join_group(group)
        except Exception as error:  # noqa: BLE001 - the next connection tries again
            self._say_not_joined(group, error)
        else:
            # From now on the client joins it again by itself.
            self._joined.append(group)

    def _on_recovering(self, event):
        say("hub", "lost the connection (%s): recovering" % event.reason)
        self._progress()

    def _on_recovered(self, event):
        say("hub", "recovered, nothing was lost")
        self._progress()

    def _on_disconnected(self, event):
        say("hub", "disconnected (%s)" % event.reason)

    def _on_reconnecting(self, event):
        self._progress()
        if self._link.is_up():
            self._tell(event.reason, event.delay)

    def _on_not_joined(self, event):
        self._say_not_joined(event.group, event.error)

    def _on_dropped(self, event):
        say("hub", "dropped a message: nobody takes them")

    def _say_not_joined(self, group, error):
        text = str(error)
        if getattr(error, "name", None) == "Forbidden":
            text = "give this device the role webpubsub.joinLeaveGroup." + group
        say("hub", 'did not join "%s": %s' % (group, text))

    def _tell(self, reason, delay):
        if isinstance(reason, Exception):
            # Loaded only by those who are refused.
            from .refusal import explain

            reason = explain(reason, self._settings)
        say("hub", "%s; again in %d s" % (reason, delay + 0.5))
