"""Brings the Wi-Fi of a Station up; what it steps round was seen on ESP32 boards.

Numbers are issues of micropython/micropython unless said otherwise:

* `connect()` while the driver is busy raises OSError 'Wifi Internal Error' (#7139, #17661):
  disconnect first, pause, and count the error as a failed try.
* The link may be up already: after a soft reset, or because other code brought it up.
* After a long outage of the access point some boards join again only when their interface
  was switched off and on, and a few only after a reset (#15563).
* `status()` goes on reporting the reason of the *last* try until the next one has ended, so
  a reason is believed at once only when it is a new one.
* Unless `reconnects` is 0 the driver tries again by itself, at the same time as we do.

Loaded whenever the link is down or changes, with `once`: nothing here may stay or be kept. It
may wait, as no other module of that kind may: without a link there is no TLS that needs memory.
"""

from . import link as links
from . import runtime
from .console import say_new
from .runtime import const

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


def joined(link):
    """What the console says of a link that has come up."""
    return 'joined "%s" as %s, %s dBm' % (link.ssid, link.address(), link.rssi())


def lost(link):
    """What the console says of a link that is gone."""
    return 'lost "%s"' % link.ssid


async def power_cycle(link, failures):
    """Switch the interface off and on.

    failures: how many tries there have been, int."""
    if failures == links.TRIES_PER_POWER_CYCLE:
        say_new(link.part, "switching the interface off and on, now and after each 5 tries")
    try:
        link.wlan.active(False)
        await runtime.sleep(_SETTLE)
        link.wlan.active(True)
    except OSError:
        pass


async def join(link):
    """One try. Returns whether the link is up; says why when it is not."""
    try:
        before = await _begin(link)
        status = await _outcome(link.wlan, before)
    except (OSError, RuntimeError) as error:
        return _failed(link, links.DOWN, "the driver is not ready (%s)" % error)
    if status is None:
        return True
    if status in _NO_AP_REASONS:
        text = "is not there: is the access point on, and near enough?"
        return _failed(link, links.ABSENT, text)
    if status in (_AUTH_FAIL, _FOUR_WAY_TIMEOUT, _HANDSHAKE_TIMEOUT):
        text = "refuses the password: run hubtool configure"
        return _failed(link, links.WRONG_PASSWORD, text)
    if status in (_IDLE, _CONNECTING):
        return _failed(link, links.DOWN, "gave no address within %d s" % _JOIN_TIMEOUT)
    return _failed(link, links.DOWN, "could not be joined (status %s)" % status)


def _failed(link, state, text):
    link.state = state
    say_new(link.part, '"%s" %s' % (link.ssid, text))
    return False


async def _begin(link):
    # Starts joining; returns the status that must not be taken for the outcome.
    wlan = link.wlan
    if not wlan.active():
        wlan.active(True)
    try:
        wlan.disconnect()
    except OSError:
        pass
    await runtime.sleep(_SETTLE)
    try:
        wlan.config(reconnects=0)
    except (OSError, ValueError, TypeError):
        pass
    before = wlan.status()
    wlan.connect(link.ssid, link.password)
    return before


async def _outcome(wlan, before):
    # None once the link is up, otherwise the status at the end of the try.
    started = runtime.ticks_ms()
    deadline = runtime.ticks_add(started, _JOIN_TIMEOUT * 1000)
    fresh = runtime.ticks_add(started, _STALE_AFTER * 1000)
    while True:
        await runtime.sleep(_POLL)
        if wlan.isconnected():
            return None
        status = wlan.status()
        now = runtime.ticks_ms()
        ended = status not in (_IDLE, _CONNECTING)
        if ended and (status != before or runtime.ticks_diff(now, fresh) > 0):
            return status
        if runtime.ticks_diff(now, deadline) > 0:
            return status
