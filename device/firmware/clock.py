"""The time: what it is, whether it can be trusted, and that it stays right (see `sntp`)."""

import asyncio
import time
from errno import EAGAIN

from webpubsub.memory import once

from .runtime import const, ticks_add, ticks_diff, ticks_ms

# The floor: no clock that is right can show an earlier time than the one when this firmware was
# made. A board powers up in 2000 or 1970, so anything below means "not set", and a time server
# that answers with less is lying. `hubtool deploy` writes its own day into `build`; firmware
# that came another way has the day of this file.
BUILD_DATE = 1795305600  # 2026-11-22T00:00:00Z
try:
    BUILD_DATE = max(BUILD_DATE, once("firmware.build").DATE)
except ImportError:
    pass

# ESP32 counts from 2000-01-01, the unix port and CPython from 1970-01-01. Token and
# certificate dates are off by 30 years for whoever forgets (on hardware only).
EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0

# Seconds.
_RESYNC = const(86400)
_FIRST_DELAY = const(5)
_LONGEST_DELAY = const(60)
_TURN = 0.05
_POLL = 0.02

_sleep = asyncio.sleep


def unix_time():
    """Seconds since 1970-01-01T00:00:00Z, as an int, whatever the board's epoch is."""
    return int(time.time()) + EPOCH


def is_set():
    """Whether the clock can be right: not before this firmware was made."""
    return unix_time() >= BUILD_DATE


def iso(seconds):
    """Unix time as text, such as `2026-11-22 09:30:00Z`."""
    return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(time.gmtime(int(seconds) - EPOCH)[:6])


async def keep(hosts, ready, progress):
    """Set the clock, and set it again once a day. Ends only by cancellation.

    Args:
        hosts: list of `host` or `host:port`.
        ready: async callable, awaited before each question: without an address of one's own
            looking a name up blocks the board for 20 s.
        progress: called with "hub" when nobody gave the time although there is none.
    """
    delay = _FIRST_DELAY
    while True:
        if await synchronise(hosts, ready):
            delay = _FIRST_DELAY
            await _sleep(_RESYNC)
        else:
            if not is_set():
                # On the way to the hub this is a step, and it has come to its end.
                progress("hub")
            await _sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)


async def synchronise(hosts, ready, timeout=3, rounds=3):
    """Ask time servers until one gives a time that can be right, and set the clock.

    Args:
        hosts, ready: as for `keep`.
        timeout: seconds to wait for each answer.
        rounds: how often to go through the list; each round asks another address of a host. A
            server that sent a kiss of death is not asked again (RFC 4330 section 8).

    Returns:
        Whether the clock is set. The console says by whom, or why not.
    """
    asked = list(hosts)
    reasons = {}
    for turn in range(rounds):
        for host in tuple(asked):
            # Looking a name up blocks everything: between two of them others must have a turn,
            # or three hosts that cannot be resolved starve whoever feeds the watchdog.
            await _sleep(_TURN)
            await ready()
            try:
                await _ask(host, turn, timeout)
                return True
            except Exception as error:  # noqa: BLE001 - whatever it is, another host may do
                once("firmware.sntp").note(error, host, asked, reasons)
    once("firmware.sntp").say_why(hosts, reasons)
    return False


async def _ask(host, turn, timeout):
    # What waits stays here: `sntp` is garbage by then.
    sock, request = once("firmware.sntp").ask(host, turn)
    try:
        started = ticks_ms()
        deadline = ticks_add(started, int(timeout * 1000))
        while True:
            try:
                reply = sock.recv(96)
            except OSError as error:
                if error.errno != EAGAIN:
                    raise
                reply = b""
            # Whoever did not see our packet cannot guess what the server sends back of it.
            if reply[24:32] == request[40:] or ticks_diff(deadline, ticks_ms()) <= 0:
                break
            await _sleep(_POLL)
        once("firmware.sntp").take(host, reply, ticks_diff(ticks_ms(), started))
    finally:
        sock.close()


class Uptime:
    """Seconds since it was made, right for ever as long as it is asked now and then.

    `ticks_ms` starts again at 0 after 12.4 days, and the wall clock jumps when it is set.
    """

    def __init__(self):
        self._last = ticks_ms()
        self._total = 0

    def seconds(self):
        now = ticks_ms()
        self._total += ticks_diff(now, self._last)
        self._last = now
        return self._total // 1000
