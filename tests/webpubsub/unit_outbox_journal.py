"""The journal's file: damage of every byte, an end at every byte, other versions, no file."""

import os

import webpubsub.journal as module
from checks import equal, raises
from outbox_rig import MICROPYTHON, Client, flash, run
from webpubsub.journal import Journal
from webpubsub.outbox import Outbox, OutboxFull

LIMIT = 4096


def with_flash(test):
    """Run `test(path)` on an empty file system."""
    place = flash()
    try:
        test(place.place + "/outbox")
    finally:
        place.umount()


def body(number, text=b"message"):
    return number.to_bytes(4, "little") + bytes(12) + text


def opened(path):
    """A journal whose messages are counted, as an outbox does."""
    journal = Journal(path, LIMIT)
    journal.found = []

    def count(head, size):
        journal.count += 1
        journal.size += size
        journal.found.append(int.from_bytes(head[:4], "little"))

    journal.find(count)
    return journal


def put(journal, *bodies):
    """Write messages that were given their numbers, as an outbox does."""
    for each in bodies:
        journal.memory.append(each)
        journal.count += 1
        journal.size += len(each)
        journal.next = max(journal.next, int.from_bytes(each[:4], "little") + 1)
    journal.write()


def over(journal, number, text=b"message"):
    journal.over(number, len(body(number, text)))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def written(path):
    """A file of two batches and a mark; its content, and where each of its records begins."""
    journal = opened(path)
    put(journal, body(1, b"first"), body(2, b"second"))
    journal.find()
    over(journal, 1, b"first")
    put(journal, body(3, b"third \xa5\x4d\x05\x00"), body(4, b"fourth"))
    data = read(path)
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += 8 + int.from_bytes(data[at + 2 : at + 4], "little")
    equal(at, len(data))
    equal([data[at + 1 : at + 2] for at in starts], [b"O", b"M", b"M", b"M", b"M", b"D"])
    starts.append(at)
    return data, starts


def test_no_file():
    def test(path):
        journal = opened(path)
        equal((journal.count, journal.reserved, journal.damage), (0, 1, 0))
        equal(journal.find(), None)
        equal(len(journal.stream), 6)

    with_flash(test)


def test_what_was_written_is_there():
    def test(path):
        stream = None
        journal = opened(path)
        stream = journal.stream
        put(journal, body(1), body(2), body(3))
        equal(journal.find(), body(1))
        over(journal, 1)
        over(journal, 3)
        equal((journal.count, journal.find()), (1, body(2)))
        put(journal)
        again = opened(path)
        equal((again.found, again.stream, again.reserved), ([2], stream, 260))
        equal((again.count, again.size, again.damage), (1, len(body(2)), 0))

    with_flash(test)


def test_an_end_at_every_byte():
    def test(path):
        data, starts = written(path)
        for end in range(len(data)):
            write(path, data[:end])
            journal = opened(path)
            complete = sum(start <= end for start in starts) - 1  # records
            expected = [number for number in (1, 2, 3, 4) if number < complete]
            equal(journal.found, expected)
            equal(journal.damage, 0 if end in starts else 1)
            # It goes on: what is new is there the next time, beside what was.
            upcoming = journal.reserved
            put(journal, body(upcoming))
            expected.append(upcoming)
            equal(opened(path).found, expected)
            assert upcoming > (4 if complete > 4 else 0)

    with_flash(test)


def test_every_byte_damaged():
    def test(path):
        data, starts = written(path)
        for at in range(len(data)):
            damaged = bytearray(data)
            damaged[at] ^= 0x5A
            write(path, damaged)
            journal = opened(path)
            record = sum(start <= at for start in starts) - 1
            expected = [2, 3, 4]
            if record == 5:
                expected = [1, 2, 3, 4]  # the mark is lost: what was over comes again
            elif record > 1:
                expected.remove(record)
            equal((at, journal.found), (at, expected))
            assert journal.damage >= 1
            # No number that was ever given away is used again.
            assert journal.reserved > 261
            put(journal)
            again = opened(path)
            equal((again.found, again.damage), (expected, 0))

    with_flash(test)


def test_another_version_is_kept_aside():
    def test(path):
        written(path)
        module.VERSION = 2
        try:
            journal = opened(path)
        finally:
            module.VERSION = 1
        equal((journal.found, journal.damage), ([], 1))
        put(journal, body(journal.reserved))
        old = opened(path + ".old")
        equal(old.found, [2, 3, 4])

    with_flash(test)


def test_a_file_of_somebody_else_is_kept_aside():
    def test(path):
        write(path, b'{"this": "is not a journal"}' * 20)
        journal = opened(path)
        equal((journal.found, journal.damage), ([], 1))
        put(journal, body(journal.reserved))
        equal(read(path + ".old"), b'{"this": "is not a journal"}' * 20)

    with_flash(test)


def test_a_new_file_that_was_not_finished_is_removed():
    def test(path):
        data, _ = written(path)
        write(path + ".new", b"half")
        equal(opened(path).found, [2, 3, 4])
        assert "outbox.new" not in os.listdir(path[: path.rindex("/")])
        equal(read(path), data)

    with_flash(test)


def test_a_folder_in_its_place():
    def test(path):
        os.mkdir(path)
        raises(OSError, Journal, path, LIMIT)
        os.rmdir(path)

    with_flash(test)


def bytes_read(path):
    """Open a damaged journal; how often it is read from, and how many bytes in all."""
    calls = []

    class File:
        def __init__(self, path, mode):
            self.file = builtins_open(path, mode)
            self.seek = self.file.seek

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            self.file.close()

        def read(self, size):
            data = self.file.read(size)
            calls.append(len(data))
            return data

    builtins_open = open
    module.open = File
    try:
        journal = opened(path)
    finally:
        del module.open
    return journal, len(calls), sum(calls)


def test_reading_damage_takes_time_in_proportion():
    """What looks like incomplete records must not be read for each of its bytes."""
    size = 12000

    def test(path):
        data, starts = written(path)
        head = data[: starts[2]]
        tail = data[starts[2] : starts[5]]
        for filler, behind in (
            (b"\xa5", [2, 3, 4]),
            (b"\xa5\x00\x10\x00", [2, 3, 4]),
            (bytes(1), [2, 3, 4]),
            # A record that ends near the end of the file, at every second byte.
            (b"\xa5M\x00\x20", []),
            (b"\xa5M\x08\x00", []),
            (b"\xa5D", []),
        ):
            write(path, head + filler * (size // len(filler)) + tail)
            journal, reads, total = bytes_read(path)
            equal((filler, journal.found[1:]), (filler, behind))
            equal(journal.damage, 1)
            assert reads < 3000, (filler, reads)
            assert total < 25 * size, (filler, total)
            put(journal)
            again = opened(path)
            equal((again.found, again.damage), (journal.found, 0))

    with_flash(test)


def test_damage_is_told():
    async def test(path):
        client = Client()
        outbox = Outbox(client, path)
        for number in range(3):
            await outbox.send_to_group("g", number, wait=False)
        await outbox.close()
        data = bytearray(read(path))
        data[data.index(b'"data":1') + 7] ^= 1
        write(path, data)
        client = Client()
        outbox = Outbox(client, path)
        client.connect("c1")
        await outbox.flush(5)
        equal(sorted(client.contents), [0, 2])
        equal(outbox.dropped, {"damaged": 1})
        equal(client.drops(), ["damaged"])
        await outbox.close()

    with_flash(lambda path: run(test(path)))


def test_damage_while_it_runs():
    async def test(path):
        client = Client()
        outbox = Outbox(client, path)
        for number in range(3):
            await outbox.send_to_group("g", number, wait=False)
        await outbox.stored()
        data = bytearray(read(path))
        for at in range(len(data)):
            data[at] = 0
        write(path, data)
        client.connect("c1")
        await outbox.flush(5)
        equal((client.contents, outbox.waiting), ([], 0))
        await outbox.send_to_group("g", 3)
        await outbox.flush(5)
        equal(client.contents, [3])
        equal(outbox.dropped, {"damaged": 1})
        await outbox.close()

    with_flash(lambda path: run(test(path)))


if MICROPYTHON:

    def test_a_full_file_system():
        """On 8 blocks: others take all but two of them."""

        async def test(path):
            folder = path[: path.rindex("/")]
            client = Client()
            outbox = Outbox(client, path, size=40000, messages=1000, delay=60)
            await outbox.send_to_group("g", -1, wait=False)
            await outbox.stored()
            free = os.statvfs(folder)[3]
            write(folder + "/ballast", bytes(4096 * (free - 3)))
            stored = []
            error = None
            while error is None:
                await outbox.send_to_group("g", [len(stored), "x" * 200], wait=False)
                try:
                    await outbox.stored()
                    stored.append(len(stored))
                except OutboxFull as found:
                    error = found
            assert "28" in str(error), error
            assert 5 < len(stored) < 99, stored
            equal((outbox.waiting, outbox.dropped), (1 + len(stored), {"full": 1}))
            again = Outbox(Client(), path, size=40000)
            equal(again.waiting, 1 + len(stored))
            os.remove(folder + "/ballast")
            await outbox.send_to_group("g", "room again", wait=False)
            await outbox.stored()
            client.connect("c1")
            await outbox.flush(5)
            equal(len(client.contents), 2 + len(stored))
            await outbox.close()

        with_flash(lambda path: run(test(path)))
