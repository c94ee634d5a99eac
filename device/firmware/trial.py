"""Waits until new settings have proved themselves or failed; `verdict` has what follows.

Loaded with `once` by a start that finds settings on trial, and there as long as its one object
is. That is an exception: such a start must not need much more memory than others, and so this
holds nothing but the waiting.
"""

from webpubsub.memory import once

from . import runtime
from .runtime import const

# Seconds between attempts to tell the outcome, and how many there are.
PAUSE = 10
_ATTEMPTS = const(10)
# A service that says no so often means it.
_REFUSALS = const(3)
_POLL = 0.1


class Trial:
    """One change of the settings, from its first start until whoever asked knows.

    `settings` are those to run with: the candidate's while it is tried. `note` is the content of
    the file `trial`.
    """

    def __init__(self, settings, note):
        self.settings = settings
        self.folder = settings.folder
        self.note = note

    @property
    def is_open(self):
        """Whether the candidate has yet to prove itself."""
        return self.note["state"] == "trying"

    async def run(self, hub, commands):
        """See it through: wait for the hub, decide, tell. Resets after a failure.

        hub: HubConnection. commands: Commands."""
        if self.is_open and not await self._decide(hub):
            await commands.reset()
            return
        answer = once("firmware.verdict").answer(self, commands)
        for _ in range(_ATTEMPTS):
            while not hub.ready:
                await runtime.sleep(_POLL)
            if await commands.send(self.note["kind"], answer):
                break
            await runtime.sleep(PAUSE)
        once("firmware.verdict").end(self)

    async def _decide(self, hub):
        seconds = self.note["seconds"]
        deadline = runtime.ticks_add(runtime.ticks_ms(), seconds * 1000)
        while not hub.ready:
            reason = None
            if hub.refusals >= _REFUSALS:
                reason = hub.reason
            elif runtime.ticks_diff(deadline, runtime.ticks_ms()) <= 0:
                reason = "not on the hub within %d s: %s" % (seconds, hub.reason or "no link")
            if reason:
                once("firmware.verdict").fail(self, reason)
                return False
            await runtime.sleep(_POLL)
        return once("firmware.verdict").keep(self)
