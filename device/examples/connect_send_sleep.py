"""Wake, send one report that cannot get lost, sleep. Put it on a board as /app.py.

The report is on the flash before anything is sent. A wake without a network leaves it there, and
the next one delivers it first. Leave telemetry.group empty and use commands.groups = [] in the
settings: both cost bytes at each wake.
"""

import machine
from webpubsub.outbox import Outbox

GROUP = "reports"
SLEEP = 600  # seconds
PATIENCE = 20  # seconds awake for the sake of what is not delivered


async def main(client, settings):
    memory = machine.RTC().memory()
    wakes = int(memory or 0) + 1
    machine.RTC().memory(str(wakes).encode())

    outbox = Outbox(client, "/outbox")
    await outbox.send_to_group(GROUP, {"device": settings.device_id, "wakes": wakes})
    try:
        await client.flush(PATIENCE)
    except OSError as error:
        print("[app] kept for the next wake:", error)
    await outbox.close()
    await client.close()
    machine.deepsleep(SLEEP * 1000)
