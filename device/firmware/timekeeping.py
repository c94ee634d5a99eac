"""Sets the clock: waits for time servers; what they are asked and say is in `sntp`.

Loaded once a day with `once`, and there while it waits: it holds nothing but the waiting.
"""

from errno import EAGAIN

from webpubsub import clock
from webpubsub.memory import once

from . import runtime
from .runtime import const

# Seconds.
_RESYNC = const(86400)
_FIRST_PAUSE = const(5)
_LONGEST_PAUSE = const(60)
_TURN = 0.05
_POLL = 0.02


async def attempt(hosts, ready, progress, pause):
    """Set the clock.

    Args:
        hosts: list of `host` or `host:port`.
        ready: async callable, awaited before each question: without an address of one's own
            looking a name up blocks the board for 20 s.
        progress: called with "hub" when nobody gave the time although there is none.
        pause: what the last attempt returned; 0 at the first.

    Returns:
        Seconds until the next attempt.
    """
    if await synchronise(hosts, ready):
        return _RESYNC
    if not clock.is_set():
        # On the way to the hub this is a step, and it has come to its end.
        progress("hub")
    return min(2 * pause, _LONGEST_PAUSE) if 0 < pause < _RESYNC else _FIRST_PAUSE


async def synchronise(hosts, ready, timeout=3, rounds=3):
    """Ask time servers until one gives a time that can be right, and set the clock.

    Args:
        hosts, ready: as for `attempt`.
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
            await runtime.sleep(_TURN)
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
        started = runtime.ticks_ms()
        deadline = runtime.ticks_add(started, int(timeout * 1000))
        while True:
            try:
                reply = sock.recv(96)
            except OSError as error:
                if error.errno != EAGAIN:
                    raise
                reply = b""
            left = runtime.ticks_diff(deadline, runtime.ticks_ms())
            # Whoever did not see our packet cannot guess what the server sends back of it.
            if reply[24:32] == request[40:] or left <= 0:
                break
            await runtime.sleep(_POLL)
        once("firmware.sntp").take(host, reply, runtime.ticks_diff(runtime.ticks_ms(), started))
    finally:
        sock.close()
