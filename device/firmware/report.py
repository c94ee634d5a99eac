"""The long report: what somebody far away needs to know about a board (docs/remote-care.md).

Loaded for one report with `once`: nothing here may wait, stay or be kept.
"""

import os
import sys

from webpubsub.memory import once

from . import console, shortage

clock = once("firmware.clock")

_COUNTERS = (
    "reconnects",
    "recoveries",
    "messages_sent",
    "messages_received",
    "bytes_sent",
    "bytes_received",
    "duplicates",
    "dropped",
)


def details(settings, link, client):
    """What a report says beyond the regular one, as a dict.

    Args:
        settings: Settings in use.
        link: NetworkLink or Wired.
        client: WebPubSubClient; it knows the outboxes of the program.
    """
    stats = client.stats
    hub = {name: getattr(stats, name, None) for name in _COUNTERS}
    reason = stats.last_reason
    hub["last_reason"] = None if reason is None else shortage.in_words(reason)
    found = {
        "generation": settings.generation,
        "time": clock.iso(clock.unix_time()) if clock.is_set() else None,
        "log_level": console.LEVELS[console.level],
        "token_expires": _token_expires(settings),
        "reset_cause": reset_cause(),
        "versions": versions(),
        "link": {"state": link.state, "joins": link.joins, "address": link.address()},
        "hub": hub,
    }
    if client.outboxes:
        found["outbox"] = _counters(client.outboxes)
    return found


def _counters(outboxes):
    # Of all outboxes of a program together: mostly it has one.
    dropped = {}
    for outbox in outboxes:
        for reason, count in outbox.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return {
        "waiting": sum(outbox.waiting for outbox in outboxes),
        "delivered": sum(outbox.delivered for outbox in outboxes),
        "dropped": dropped,
    }


def _token_expires(settings):
    if settings.credential != "token":
        return None
    expiry = once("webpubsub.expiry").times(settings.token)[1]
    return None if expiry is None else clock.iso(expiry)


def reset_cause():
    """Why this board started, in a word; None where the port does not say."""
    if shortage.was_cause:
        return "memory"
    try:
        import machine

        cause = machine.reset_cause()
    except (ImportError, AttributeError):
        return None
    for name in ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT"):
        if cause == getattr(machine, name + "_RESET", None):
            return {"PWRON": "power_on", "WDT": "watchdog"}.get(name, name.lower())
    return str(cause)


def versions():
    """What runs on this board, as a dict of texts."""
    from webpubsub import __version__

    python = sys.implementation
    return {
        "webpubsub": __version__,
        "python": "%s %s" % (python.name, ".".join(str(part) for part in python.version[:3])),
        "machine": os.uname().machine if hasattr(os, "uname") else sys.platform,
    }
