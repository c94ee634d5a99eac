"""What durable messages cost the flash: blocks erased and bytes written, on littlefs.

Prints the table of docs/outbox.md:

    MICROPYPATH=device:tests/webpubsub:.frozen micropython tests/webpubsub/run.py unit_outbox_wear
"""

from outbox_rig import MICROPYTHON, Board, Client, run
from webpubsub.outbox import Outbox

MESSAGES = 50
# Taken while the heap is empty.
BOARD = Board(11) if MICROPYTHON else None


async def wake(path, size):
    # Each message in a life of its own: stored, delivered, over.
    for _ in range(MESSAGES):
        client = Client()
        outbox = Outbox(client, path)
        await outbox.send_to_group("reports", "x" * size, wait=False)
        await outbox.stored()
        client.connect("c1")
        await outbox.flush(5)
        await outbox.close()


async def connected(path, size):
    client = Client()
    outbox = Outbox(client, path)
    client.connect("c1")
    for _ in range(MESSAGES):
        await outbox.send_to_group("reports", "x" * size)
    await outbox.flush(5)
    await outbox.close()


async def outage(path, size, batch=1):
    client = Client()
    outbox = Outbox(client, path)
    for number in range(MESSAGES):
        await outbox.send_to_group("reports", "x" * size, wait=False)
        if number % batch == batch - 1:
            await outbox.stored()
    client.connect("c1")
    await outbox.flush(5)
    await outbox.close()


async def batches(path, size):
    await outage(path, size, 10)


def measure(name, scenario, size):
    BOARD.umount()
    BOARD.erase()
    BOARD.mount()
    run(scenario(BOARD.place + "/outbox", size))
    flash = BOARD.flash
    erases = flash.erases / MESSAGES
    written = flash.written / MESSAGES
    print(f"| {name} | {size} | {erases:.2f} | {written:.0f} |")
    return erases, written


if MICROPYTHON:

    def test_wear():
        for size in (50, 150):
            erases, _ = measure("acknowledged within `delay`", connected, size)
            assert erases < 0.1
            erases, _ = measure("one in each wake from sleep", wake, size)
            assert erases < 2
            erases, _ = measure("kept in an outage, written one by one", outage, size)
            assert erases < 2
            erases, _ = measure("kept in an outage, ten at a time", batches, size)
            assert erases < 0.5

else:

    def test_needs_littlefs():
        print("the wear is measured on MicroPython, which has littlefs")
