"""Asks a time server (SNTP, RFC 4330) for `clock`.

Loaded once a day with `once`: nothing here may wait, stay or be kept.

host: as the settings name it, see `split_host`, str. round_trip_ms: from request to reply.
seconds: Unix time.
"""

import errno
import os
import socket

from webpubsub import clock
from webpubsub.memory import once

from . import console
from .runtime import const
from .shortage import in_words, is_shortage

# Twenty years on, no board that was never updated is in use: such an answer is wrong too.
_SANE_SPAN = const(20 * 366 * 86400)

# NTP counts from 1900 in 32 bits, which run over in February 2036 (era 1, RFC 4330 section 3).
_NTP_TO_UNIX = const(2208988800)
_NTP_ERA = const(0x100000000)
_NTP_PORT = const(123)
_PACKET = const(48)


class _ClockError(Exception):
    """The time could not be had; the text says why."""


class _KissOfDeath(_ClockError):
    """A server does not want to be asked again."""


def ask(host, turn):
    """Ask one time server.

    Args:
        host: `host` or `host:port`; port 123 when it is left out.
        turn: which of its addresses to ask: 0, 1, 2 ...; begins anew after the last one.

    Returns:
        (socket, request): an answer repeats bytes 40 to 48 of the request in bytes 24 to 32.

    Raises:
        OSError: no route, or no memory.
        _ClockError: the name is not found.
    """
    name, port = split_host(host)
    try:
        # Once the link is up: this blocks everything for up to 20 s.
        addresses = socket.getaddrinfo(name, port, 0, socket.SOCK_DGRAM)
    except OSError as error:
        if is_shortage(error):
            raise
        # The other numbers differ from port to port, and none of them says more than this.
        raise _ClockError("no such name, or no answer from the name server")
    if not addresses:
        raise _ClockError("no address")
    address = addresses[turn % len(addresses)]
    request = bytearray(_PACKET)
    request[0] = 0x23  # no leap warning, version 4, client
    request[40:48] = os.urandom(8)
    sock = socket.socket(address[0], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.sendto(request, address[-1])
    except OSError:
        sock.close()
        raise
    return sock, request


def split_host(host):
    """(`name`, port) of `name`, `name:port`, `[ipv6]` or `[ipv6]:port`."""
    name, _, port = host.rpartition(":")
    if not name or "]" in port or (":" in name and not name.endswith("]")):
        name, port = host, _NTP_PORT
    return name.strip("[]"), int(port)


def take(host, reply, round_trip_ms):
    """Set the clock by the reply of a host, and say so.

    Raises:
        OSError: there is no reply.
        _ClockError: it cannot be used.

    reply: bytes, or None.
    """
    if len(reply) < _PACKET:
        raise OSError(errno.ETIMEDOUT, "no answer")
    set_time(*parse_reply(reply, round_trip_ms))
    console.say("clock", "%s from %s" % (once("firmware.clock").iso(clock.unix_time()), host))
    console.say_new("clock", None)


def set_time(seconds, microseconds=0):
    """Set the real-time clock to a Unix time.

    microseconds: int."""
    import machine

    year, month, day, hour, minute, second, weekday = clock.time.gmtime(seconds - clock.EPOCH)[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, microseconds))


def parse_reply(reply, round_trip_ms=0):
    """The time in an SNTP answer, as (Unix seconds, microseconds), half a round trip later.

    Raises:
        _ClockError: the answer is not from a synchronised server, or cannot be right.

    reply: bytes.
    """
    if reply[0] & 7 != 4:
        raise _ClockError("not an answer of a time server")
    if reply[1] == 0:
        raise _KissOfDeath("turns us away (kiss of death)")
    if reply[0] >> 6 == 3 or reply[1] > 15:
        raise _ClockError("the server's own clock is not set")
    seconds = int.from_bytes(reply[40:44], "big")
    if seconds < _NTP_ERA // 2:
        seconds += _NTP_ERA
    seconds -= _NTP_TO_UNIX
    microseconds = (int.from_bytes(reply[44:48], "big") * 1000000 >> 32) + round_trip_ms * 500
    seconds += microseconds // 1000000
    if not clock.floor <= seconds <= clock.floor + _SANE_SPAN:
        raise _ClockError("a time in the year %d" % (1970 + seconds // 31556952))
    return seconds, microseconds % 1000000


def note(error, host, asked, reasons):
    """Take down what came of asking a host.

    Args:
        error: what it ended with.
        asked: list of the hosts to ask; loses the host if that wants it.
        reasons: dict of hosts and texts.
    """
    if type(error).__name__ == "_KissOfDeath":  # the class may be that of an earlier load
        asked.remove(host)
    reasons[host] = _in_words(error)


def say_why(hosts, reasons):
    """Say why there is no time from the network.

    hosts: list of str. reasons: dict of hosts and texts."""
    # Of each, in the order of the settings: one bad name must not hide that UDP is blocked.
    texts = ["%s: %s" % (host, reasons[host]) for host in hosts if host in reasons]
    text = "no time from the network (%s)" % ("; ".join(texts) or "no time server in the settings")
    if "memory" not in text:
        text += ": is UDP port 123 open, and clock.ntp right?"
    console.say_new("clock", text)


def _in_words(error):
    code = getattr(error, "errno", None)
    if code == errno.ETIMEDOUT:
        return "no answer"
    if code in (errno.ECONNREFUSED, errno.ECONNRESET):  # lwIP has the second for both
        return "nobody listens there"
    text = in_words(error)
    if isinstance(error, OSError) and not is_shortage(error):
        text = "not reached (%s)" % text
    return text
