"""What all ways into a network have in common: brought up, kept up, and never given up."""

from webpubsub.memory import once

from . import runtime
from .console import say_new
from .runtime import const

# Seconds.
_CHECK = const(1)
_LONGEST_DELAY = const(30)
_POLL = 0.1
TRIES_PER_POWER_CYCLE = const(5)

UP = "up"
DOWN = "down"
WRONG_PASSWORD = "wrong password"  # noqa: S105 - a name of a state
ABSENT = "absent"


class NetworkLink:
    """An interface of this board that is kept up by `run()`, for ever.

    Args:
        progress: called with "link" whenever a step has come to an end.

    `reset_after` is the number of seconds without a link after which the board is reset, as the
    last step, or None. Some boards join again only then, and an access point that stays away
    longer costs a reset each half hour. A refused password never leads to one: none would mend it.

    `state` is one of UP, DOWN, WRONG_PASSWORD, ABSENT; `joins` counts how often it came up. The
    classes of interfaces have `part`, their name on the console, `joining`, the name of a module
    with what happens while there is no link, `is_joined()` and `address()`.
    """

    state = DOWN
    joins = 0
    reset_after = 1800
    _kick = False

    def __init__(self, progress):
        self._progress = progress

    def is_up(self):
        """Whether the board has an address in the network."""
        return self.state == UP

    async def wait_up(self):
        """Return as soon as the link is up."""
        while self.state != UP:
            await runtime.sleep(_POLL)

    def rssi(self):
        """Signal strength in dBm, or None."""

    def restart(self):
        """Join anew although the link looks up: nothing has got through for too long."""
        self._kick = True

    async def run(self):
        """Keep the link up. Ends only by cancellation."""
        # While it is up, one look a second. While it is down, one attempt to join after another,
        # with pauses of 1, 2, 4 ... 30 s; the interface is switched off and on after every fifth
        # failure, for some drivers join again only then; and in the end the board is reset.
        failures = 0
        down_since = runtime.ticks_ms()
        while True:
            if self.is_joined() and not self._kick:
                failures = 0
                down_since = runtime.ticks_ms()
                if self.state != UP:
                    self.state = UP
                    self.joins += 1
                    say_new(self.part, once(self.joining).joined(self))
                await runtime.sleep(_CHECK)
            else:
                if self.state == UP:
                    say_new(self.part, once(self.joining).lost(self))
                self.state = DOWN
                self._kick = False
                if failures and failures % TRIES_PER_POWER_CYCLE == 0:
                    await once(self.joining).power_cycle(self, failures)
                # May wait in its module: without a link nothing else needs the memory.
                if not await once(self.joining).join(self):
                    failures += 1
                    self._last_step(down_since)
                    await runtime.sleep(min(1 << min(failures - 1, 8), _LONGEST_DELAY))
            self._progress("link")

    def _last_step(self, down_since):
        # Resets the board where nothing else has brought the link back; see `reset_after`.
        limit = self.reset_after
        if (
            limit
            and self.state != WRONG_PASSWORD
            and runtime.ticks_diff(runtime.ticks_ms(), down_since) > limit * 1000
        ):
            say_new(self.part, "no link for %d s: resetting the board" % limit)
            runtime.reset()
