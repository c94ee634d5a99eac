"""The report of a board, and its regular sending; docs/settings.md says what is in it."""

import gc

from webpubsub.memory import idf_heap, once, python_heap

from . import runtime, shortage
from .console import say_new

_sequence = 0


def report(settings, link, uptime):
    """The next report, as a dict.

    Args:
        settings: Settings.
        link: what knows the signal strength, with `rssi()`.
        uptime: Uptime.
    """
    global _sequence
    _sequence += 1
    # Without it the figures would only say how long ago that happened by itself.
    gc.collect()
    used, total = python_heap() or (None, None)
    free, largest = idf_heap() or (None, None)
    return {
        "device": settings.device_id,
        "kind": settings.device_kind,
        "sequence": _sequence,
        "uptime": uptime.seconds(),
        "heap_used": used,
        "heap_total": total,
        "idf_free": free,
        "idf_largest": largest,
        "rssi": link.rssi(),
    }


async def run(client, settings, link, uptime):
    """Send a report each `telemetry.interval` seconds while the client is connected.

    A report that could not be sent is not kept: the next one is newer and says more.

    client: WebPubSubClient. settings: Settings. link: NetworkLink. uptime: function of
    seconds.
    """
    group = settings.telemetry_group
    while group:
        if client.state == "connected":
            try:
                await client.send_to_group(group, report(settings, link, uptime))
                shortage.over()
                say_new("telemetry", None)
            except Exception as error:  # noqa: BLE001 - the next one may well get through
                if shortage.is_shortage(error):
                    shortage.met(error)
                say_new("telemetry", once("firmware.refusal").not_sent(group, error))
        await runtime.sleep(settings.telemetry_interval)
