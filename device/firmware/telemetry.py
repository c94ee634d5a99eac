"""The report of a board, and its regular sending; docs/settings.md says what is in it."""

import asyncio
import gc

from webpubsub.memory import idf_heap, once, python_heap

from . import shortage
from .console import say_new

_sleep = asyncio.sleep


class Telemetry:
    """Reports of one board.

    Args:
        settings: Settings.
        link: what knows the signal strength, with `rssi()`.
        uptime: Uptime.
    """

    _sequence = 0

    def __init__(self, settings, link, uptime):
        self._settings = settings
        self._link = link
        self._uptime = uptime

    def report(self):
        """The next report, as a dict."""
        self._sequence += 1
        # Without it the figures would only say how long ago that happened by itself.
        gc.collect()
        used, total = python_heap() or (None, None)
        free, largest = idf_heap() or (None, None)
        return {
            "device": self._settings.device_id,
            "kind": self._settings.device_kind,
            "sequence": self._sequence,
            "uptime": self._uptime.seconds(),
            "heap_used": used,
            "heap_total": total,
            "idf_free": free,
            "idf_largest": largest,
            "rssi": self._link.rssi(),
        }

    async def run(self, client):
        """Send a report each `telemetry.interval` seconds while the client is connected.

        A report that could not be sent is not kept: the next one is newer and says more.
        """
        group = self._settings.telemetry_group
        while group:
            if client.state == "connected":
                try:
                    await client.send_to_group(group, self.report())
                except Exception as error:  # noqa: BLE001 - the next one may well get through
                    if shortage.is_shortage(error):
                        shortage.met(error)
                    say_new("telemetry", once("firmware.refusal").not_sent(group, error))
                else:
                    shortage.over()
                    say_new("telemetry", None)
            else:
                # Uptime must be asked now and then, also in an outage of weeks.
                self._uptime.seconds()
            await _sleep(self._settings.telemetry_interval)
