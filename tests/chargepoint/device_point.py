"""A charging point whose hardware the central system drives, by DataTransfer of vendor `test`."""

import asyncio
import gc
import json
import os
import sys

from chargepoint import ChargePoint, Hardware
from charging_fakes import Backoff


def show(error):
    """Print an exception with its traceback."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)


class Box(Hardware):
    """A meter that counts what is put on it, and contactors that only remember."""

    measurands = ("Power.Active.Import", "Voltage.L1")

    def __init__(self):
        self.registers = {1: 1000, 2: 5000}
        self.closed = {}
        self.resets = []

    def contactor(self, connector, closed):
        """Remember."""
        self.closed[connector] = closed

    def energy(self, connector):
        """The register."""
        return self.registers[connector]

    def measure(self, connector, measurand):
        """Something of each."""
        return 230.1 if measurand == "Voltage.L1" else 7400

    def reset(self, hard):
        """Remember."""
        self.resets.append(hard)


async def main():
    """Run until the central system says `end`."""
    given = json.loads(os.getenv("GIVEN"))
    box = Box()
    ended = asyncio.Event()
    # By strings: the build gives names in this script other names.
    options = {
        "connectors": 2,
        "folder": given["folder"] + "/charge",
        "hub": given.get("hub"),
        "vendor": "Test",
        "model": "Two",
        "backoff": Backoff(0.2),
        "resume": given.get("resume", False),
        "features": given.get("features", ()),
    }
    point = ChargePoint(given["url"], given["identity"], box, **options)
    said = []
    point.listeners.append(lambda *what: said.append(what))

    def do(vendor, message, text):
        if vendor != "test":
            return "UnknownVendorId", None
        what, *words = text.split()
        if what == "end":
            ended.set()
        elif what == "state":
            session = point.session
            gc.collect()
            counts = (session.malformed, session.ignored, session.timeouts, session.failures)
            state = {
                "closed": [box.closed.get(1, False), box.closed.get(2, False)],
                "waiting": point.queue.waiting,
                "counts": counts,
                "resets": box.resets,
                "said": said[-30:],
                "live": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0,
                "reason": repr(point.uplink.reason),
            }
            return "Accepted", json.dumps(state)
        elif what == "energy":
            box.registers[int(words[0])] += int(words[1])
        elif what == "set":
            point.configuration.set(*words)
        else:
            getattr(point, what)(int(words[0]), *words[1:])
        return "Accepted", ""

    def shown(*what):
        try:
            return do(*what)
        except Exception as error:
            show(error)
            raise

    point.core.data_transfer = shown
    running = asyncio.create_task(point.run())
    tasks = [running]
    if given.get("dashboards"):
        from chargepoint.bridge import Bridge
        from webpubsub import WebPubSubClient

        client = WebPubSubClient(given["dashboards"])
        bridge = Bridge(point, client, "s1", given["identity"], 1, True)
        tasks += [asyncio.create_task(client.run()), asyncio.create_task(bridge.run())]
    await ended.wait()
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
    print("OK")


asyncio.run(main())
