"""An application as docs/firmware.md describes it, with an outbox; fills up to 4,096 bytes."""

import asyncio

from webpubsub.outbox import Outbox

STEP = 2
state = "Available"
energy = 0.0
# What a real one has in functions, tables and buffers.
table = bytearray(2048)


def start(arguments):
    global state
    state = "Charging"
    return status()


def stop(arguments):
    global state
    state = "Available"
    return status()


commands = {"start": start, "stop": stop}


def status():
    return {"state": state, "kwh": round(energy, 3)}


async def main(client, settings):
    global energy
    # With a leading slash MicroPython 1.26 for unix renames nothing: both paths are the same then.
    outbox = Outbox(client, "outbox")
    while True:
        if state == "Charging":
            energy += 0.1
        await outbox.send_to_group(
            "site", dict(status(), device=settings.device_id), policy="latest", key="status"
        )
        await asyncio.sleep(STEP)
