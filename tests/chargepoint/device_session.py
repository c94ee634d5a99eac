"""A session with fakes for core and queue, over real connections; the central system drives it.

DataTransfer of the vendor `test` says what to do, ChangeConfiguration sets a key.
"""

import asyncio
import json
import os

from chargepoint.clock import Clock
from chargepoint.credentials import Credentials
from chargepoint.session import Session
from chargepoint.uplink import Uplink
from charging_fakes import BOOT, Backoff, Configuration, Core, Queue, Storage

try:
    from time import ticks_ms
except ImportError:
    import time

    def ticks_ms():
        """As MicroPython's."""
        return int(time.monotonic() * 1000) & ((1 << 30) - 1)


class Box(Core):
    """The core, which does what the test says."""

    def __init__(self):
        super().__init__()
        self.ended = asyncio.Event()

    def call(self, action, payload):
        """Do it."""
        if action == "ChangeConfiguration":
            return {"status": self.configuration.set(payload["key"], payload["value"])}, None
        if payload.get("vendorId") != "test":
            return super().call(action, payload)
        if payload["data"].startswith("size "):
            return {"status": "Accepted", "data": str(len(payload["data"]) - 5)}, None
        what, _, rest = payload["data"].partition(" ")
        return {"status": "Accepted", "data": getattr(self, what)(rest)[:65000]}, None

    def put(self, text):
        """A call for the queue: its action and payload."""
        action, _, payload = text.partition(" ")
        self.queue.put(action, json.loads(payload or "{}"))
        self.uplink.wake()
        return ""

    def echo(self, text):
        """The same text."""
        return text

    def state(self, _):
        """What is known of everything."""
        session, uplink = self.session, self.uplink
        return json.dumps(
            {
                "malformed": session.malformed,
                "ignored": session.ignored,
                "timeouts": session.timeouts,
                "failures": session.failures,
                "results": len(self.queue.results),
                "errors": self.queue.errors,
                "connections": uplink.connections,
                "attempts": uplink.attempts,
                "reason": repr(uplink.reason),
                "utc": self.clock.utc(),
                "profile": self.credentials.profile,
                "shown": repr(
                    [vars_of(each) for each in (uplink, session)] + [repr(self.credentials)]
                ),
            }
        )

    def end(self, _):
        """The script ends."""
        self.ended.set()
        return ""


def vars_of(thing):
    """What somebody sees who prints an object."""
    return repr(thing), str(thing)


async def main():
    """Run until the central system says `end`."""
    given = json.loads(os.getenv("GIVEN"))
    core = Box()
    core.queue = Queue()
    core.queue.pause = 1
    core.clock = Clock(ticks_ms)
    core.configuration = Configuration(**given.get("keys", {}))
    folder = given.get("folder")
    storage = Storage(folder and open_folder(folder))
    core.credentials = Credentials(
        storage,
        core.clock,
        given.get("key"),
        given.get("profile", 0),
        given.get("highest"),
    )
    core.configuration.writers["authorizationkey"] = core.credentials.write_key
    core.configuration.writers["securityprofile"] = core.credentials.write_profile
    core.session = Session(
        core, core.queue, core.clock, core.configuration, BOOT, Backoff(given.get("boot", 1))
    )
    core.uplink = Uplink(
        core.session,
        core,
        core.configuration,
        core.credentials,
        given["url"],
        given["identity"],
        hub=given.get("hub"),
        ssl=context(given),
        backoff=Backoff(given.get("pause", 0.1)),
        slow=Backoff(given.get("slow", 0.5)),
    )
    running = asyncio.create_task(core.uplink.run())
    await core.ended.wait()
    await asyncio.sleep(0.2)
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        pass
    print("OK")


def open_folder(folder):
    """A path in it, which need not be there yet."""
    return folder + "/stored"


def context(given):
    """An SSL context for the files that are named."""
    if "ca" not in given:
        return None
    from webpubsub import tls_context

    with open(given["ca"], "rb") as file:
        ca = file.read()
    certificate = given.get("certificate"), given.get("private")
    if certificate[0] and hasattr(asyncio, "current_task") and os.getenv("DER"):
        with open(certificate[0], "rb") as one, open(certificate[1], "rb") as other:
            certificate = one.read(), other.read()
    return tls_context(ca, *certificate)


asyncio.run(main())
