"""Wi-Fi: brings the link up and keeps it up, and never gives up.

What it steps round was seen on ESP32 boards; numbers are issues of micropython/micropython
unless said otherwise:

* `connect()` while the driver is busy raises OSError 'Wifi Internal Error' (#7139, #17661):
  disconnect first, pause, and count the error as a failed try.
* The link may be up already: after a soft reset, or because other code brought it up.
* After a long outage of the access point some boards join again only when their interface
  was switched off and on, and a few only after a reset (#15563).
* `status()` goes on reporting the reason of the *last* try until the next one has ended, so
  a reason is believed at once only when it is a new one.
* Unless `reconnects` is 0 the driver tries again by itself, at the same time as we do.
"""

import asyncio

from .console import Changes
from .runtime import const, ticks_add, ticks_diff, ticks_ms

# Reasons of the ESP-IDF (wifi_err_reason_t) that come through status() without a name there.
_FOUR_WAY_TIMEOUT = const(15)
_BEACON_TIMEOUT = const(200)
_NO_AP_FOUND = const(201)
_AUTH_FAIL = const(202)
_ASSOC_FAIL = const(203)
_HANDSHAKE_TIMEOUT = const(204)
_NO_AP_REASONS = (_NO_AP_FOUND, 210, 211, 212)
_IDLE = const(1000)
_CONNECTING = const(1001)

# Seconds. A scan of all channels takes 2 to 3, joining and DHCP up to 10 more.
_JOIN_TIMEOUT = const(20)
_STALE_AFTER = const(5)
_POLL = 0.2
_CHECK = const(1)
_SETTLE = 0.5
_FIRST_DELAY = const(1)
_LONGEST_DELAY = const(30)
_TRIES_PER_POWER_CYCLE = const(5)

_sleep = asyncio.sleep
_ticks_ms = ticks_ms

UP = "up"
DOWN = "down"
WRONG_PASSWORD = "wrong password"  # noqa: S105 - a name of a state
ABSENT = "absent"


class Station:
    """The Wi-Fi interface of this board as a client of one network.

    Args:
        ssid, password: the network to join; an empty password for an open network.
        reset_after: seconds without a link after which the board is reset, as the last
            step; None never resets. A refused password never leads to a reset, for no
            reset would mend it.
        progress: called without arguments whenever a step has come to an end.
        reset: what resets the board; machine.reset when it is None.

    `run()` does the work, for ever. `state` is one of UP, DOWN, WRONG_PASSWORD, ABSENT.
    """

    def __init__(self, ssid, password, reset_after=1800, progress=None, reset=None):
        import network

        self.state = DOWN
        self.joins = 0
        self._ssid = ssid
        self._password = password
        self._reset_after = reset_after
        self._progress = progress or _nothing
        self._reset = reset or _reset
        self._up = asyncio.Event()
        self._kick = False
        self._console = Changes("wifi")
        self._wlan = network.WLAN(getattr(network, "STA_IF", 0))

    def is_up(self):
        """Whether the board has an address in the network."""
        return self.state == UP

    async def wait_up(self):
        """Return as soon as the link is up."""
        await self._up.wait()

    def rssi(self):
        """Signal strength in dBm, or None."""
        try:
            return self._wlan.status("rssi") if self.is_up() else None
        except (OSError, ValueError):
            return None

    def address(self):
        """The board's IP address as text, or None."""
        return self._wlan.ifconfig()[0] if self.is_up() else None

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
                self._mark_down(DOWN)
                self._kick = False
                if failures and failures % _TRIES_PER_POWER_CYCLE == 0:
                    await self._power_cycle(failures)
                if await self._join():
                    continue
                failures += 1
                self._last_step(down_since)
                await _sleep(min(_FIRST_DELAY << min(failures - 1, 8), _LONGEST_DELAY))
            self._progress()

    def _is_joined(self):
        try:
            return self._wlan.isconnected() and self._is_ours()
        except OSError:
            return False

    def _is_ours(self):
        # A link that other code brought up is welcome, unless it leads elsewhere.
        try:
            return self._wlan.config("ssid") in (self._ssid, "")
        except (OSError, ValueError, TypeError):
            return True

    def _mark_up(self):
        if self.state != UP:
            self.state = UP
            self.joins += 1
            self._up.set()
            self._console.say(
                'joined "%s" as %s, %s dBm' % (self._ssid, self.address(), self.rssi())
            )

    def _mark_down(self, state):
        if self.state == UP:
            self._up.clear()
            self._console.say('lost "%s"' % self._ssid)
        self.state = state

    async def _join(self):
        """One try. Returns whether the link is up; says why when it is not."""
        try:
            before = await self._begin()
            status = await self._outcome(before)
        except (OSError, RuntimeError) as error:
            self._failed(DOWN, "the driver is not ready (%s)" % error)
            return False
        if status is None:
            return True
        if status in _NO_AP_REASONS:
            self._failed(ABSENT, "is not there: is the access point on, and near enough?")
        elif status in (_AUTH_FAIL, _FOUR_WAY_TIMEOUT, _HANDSHAKE_TIMEOUT):
            self._failed(WRONG_PASSWORD, "refuses the password: run hubtool configure")
        elif status in (_IDLE, _CONNECTING):
            self._failed(DOWN, "gave no address within %d s" % _JOIN_TIMEOUT)
        else:
            self._failed(DOWN, "could not be joined (status %s)" % status)
        return False

    def _failed(self, state, text):
        self.state = state
        self._console.say('"%s" %s' % (self._ssid, text))

    async def _begin(self):
        """Start joining; returns the status that must not be taken for the outcome."""
        wlan = self._wlan
        if not wlan.active():
            wlan.active(True)
        try:
            wlan.disconnect()
        except OSError:
            pass
        await _sleep(_SETTLE)
        try:
            wlan.config(reconnects=0)
        except (OSError, ValueError, TypeError):
            pass
        before = wlan.status()
        wlan.connect(self._ssid, self._password)
        return before

    async def _outcome(self, before):
        """None once the link is up, otherwise the status at the end of the try."""
        started = _ticks_ms()
        deadline = ticks_add(started, _JOIN_TIMEOUT * 1000)
        fresh = ticks_add(started, _STALE_AFTER * 1000)
        while True:
            await _sleep(_POLL)
            if self._wlan.isconnected():
                return None
            status = self._wlan.status()
            now = _ticks_ms()
            ended = status not in (_IDLE, _CONNECTING)
            if ended and (status != before or ticks_diff(now, fresh) > 0):
                return status
            if ticks_diff(now, deadline) > 0:
                return status

    async def _power_cycle(self, failures):
        if failures == _TRIES_PER_POWER_CYCLE:
            self._console.say("switching the radio off and on, now and after each 5 tries")
        try:
            self._wlan.active(False)
            await _sleep(_SETTLE)
            self._wlan.active(True)
        except OSError:
            pass

    def _last_step(self, down_since):
        limit = self._reset_after
        if limit is None or self.state == WRONG_PASSWORD:
            return
        if ticks_diff(_ticks_ms(), down_since) > limit * 1000:
            self._console.say("no link for %d s: resetting the board" % limit)
            self._reset()


class Wired:
    """Stands for a Station where the network needs no joining: no Wi-Fi in the settings."""

    state = UP
    joins = 1

    def is_up(self):
        return True

    async def wait_up(self):
        return

    def rssi(self):
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
