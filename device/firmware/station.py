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

from .link import ABSENT, DOWN, WRONG_PASSWORD, Link
from .runtime import const, ticks_add, ticks_diff, ticks_ms

# Reasons of the ESP-IDF (wifi_err_reason_t) that come through status() without a name there.
_FOUR_WAY_TIMEOUT = const(15)
_NO_AP_FOUND = const(201)
_AUTH_FAIL = const(202)
_HANDSHAKE_TIMEOUT = const(204)
_NO_AP_REASONS = (_NO_AP_FOUND, 210, 211, 212)
_IDLE = const(1000)
_CONNECTING = const(1001)

# Seconds. A scan of all channels takes 2 to 3, joining and DHCP up to 10 more.
_JOIN_TIMEOUT = const(20)
_STALE_AFTER = const(5)
_POLL = 0.2
_SETTLE = 0.5

_sleep = asyncio.sleep
_ticks_ms = ticks_ms


class Station(Link):
    """The Wi-Fi interface of this board as a client of one network.

    Args:
        ssid, password: the network to join; an empty password for an open network.
        options: as for Link.
    """

    def __init__(self, ssid, password, **options):
        import network

        super().__init__("wifi", **options)
        self._ssid = ssid
        self._password = password
        self._wlan = network.WLAN(getattr(network, "STA_IF", 0))

    def rssi(self):
        """Signal strength in dBm, or None."""
        try:
            return self._wlan.status("rssi") if self.is_up() else None
        except (OSError, ValueError):
            return None

    def address(self):
        """The board's IP address as text, or None."""
        return self._wlan.ifconfig()[0] if self.is_up() else None

    def _joined_text(self):
        return 'joined "%s" as %s, %s dBm' % (self._ssid, self.address(), self.rssi())

    def _lost_text(self):
        return 'lost "%s"' % self._ssid

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

    def _switch(self, on):
        self._wlan.active(on)

    async def _join(self):
        try:
            before = await self._begin()
            status = await self._outcome(before)
        except (OSError, RuntimeError) as error:
            self._fail(DOWN, "the driver is not ready (%s)" % error)
            return False
        if status is None:
            return True
        if status in _NO_AP_REASONS:
            self._fail(ABSENT, "is not there: is the access point on, and near enough?")
        elif status in (_AUTH_FAIL, _FOUR_WAY_TIMEOUT, _HANDSHAKE_TIMEOUT):
            self._fail(WRONG_PASSWORD, "refuses the password: run hubtool configure")
        elif status in (_IDLE, _CONNECTING):
            self._fail(DOWN, "gave no address within %d s" % _JOIN_TIMEOUT)
        else:
            self._fail(DOWN, "could not be joined (status %s)" % status)
        return False

    def _fail(self, state, text):
        self._failed(state, '"%s" %s' % (self._ssid, text))

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
