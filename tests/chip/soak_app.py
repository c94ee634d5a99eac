"""A program of 4 KB for the long run: an outbox, and a count of what arrives."""

import asyncio

from webpubsub.outbox import Outbox, OutboxFull

STEP = 2
# What a real one has in functions, tables and buffers.
table = bytearray(2048)
tallies = {}


class Tally:
    """Of numbered messages: which came last, how many were missed, how many came again."""

    def __init__(self):
        self.last = -1
        self.missed = 0
        self.again = 0

    def take(self, number):
        if number > self.last:
            self.missed += number - self.last - 1
            self.last = number
        else:
            self.again += 1

    def counts(self):
        return {"last": self.last, "missed": self.missed, "again": self.again}


def count(event):
    data = event.message.data
    if isinstance(data, dict) and "m" in data:
        tallies.setdefault("down", Tally()).take(data["m"])


def tell(arguments):
    """The command of each minute."""
    tally = tallies.get("down") or Tally()
    return dict(tally.counts(), made=tallies.get("made"))


commands = {"tell": tell}


async def main(client, settings):
    client.subscribe("group-message", count)
    # With a leading slash MicroPython for unix renames nothing: both paths are the same then.
    outbox = Outbox(client, "outbox", messages=64, size=8192)
    number = 0
    while True:
        content = {"n": number, "device": settings.device_id}
        try:
            await outbox.send_to_group("up", content, wait=False)
            number = tallies["made"] = number + 1
        except OutboxFull:
            pass  # a long outage: the next one may find room
        await asyncio.sleep(STEP)
