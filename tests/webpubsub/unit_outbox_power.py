"""The journal under a power cut at every single write and erase of the flash.

One scenario of messages, deliveries and compactions runs again and again on a littlefs of the
ESP32's parameters; in the n-th run the n-th write or erase is the last one, torn or not done at
all. Then the flash is mounted again, by a device that starts anew. OUTBOX_ROUNDS=n makes the
scenario n times longer.
"""

import os

import webpubsub.journal as journal
from flash import PowerCut
from outbox_rig import MICROPYTHON, Board, Client, Folder, identity, plain, run, settle
from webpubsub.outbox import Outbox

ROUNDS = int(os.getenv("OUTBOX_ROUNDS") or 1)
SIZE = 600
DROPPED = "outbox-dropped"


class Receiver:
    """Accepts what is new, as docs/outbox.md has it: the largest number of each stream counts."""

    def __init__(self):
        self.last = {}
        self.accepted = []

    def take(self, content):
        stream, number = identity(content).split("-")
        if int(number) > self.last.get(stream, 0):
            self.last[stream] = int(number)
            self.accepted.append(plain(content))


class Scenario:
    """What was promised: to be compared with what is there after the cut."""

    def __init__(self, path, flash):
        self.path = path
        self.flash = flash
        self.client = Client(self.check_power)
        self.stored = []  # acknowledged as stored, and never to be dropped
        self.latest = 0  # the last value of a key that was stored
        self.over = []  # ids of what was delivered or dropped, and the journal knows it

    async def play(self):
        outbox = Outbox(self.client, self.path, size=SIZE, messages=10, delay=60)
        for number in range(ROUNDS):
            await self.round(outbox, 100 * number)
        await outbox.close()
        await self.store((), outbox)

    async def round(self, outbox, base):
        client = self.client
        # One by one, while there is no connection.
        for number in range(base, base + 3):
            await self.keep(outbox, number)
        # In a batch, among messages that may go.
        for number in range(base + 3, base + 6):
            await outbox.send_to_group("g", number, wait=False)
            await outbox.send_event("e", "x" * 60, policy="drop-oldest", wait=False)
            await outbox.send_event("e", b"y" * 60, policy="drop-oldest", wait=False)
        await self.store(range(base + 3, base + 6), outbox)
        # Some are delivered, then the connection goes.
        client.answers = [None, None, "cut"]
        client.connect(f"c{base}")
        await settle()
        client.disconnect()
        await self.store((), outbox)
        # The file fills with what is over, and is written anew around what is not.
        for value in range(base + 1, base + 13):
            await self.renew(outbox, value)
        for number in range(base + 6, base + 8):
            await self.keep(outbox, number)
        client.connect(f"d{base}")
        await outbox.flush(5)
        await self.store((), outbox)
        # Acknowledged by the service before it was written.
        for number in range(base + 8, base + 11):
            await outbox.send_to_group("g", number)
            self.stored.append(number)

    async def keep(self, outbox, number):
        await outbox.send_to_group("g", number, wait=False)
        await self.store([number], outbox)

    async def renew(self, outbox, value):
        content = {"value": value, "more": "z" * 40}
        await outbox.send_to_group("g", content, policy="latest", key="k", wait=False)
        await self.store((), outbox)
        self.latest = value

    async def store(self, kept, outbox):
        await outbox.stored()
        self.check_power()
        self.stored.extend(kept)
        dropped = [fields["id"] for name, fields in self.client.events if name == DROPPED]
        self.over = dropped + [identity(message[2]) for message in self.client.sent]

    def check_power(self):
        # The exception from the flash may be replaced by that of a `with` which closes its file.
        if self.flash.dead:
            raise PowerCut


def numbers(contents):
    """Of the messages that are never dropped."""
    return [content for content in contents if isinstance(content, int)]


async def afterwards(path, client, torn=False):
    """What a device does that starts anew: it delivers all, and sends something new."""
    outbox = Outbox(client, path, size=SIZE, messages=10, delay=60)
    client.connect("later")
    await outbox.flush(5)
    late = list(client.sent)
    await outbox.send_to_group("g", -1, wait=False)
    await outbox.flush(5)
    await outbox.close()
    assert torn or not outbox.dropped.get("damaged"), outbox.dropped
    outbox = Outbox(client, path, size=SIZE)
    assert outbox.waiting == 0, outbox.waiting
    await outbox.close()
    return late


def lose_power(board, limit, torn):
    """One run; False when the scenario ended before its power did."""
    board.erase()
    board.mount(limit, torn)
    flash = board.flash
    scenario = Scenario(board.place + "/outbox", flash)
    try:
        run(scenario.play())
    except BaseException:
        if not flash.dead:
            raise
    finally:
        board.umount()
    board.mount()
    client = Client()
    try:
        late = run(afterwards(scenario.path, client))
    finally:
        board.umount()
    check(scenario, client, late)
    return flash.dead


def lose_host(limit, torn):
    """The same over the files of a host, where the half of what is appended may arrive."""
    folder = Folder()
    power = Power(limit, torn)
    kept = journal.rename, journal.remove, journal.sync
    journal.open, journal.rename, journal.remove = power.open, power.rename, power.remove
    # Nobody pulls the plug of this host: it need not wait for its disk.
    journal.sync = lambda file: None
    scenario = Scenario(folder.place + "/outbox", power)
    try:
        run(scenario.play())
    except PowerCut:
        pass
    finally:
        del journal.open
        journal.rename, journal.remove, sync = kept
    client = Client()
    try:
        late = run(afterwards(scenario.path, client, power.dead))
    finally:
        journal.sync = sync
        folder.umount()
    check(scenario, client, late)
    return power.dead


class Power:
    """Files that count what is done to them, until the power goes."""

    def __init__(self, limit, torn):
        self.limit, self.torn, self.dead = limit, torn, False

    def spend(self):
        if self.limit == 0:
            self.dead = True
        if self.dead:
            raise PowerCut
        self.limit -= 1

    def open(self, path, mode):
        if mode == "rb":
            return open(path, mode)
        self.spend()
        return PoweredFile(self, open(path, mode, buffering=0))

    def rename(self, old, new):
        self.spend()
        os.replace(old, new)

    def remove(self, path):
        if os.path.exists(path):
            self.spend()
            os.remove(path)


class PoweredFile:
    def __init__(self, power, file):
        self.power, self.file = power, file

    def write(self, data):
        try:
            self.power.spend()
        except PowerCut:
            if self.power.torn:
                self.file.write(data[: len(data) // 2])
            raise
        return self.file.write(data)

    def flush(self):
        self.file.flush()

    def tell(self):
        return self.file.tell()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()


def check(scenario, client, late):
    receiver = Receiver()
    for message in scenario.client.sent + client.sent:
        receiver.take(message[2])
    accepted = numbers(receiver.accepted)
    assert accepted[-1] == -1, "a message after the cut was taken for an old one"
    assert accepted[:-1] == sorted(accepted[:-1]), accepted
    assert len(set(accepted)) == len(accepted), accepted
    missing = [number for number in scenario.stored if number not in accepted]
    assert not missing, missing
    values = [
        content["value"]
        for content in receiver.accepted
        if isinstance(content, dict) and "value" in content
    ]
    assert not scenario.latest or max(values) >= scenario.latest, (values, scenario.latest)
    again = [identity(message[2]) for message in late]
    assert again == sorted(again, key=lambda id_: int(id_.split("-")[1])), again
    assert not [id_ for id_ in again if id_ in scenario.over], again


def cut_everywhere(torn):
    board = Board()
    board.umount()
    limit = 0
    while lose_power(board, limit, torn):
        limit += 1
    print(f"{limit} power cuts, nothing lost")
    assert limit > 50


if MICROPYTHON:

    def test_a_cut_before_every_write():
        cut_everywhere(False)

    def test_a_cut_in_the_middle_of_every_write():
        cut_everywhere(True)

else:

    def test_a_cut_at_every_operation():
        """On CPython there is no littlefs: files whose writes are done half, or not at all."""
        for torn in (False, True):
            limit = 0
            while lose_host(limit, torn):
                limit += 1
            print(f"{limit} power cuts, nothing lost")
            assert limit > 20
