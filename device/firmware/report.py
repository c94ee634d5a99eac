"""The long report: what somebody far away needs to know about a board (docs/remote-care.md).

Loaded for one report with `once`: nothing here may wait, stay or be kept.
"""

import os
import sys

from webpubsub.memory import once

from . import console, shortage
from .clock import is_set, iso, unix_time

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
# By name, and not by dir(): on a board what is private has other names, without an underscore.
_OUTBOX = ("waiting", "delivered", "dropped")


def details(settings, link, client):
    """What a report says beyond the regular one, as a dict.

    Args:
        settings: Settings in use.
        link: Link or Wired.
        client: WebPubSubClient; a program that keeps durable messages may have put its Outbox
            into `client.outbox`.
    """
    stats = client.stats
    hub = {name: getattr(stats, name, None) for name in _COUNTERS}
    reason = stats.last_reason
    hub["last_reason"] = None if reason is None else shortage.in_words(reason)
    found = {
        "generation": settings.generation,
        "time": iso(unix_time()) if is_set() else None,
        "log_level": console.LEVELS[console.level],
        "token_expires": _token_expires(settings),
        "reset_cause": reset_cause(),
        "versions": versions(),
        "link": {"state": link.state, "joins": link.joins, "address": link.address()},
        "hub": hub,
    }
    outbox = getattr(client, "outbox", None)
    if outbox is not None:
        found["outbox"] = {
            name: getattr(outbox, name) for name in _OUTBOX if hasattr(outbox, name)
        }
    return found


def _token_expires(settings):
    if settings.credential != "token":
        return None
    expiry = once("webpubsub.expiry").times(settings.token)[1]
    return None if expiry is None else iso(expiry)


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
