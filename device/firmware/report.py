"""The long report: what somebody far away needs to know about a board (docs/remote-care.md)."""

import gc

from .clock import is_set, iso, unix_time
from .console import hide, level
from .runtime import versions

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
        link: Link or Wired.
        client: WebPubSubClient; a program that keeps durable messages may have put its Outbox
            into `client.outbox`.
    """
    stats = client.stats
    hub = {name: getattr(stats, name, None) for name in _COUNTERS}
    reason = stats.last_reason
    hub["last_reason"] = None if reason is None else hide(str(reason) or type(reason).__name__)
    found = {
        "generation": settings.generation,
        "time": iso(unix_time()) if is_set() else None,
        "log_level": level(),
        "token_expires": _token_expires(settings),
        "reset_cause": reset_cause(),
        "versions": versions(),
        "heap": _heap(),
        "link": {"state": link.state, "joins": link.joins, "address": link.address()},
        "hub": hub,
    }
    outbox = getattr(client, "outbox", None)
    if outbox is not None:
        found["outbox"] = _counters(getattr(outbox, "stats", outbox))
    return found


def _token_expires(settings):
    if settings.credential != "token":
        return None
    from .refusal import token_claims

    expiry = (token_claims(settings.token) or {}).get("exp")
    return iso(expiry) if isinstance(expiry, (int, float)) else None


def _heap():
    # Collected first: otherwise the figures say only how long ago that happened by itself.
    gc.collect()
    found = {}
    if hasattr(gc, "mem_free"):
        found["free"], found["used"] = gc.mem_free(), gc.mem_alloc()
    try:
        import esp32

        # TLS and Wi-Fi live in the heap of the ESP-IDF; a handshake needs 35 to 55 KiB of it.
        regions = esp32.idf_heap_info(esp32.HEAP_DATA)
        found["idf_free"] = sum(region[1] for region in regions)
        found["idf_largest"] = max(region[2] for region in regions)
    except (ImportError, AttributeError, ValueError):
        pass
    return found


def _counters(thing):
    values = {}
    for name in dir(thing):
        if not name.startswith("_"):
            value = getattr(thing, name)
            if isinstance(value, (int, dict)):
                values[name] = value
    return values


def reset_cause():
    """Why this board started, in a word; None where the port does not say."""
    try:
        import machine

        cause = machine.reset_cause()
    except (ImportError, AttributeError):
        return None
    for name in ("PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT"):
        if cause == getattr(machine, name + "_RESET", None):
            return {"PWRON": "power_on", "WDT": "watchdog"}.get(name, name.lower())
    return str(cause)
