"""A simulated charging point. Put it on a board as /app.py; the firmware does the rest."""

import asyncio

from firmware.commands import CommandError
from webpubsub import WebPubSubError

STEP = 2  # seconds
SPEED = 60  # a minute of charging in a second, so that one sees it rise
POWER = 7.2  # kW

state = "Available"
energy = 0.0  # kWh of the present session
limit = 50.0  # kWh, where it ends


def start(arguments):
    """Command `start`: plug in and charge; {"limit": kWh} ends the session there."""
    global state, energy, limit
    if state != "Available":
        raise CommandError("already " + state)
    limit = float(arguments.get("limit", 50))
    state, energy = "Preparing", 0.0
    return status()


def stop(arguments):
    """Command `stop`: end the session."""
    global state
    if state == "Available":
        raise CommandError("nothing to stop")
    state = "Available"
    return status()


commands = {"start": start, "stop": stop}


def status():
    return {"state": state, "kwh": round(energy, 3)}


def step():
    """Let `STEP` seconds pass."""
    global state, energy
    if state == "Preparing":
        state = "Charging"
    elif state == "Charging":
        energy += POWER * STEP * SPEED / 3600
        if energy >= limit:
            state = "Available"


async def main(client, settings):
    while True:
        step()
        message = dict(status(), device=settings.device_id)
        try:
            await client.send_to_group(settings.telemetry_group, message)
        except (OSError, WebPubSubError) as error:
            print("[app] status not sent:", error)
        await asyncio.sleep(STEP)
