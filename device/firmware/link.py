"""What all ways into a network have in common: brought up, kept up, and never given up."""

import asyncio

from .console import Changes
from .runtime import const, ticks_diff, ticks_ms

# Seconds.
_CHECK = const(1)
_SETTLE = 0.5
_FIRST_DELAY = const(1)
_LONGEST_DELAY = const(30)
_TRIES_PER_POWER_CYCLE = const(5)

# Seconds without a link after which the board is reset: the last step. Some boards join again
# only then, and an access point that stays away longer costs a reset each half hour.
RESET_AFTER = 1800

_sleep = asyncio.sleep
_ticks_ms = ticks_ms

UP = "up"
DOWN = "down"
WRONG_PASSWORD = "wrong password"  # noqa: S105 - a name of a state
ABSENT = "absent"
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what an interface has that has none


class Link:
    """An interface of this board that is kept up by `run()`, for ever.

    Args:
        tag: its name on the console.
        reset_after: seconds without a link after which the board is reset, as the last step;
            None never resets. A refused password never leads to a reset: none would mend it.
        progress: called without arguments whenever a step has come to an end.
        reset: what resets the board; machine.reset when it is None.

    `state` is one of UP, DOWN, WRONG_PASSWORD, ABSENT; `joins` counts how often it came up.
    """

    def __init__(self, tag, reset_after=None, progress=None, reset=None):
        self.state = DOWN
        self.joins = 0
        self._reset_after = RESET_AFTER if reset_after is None else reset_after
        self._progress = progress or _nothing
        self._reset = reset or _reset
        self._up = asyncio.Event()
        self._kick = False
        self._console = Changes(tag)

    def is_up(self):
        """Whether the board has an address in the network."""
        return self.state == UP

    async def wait_up(self):
        """Return as soon as the link is up."""
        while not self.is_up():
            await self._up.wait()

    def rssi(self):
        """Signal strength in dBm, or None."""

    def address(self):
        """The board's IP address as text, or None."""

    def restart(self):
        """Join anew although the link looks up: nothing has got through for too long."""
        self._kick = True

    async def run(self):
        """Keep the link up. Ends only by cancellation."""
        failures = 0
        down_since = _ticks_ms()
        while True:
            if self._is_joined() and not self._kick:
                failures = 0
                down_since = _ticks_ms()
                self._mark_up()
                await _sleep(_CHECK)
            else:
                self._mark_down()
                self._kick = False
                if failures and failures % _TRIES_PER_POWER_CYCLE == 0:
                    await self._power_cycle(failures)
                if await self._join():
                    continue
                failures += 1
                self._last_step(down_since)
                await _sleep(min(_FIRST_DELAY << min(failures - 1, 8), _LONGEST_DELAY))
            self._progress()

    def _mark_up(self):
        if self.state != UP:
            self.state = UP
            self.joins += 1
            self._up.set()
            self._console.say(self._joined_text())

    def _mark_down(self):
        if self.state == UP:
            self._up.clear()
            self._console.say(self._lost_text())
        self.state = DOWN

    def _failed(self, state, text):
        self.state = state
        self._console.say(text)

    async def _power_cycle(self, failures):
        if failures == _TRIES_PER_POWER_CYCLE:
            self._console.say("switching the interface off and on, now and after each 5 tries")
        try:
            self._switch(False)
            await _sleep(_SETTLE)
            self._switch(True)
        except OSError:
            pass

    def _last_step(self, down_since):
        limit = self._reset_after
        if not limit or self.state == WRONG_PASSWORD:
            return
        if ticks_diff(_ticks_ms(), down_since) > limit * 1000:
            self._console.say("no link for %d s: resetting the board" % limit)
            self._reset()

    # What each kind of interface has of its own.

    def _is_joined(self):
        raise NotImplementedError

    async def _join(self):
        """One try. Returns whether the link is up; says why when it is not."""
        raise NotImplementedError

    def _switch(self, on):
        raise NotImplementedError


class Wired:
    """Stands for a Link where the network needs no joining: nothing of it in the settings."""

    state = UP
    joins = 1

    def is_up(self):
        return True

    async def wait_up(self):
        return

    def rssi(self):
        return None

    def address(self):
        return None

    def restart(self):
        pass

    async def run(self):
        return


def _nothing():
    pass


def _reset():
    import machine

    machine.reset()
