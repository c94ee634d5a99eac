"""A board that wakes, keeps some messages, delivers what it can, and sleeps.

On the board as /main.py; /target holds the URL, the number of messages for each wake, and the
number of wakes. Every start has a number of its own, from /boots. What it prints is counted.
"""

import asyncio
import json
import os
import time

import machine
import network
from webpubsub import Backoff, WebPubSubClient
from webpubsub.outbox import Outbox


def count_boots():
    try:
        with open("/boots") as file:
            boots = int(file.read())
    except (OSError, ValueError):
        boots = 0
    with open("/boots.new", "w") as file:
        file.write(str(boots + 1))
    os.rename("/boots.new", "/boots")
    return boots


def join():
    station = network.WLAN(network.WLAN.IF_STA)
    station.active(True)
    station.connect("depot", "open sesame")
    while not station.isconnected():
        time.sleep_ms(5)


async def main(boot):
    with open("/target") as file:
        url, each, wakes = json.load(file)
    client = WebPubSubClient(url, backoff=Backoff(0.1, 0.3), recovery_timeout=2)
    outbox = Outbox(client, "/outbox", delay=0.05)
    keeping = asyncio.create_task(client.run())
    if boot < wakes:
        for number in range(each):
            await outbox.send_to_group("site", {"boot": boot, "number": number, "more": "x" * 40})
            print("stored", boot, number)
    try:
        await outbox.flush(2)
    except OSError as error:
        print(error)
    await outbox.close()
    await client.close()
    keeping.cancel()  # it may not have begun
    print("waiting", outbox.waiting)
    print("dropped", outbox.dropped)
    if boot >= wakes and not outbox.waiting:
        print("done")
        return
    machine.deepsleep(20)


print("woke", machine.reset_cause())
join()
asyncio.run(main(count_boots()))
