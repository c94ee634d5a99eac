"""The time: what it is, whether it can be trusted, and how the board gets it (SNTP, RFC 4330)."""

import asyncio
import errno
import os
import socket
import time

from .runtime import const, ticks_add, ticks_diff, ticks_ms

# The floor: no clock that is right can show an earlier time than the one when this firmware was
# made. A board powers up in 2000 or 1970, so anything below means "not set", and a time server
# that answers with less is lying. `hubtool deploy` writes its own day into `build`; firmware
# that came another way has the day of this file.
BUILD_DATE = 1795305600  # 2026-11-22T00:00:00Z
try:
    from .build import DATE

    BUILD_DATE = max(BUILD_DATE, DATE)
except ImportError:
    pass

# Twenty years on, no board that was never updated is in use: such an answer is wrong too.
_SANE_SPAN = const(20 * 366 * 86400)

# ESP32 counts from 2000-01-01, the unix port and CPython from 1970-01-01. Token and
# certificate dates are off by 30 years for whoever forgets (on hardware only).
_EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0

# NTP counts from 1900 in 32 bits, which run over in February 2036 (era 1, RFC 4330 section 3).
_NTP_TO_UNIX = const(2208988800)
_NTP_ERA = const(0x100000000)
_NTP_PORT = const(123)
_PACKET = const(48)
_MAX_ADDRESSES = const(4)
_TURN = 0.05

_sleep = asyncio.sleep


class ClockError(Exception):
    """The time could not be had; the text says from whom and why."""


def unix_time():
    """Seconds since 1970-01-01T00:00:00Z, as an int, whatever the board's epoch is."""
    return int(time.time()) + _EPOCH


def is_set():
    """Whether the clock can be right: not before this firmware was made."""
    return unix_time() >= BUILD_DATE


def iso(seconds):
    """Unix time as text, such as `2026-11-22 09:30:00Z`."""
    return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(time.gmtime(int(seconds) - _EPOCH)[:6])


def set_time(seconds, microseconds=0):
    """Set the real-time clock to a Unix time."""
    import machine

    year, month, day, hour, minute, second, weekday = time.gmtime(seconds - _EPOCH)[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, microseconds))


async def synchronise(hosts, timeout=3, rounds=3, ready=None):
    """Ask time servers until one gives a time that can be right, and set the clock.

    Args:
        hosts: list of `host` or `host:port`; port 123 when it is left out.
        timeout: seconds to wait for each answer.
        rounds: how often to go through the list. A server that sent a kiss of death is
            not asked again (RFC 4330 section 8).
        ready: async callable, awaited before each question: without an address of one's own
            looking a name up blocks the board for 20 s.

    Returns:
        The host that answered.

    Raises:
        ClockError: no host gave a usable time; the text says why for each of them.
    """
    asked = list(hosts)
    reasons = {}
    for _ in range(rounds):
        for host in tuple(asked):
            # Looking a name up blocks everything: between two of them others must have a turn,
            # or three hosts that cannot be resolved starve whoever feeds the watchdog.
            await _sleep(_TURN)
            if ready is not None:
                await ready()
            try:
                seconds, microseconds = await ask(host, timeout)
            except _KissOfDeath:
                asked.remove(host)
                reasons[host] = "turns us away (kiss of death)"
            except (OSError, ClockError) as error:
                reasons[host] = _in_words(error)
            else:
                set_time(seconds, microseconds)
                return host
    # Of each, in the order of the settings: one bad name must not hide that UDP is blocked.
    told = ["%s: %s" % (host, reasons[host]) for host in hosts if host in reasons]
    raise ClockError("; ".join(told) or "no time server in the settings")


async def ask(host, timeout=3):
    """Ask one time server.

    Returns:
        (Unix time in seconds, microseconds).

    Raises:
        OSError: no route, no answer in time.
        ClockError: the name is not found, or the answer cannot be used.
    """
    name, port = split_host(host)
    error = None
    try:
        # Once the link is up: this blocks everything for up to 20 s.
        addresses = socket.getaddrinfo(name, port, 0, socket.SOCK_DGRAM)
    except OSError:
        # Its numbers differ from port to port, and none of them says more than this.
        raise ClockError("no such name, or no answer from the name server")
    for address in addresses[:_MAX_ADDRESSES]:
        try:
            return await _ask_address(address, timeout)
        except OSError as caught:
            error = caught
    raise error or OSError(errno.EHOSTUNREACH, "no address")


def split_host(host):
    """(`name`, port) of `name`, `name:port`, `[ipv6]` or `[ipv6]:port`."""
    name, _, port = host.rpartition(":")
    if not name or "]" in port or (":" in name and not name.endswith("]")):
        name, port = host, _NTP_PORT
    return name.strip("[]"), int(port)


async def _ask_address(address, timeout):
    request = bytearray(_PACKET)
    request[0] = 0x23  # no leap warning, version 4, client
    # Whoever did not see our packet cannot guess these: the server sends them back.
    cookie = os.urandom(8)
    request[40:48] = cookie
    sock = socket.socket(address[0], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        started = ticks_ms()
        deadline = ticks_add(started, int(timeout * 1000))
        sock.sendto(request, address[-1])
        while ticks_diff(deadline, ticks_ms()) > 0:
            try:
                reply = sock.recv(2 * _PACKET)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise
                await _sleep(0.02)
                continue
            if len(reply) >= _PACKET and reply[24:32] == cookie:
                return parse_reply(reply, ticks_diff(ticks_ms(), started))
        raise OSError(errno.ETIMEDOUT, "no answer")
    finally:
        sock.close()


class _KissOfDeath(ClockError):
    pass


def parse_reply(reply, round_trip_ms=0):
    """The time in an SNTP answer, as (Unix seconds, microseconds), half a round trip later.

    Raises:
        ClockError: the answer is not from a synchronised server, or cannot be right.
    """
    if reply[0] & 7 != 4:
        raise ClockError("not an answer of a time server")
    if reply[1] == 0:
        raise _KissOfDeath("kiss of death")
    if reply[0] >> 6 == 3 or reply[1] > 15:
        raise ClockError("the server's own clock is not set")
    seconds = int.from_bytes(reply[40:44], "big")
    if seconds < _NTP_ERA // 2:
        seconds += _NTP_ERA
    seconds -= _NTP_TO_UNIX
    microseconds = (int.from_bytes(reply[44:48], "big") * 1000000 >> 32) + round_trip_ms * 500
    seconds += microseconds // 1000000
    if not BUILD_DATE <= seconds <= BUILD_DATE + _SANE_SPAN:
        raise ClockError("a time in the year %d" % (1970 + seconds // 31556952))
    return seconds, microseconds % 1000000


def _in_words(error):
    code = getattr(error, "errno", None)
    if code == errno.ETIMEDOUT:
        return "no answer"
    if code == errno.ECONNREFUSED:
        return "refused"
    if isinstance(error, OSError):
        return "not reached (%s)" % error
    return str(error)


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
