"""The connection to the hub, as the settings want it: kept, and reported on the console."""

from webpubsub import Stopped
from webpubsub.memory import once

from . import runtime, shortage
from .console import debug, say
from .runtime import const

# A service that refuses us is not asked more often than once a minute.
_LONGEST_DELAY = const(60)


class HubConnection:
    """Keeps the client of a board connected, and tells what happens.

    Args:
        client: WebPubSubClient; `wiring` subscribes `on_message` and `on_event`.
        settings: Settings.
        link: Station or Wired.
        accept: called with each message; must neither block nor raise.
        progress: called with "hub" after each attempt to connect, and the seconds until the
            next one.

    `connected` is True from the first connection on; `ready` while the board is on the hub
    and in all its command groups. `reason` says why it is not, and `refusals` counts how often
    the service said no to what the settings hold.
    """

    connected = ready = False
    reason = None
    refusals = 0
    _last_reason = None
    _tries = 0
    _delay = 1
    _missing = False  # command groups that this session has yet to join; False without one

    def __init__(self, client, settings, link, accept, progress):
        self.client = client
        self.settings = settings
        self._link = link
        self._accept = accept
        self._progress = progress

    async def run(self):
        """Connect, and stay connected. Ends only by cancellation."""
        await self._link.wait_up()
        say("hub", "connecting to %s, hub %s" % (self.settings.endpoint, self.settings.hub))
        while True:
            try:
                await self.client.run()
            except Stopped as error:
                self._failed(error.reason, self._delay)
            self.ready = self._missing = False
            await runtime.sleep(self._delay)
            self._delay = min(2 * self._delay, _LONGEST_DELAY)

    def on_message(self, event):
        """Callback of the client for messages.

        event: an Event with a Message."""
        debug("hub", "a %s message" % event.message.kind)
        self._accept(event.message)

    def on_event(self, event):
        """Callback of the client for all other events.

        event: an Event."""
        name = event.name
        if name == "connected":
            return self._on_connected(event)
        if name == "reconnecting":
            self._failed(event.reason, event.delay)
        elif name == "recovering":
            say("hub", "lost the connection (%s): recovering" % event.reason)
            self._progress("hub")
        elif name == "recovered":
            say("hub", "recovered, nothing was lost")
            self._progress("hub")
        elif name == "disconnected":
            self.ready = self._missing = False
            say("hub", "disconnected (%s)" % event.reason)
        elif name == "message-dropped":
            say("hub", "dropped a message: nobody takes them")
        elif name == "token-expires":
            # Once a day in its last week: whoever waits for HTTP 401 has a board off the hub.
            say("hub", once("firmware.refusal").token_ends(event.expires))
        elif event.group not in (self._missing or ()):  # rejoin-group-failed
            self._say_not_joined(event.group, event.error)
        return None

    async def _on_connected(self, event):
        say("hub", "connected as %s (%s)" % (event.user_id or "anonymous", event.connection_id))
        self.connected = True
        self.refusals = 0
        self._last_reason = None
        shortage.over()
        self._progress("hub")
        self.ready = False
        self._delay = delay = 1
        # In each session anew: the client joins again, too, but does not say when that is done.
        self._missing = missing = list(self.settings.command_groups)
        while missing:
            for group in list(missing):
                try:
                    await self.client.join_group(group)
                    missing.remove(group)
                except Exception as error:  # noqa: BLE001 - it may have passed the next time
                    # A fault that lasts must not fill the console.
                    if delay < _LONGEST_DELAY and missing is self._missing:
                        self._say_not_joined(group, error)
            if missing:
                # Whoever gives the role may do so when he hears of the connection, or later.
                await runtime.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            if missing is not self._missing:
                return
        # Without its command groups a board is deaf to whoever would look after it.
        self.ready = True

    def _say_not_joined(self, group, error):
        self.reason = once("firmware.refusal").not_joined(group, error)
        say("hub", self.reason)

    def _failed(self, reason, delay):
        # An attempt came to its end. One that failed for want of memory is no progress.
        short = shortage.met(reason)
        if not short:
            self._progress("hub", delay)
        if not self._link.is_up():
            return
        text = str(reason) or type(reason).__name__
        # Without memory mbedTLS says of a certificate that is right that it is wrong.
        if not short:
            status = getattr(reason, "status", None)
            if status or "ertificate" in text or "MBEDTLS" in text:
                # Loaded only by those who are refused.
                text = once("firmware.refusal").explain(reason, self.settings)
                # By these the service says no to the settings, and not to the moment.
                if status in (None, 0, 401, 403, 404):
                    self.refusals += 1
        self.reason = text
        if text != self._last_reason:
            self._last_reason = text
            self._tries = 0
        self._tries += 1
        # Once, and then after 2, 4, 8 ... tries: a fault that lasts must not fill the console.
        if self._tries == 1:
            say("hub", "%s; again in %d s" % (text, delay + 0.5))
        elif not self._tries & (self._tries - 1):
            say("hub", "the same after %d tries; again in %d s" % (self._tries, delay + 0.5))
