"""The connection to the hub, as the settings want it: made, kept, and told on the console."""

import asyncio

from webpubsub import AccessToken, Anonymous, Stopped, WebPubSubClient

from .console import debug, say
from .runtime import const
from .settings import SettingsError

# A service that refuses us is not asked more often than once a minute.
_LONGEST_DELAY = const(60)
# By these the service says no to the settings, and not to the moment.
_FINAL = (401, 403, 404)

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
        credential,
        protocol=settings.protocol,
        ssl=_tls_context(settings),
        ready=link.wait_up,
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


class Hub:
    """Keeps the client of a board connected, and tells what happens.

    Args:
        client: WebPubSubClient.
        settings: Settings.
        link: Station or Wired.
        accept: called with each message; must neither block nor raise.
        progress: called after each attempt to connect, with the seconds until the next one.

    `connected` is set for good by the first connection; `ready` while the board is on the hub
    and in all its command groups. `reason` says why it is not, and `refusals` counts how often
    the service said no to what the settings hold.
    """

    def __init__(self, client, settings, link, accept, progress):
        self.client = client
        self.connected = asyncio.Event()
        self.ready = asyncio.Event()
        self.reason = None
        self.refusals = 0
        self._settings = settings
        self._link = link
        self._accept = accept
        self._progress = progress
        self._joined = []
        self._told = None
        self._tries = 0
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
        if settings.credential == "token":
            # Looked at only for those who ask; that costs a module.
            client.subscribe("token-expires", self._on_token_expires)

    async def run(self):
        """Connect, and stay connected. Ends only by cancellation."""
        delay = 1
        await self._link.wait_up()
        say("hub", "connecting to %s, hub %s" % (self._settings.endpoint, self._settings.hub))
        while True:
            try:
                await self.client.run()
            except Stopped as error:
                self._tell(error.reason, delay)
            self._progress(delay)
            await _sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    def _on_message(self, event):
        debug("hub", "a %s message" % event.message.kind)
        self._accept(event.message)

    async def _on_connected(self, event):
        say("hub", "connected as %s (%s)" % (event.user_id or "anonymous", event.connection_id))
        self.connected.set()
        self.refusals = 0
        self._told = None
        self._progress(0)
        for group in self._settings.command_groups:
            if group not in self._joined:
                await self._join(group)
        # Without its command groups a board is deaf to whoever would look after it.
        if len(self._joined) >= len(self._settings.command_groups):
            self.ready.set()

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
        self._progress(0)

    def _on_recovered(self, event):
        say("hub", "recovered, nothing was lost")
        self._progress(0)

    def _on_disconnected(self, event):
        self.ready.clear()
        say("hub", "disconnected (%s)" % event.reason)

    def _on_reconnecting(self, event):
        self._progress(event.delay)
        if self._link.is_up():
            self._tell(event.reason, event.delay)

    def _on_not_joined(self, event):
        self._say_not_joined(event.group, event.error)

    def _on_token_expires(self, event):
        # Once a day in its last week: whoever waits for HTTP 401 has a board that is off the hub.
        from .refusal import token_ends

        say("hub", token_ends(event.expires))

    def _on_dropped(self, event):
        say("hub", "dropped a message: nobody takes them")

    def _say_not_joined(self, group, error):
        text = str(error)
        if getattr(error, "name", None) == "Forbidden":
            text = "give this device the role webpubsub.joinLeaveGroup." + group
        self.reason = 'did not join "%s": %s' % (group, text)
        say("hub", self.reason)

    def _tell(self, reason, delay):
        if isinstance(reason, Exception):
            # Loaded only by those who are refused.
            from .refusal import explain, is_about_certificates

            status = getattr(reason, "status", None)
            if status in _FINAL or (status is None and is_about_certificates(str(reason))):
                self.refusals += 1
            reason = explain(reason, self._settings)
        self.reason = str(reason)
        if self.reason != self._told:
            self._told = self.reason
            self._tries = 0
        self._tries += 1
        # Once, and then after 2, 4, 8 ... tries: a fault that lasts must not fill the console.
        if self._tries == 1:
            say("hub", "%s; again in %d s" % (self.reason, delay + 0.5))
        elif not self._tries & (self._tries - 1):
            say("hub", "the same after %d tries; again in %d s" % (self._tries, delay + 0.5))
