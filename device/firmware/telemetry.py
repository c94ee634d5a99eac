"""The report of a board, and its regular sending; docs/settings.md says what is in it."""

import asyncio
import gc

from .console import Changes

_sleep = asyncio.sleep


class Telemetry:
    """Reports of one board.

    Args:
        settings: Settings.
        link: what knows the signal strength, with `rssi()`.
        uptime: Uptime.
    """

    def __init__(self, settings, link, uptime):
        self._settings = settings
        self._link = link
        self._uptime = uptime
        self._sequence = 0
        self._console = Changes("telemetry")

    def report(self):
        """The next report, as a dict."""
        self._sequence += 1
        # Without it the figure would only say how long ago that happened by itself.
        gc.collect()
        return {
            "device": self._settings.device_id,
            "kind": self._settings.device_kind,
            "sequence": self._sequence,
            "uptime": self._uptime.seconds(),
            "heap_free": gc.mem_free() if hasattr(gc, "mem_free") else None,
            "rssi": self._link.rssi(),
        }

    async def run(self, client):
        """Send a report each `telemetry.interval` seconds while the client is connected.

        A report that could not be sent is not kept: the next one is newer and says more.
        """
        group = self._settings.telemetry_group
        if not group:
            return
        while True:
            if client.state == "connected":
                await self._send(client, group)
            else:
                # Uptime must be asked now and then, also in an outage of weeks.
                self._uptime.seconds()
            await _sleep(self._settings.telemetry_interval)

    async def _send(self, client, group):
        try:
            await client.send_to_group(group, self.report())
        except Exception as error:  # noqa: BLE001 - the next report may well get through
            self._console.say(self._in_words(error, group))
        else:
            self._console.forget()

    def _in_words(self, error, group):
        if getattr(error, "name", None) == "Forbidden":
            return (
                'the service forbids sending to "%s": give this device the role '
                "webpubsub.sendToGroup.%s" % (group, group)
            )
        return "a report was not sent (%s)" % error
