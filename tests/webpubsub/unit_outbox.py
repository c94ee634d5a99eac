"""The outbox: order, retries, policies, limits, what is dropped, and who learns it."""

import time

import webpubsub.clock as wall
import webpubsub.outbox as outboxes
from checks import equal
from outbox_rig import Client, flash, identity, run, settle
from webpubsub.errors import AckError, DeadlineError, SessionLost
from webpubsub.journal import Journal
from webpubsub.outbox import Outbox, OutboxFull


class Clock:
    """Instead of the module `time`: an hour that a test can set."""

    def __init__(self, now):
        self.now = now

    def time(self):
        return self.now - wall.EPOCH


def with_outbox(test, **options):
    """Run `test(client, outbox)` in memory."""

    async def body():
        client = Client()
        outbox = Outbox(client, **options)
        await test(client, outbox)
        await outbox.close()

    run(body())


def with_flash(test):
    """Run `test(path)` on an empty file system."""
    place = flash()
    try:
        run(test(place.place + "/outbox"))
    finally:
        place.umount()


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(kind.__name__ + " was not raised")


def with_journal(client, path, **options):
    """An Outbox, and the Journal that it has: what the flash has not seen is in `memory`."""
    made = []

    def journal(*arguments):
        made.append(Journal(*arguments))
        return made[0]

    outboxes.Journal = journal
    try:
        return Outbox(client, path, **options), made[0]
    finally:
        outboxes.Journal = Journal


# the id


def test_the_id_travels_in_every_kind_of_content():
    async def test(client, outbox):
        contents = [{"kw": 7.2}, [1, "\u20ac", None], 5, "text \u20ac\nmore", b"\x00\n\xff"]
        ids = []
        for content in contents:
            ids.append(await outbox.send_to_group("g", content))
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, contents)
        equal([identity(message[2]) for message in client.sent], ids)
        equal([message[3] for message in client.sent], ["json"] * 3 + ["text", "binary"])
        stream = ids[0].split("-")[0]
        equal(ids, [f"{stream}-{number}" for number in range(1, 6)])
        equal(len(stream), 12)

    with_outbox(test)


def test_the_callers_dict_is_left_alone():
    async def test(client, outbox):
        content = {"kw": 7.2}
        await outbox.send_to_group("g", content)
        equal(content, {"kw": 7.2})

    with_outbox(test)


def test_arguments_reach_the_client():
    async def test(client, outbox):
        await outbox.send_to_group("gr\u00fcn", "x", no_echo=True)
        await outbox.send_event("status", "x")
        await outbox.send_to_group("g", "x", "json")
        client.connect("c1")
        await outbox.flush(5)
        equal(
            [m[:2] + m[3:] for m in client.sent],
            [
                ("group", "gr\u00fcn", "text", True),
                ("event", "status", "text", False),
                ("group", "g", "json", False),
            ],
        )

    with_outbox(test)


def test_wrong_content_is_refused_at_once():
    async def test(client, outbox):
        await raises(ValueError, outbox.send_to_group("g", {"x": float("nan")}))
        await raises(ValueError, outbox.send_to_group("g", {"_id": 1}))
        await raises(ValueError, outbox.send_to_group("g", "x", "protobuf"))
        await raises(TypeError, outbox.send_to_group("g", {"x": b"bytes"}))
        await raises(TypeError, outbox.send_to_group("g", b"x", "text"))
        await raises(ValueError, outbox.send_to_group("g", 1, policy="newest"))
        await raises(ValueError, outbox.send_to_group("g", 1, policy="latest"))
        await raises(ValueError, outbox.send_to_group("g", 1, key="k"))
        await raises(ValueError, outbox.send_to_group("g", 1, policy="latest", key="k" * 256))
        await raises(ValueError, outbox.send_to_group("g", 1, expires=-1))
        await raises(ValueError, outbox.send_to_group("g", "x" * 600))
        equal(outbox.waiting, 0)

    with_outbox(test, size=600)


# delivery


def test_order_over_many():
    async def test(client, outbox):
        for number in range(50):
            await outbox.send_to_group("g", number)
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, list(range(50)))
        equal((outbox.delivered, outbox.dropped, outbox.waiting), (50, {}, 0))

    with_outbox(test)


def test_a_connected_client_sends_at_once():
    async def test(client, outbox):
        client.connect("c1")
        await outbox.send_to_group("g", 1)
        await settle()
        equal(client.contents, [1])

    with_outbox(test)


def test_the_same_ack_id_while_the_session_lives():
    async def test(client, outbox):
        client.answers = [DeadlineError("no ack")]
        client.connect("c1")
        await outbox.send_to_group("g", 1)
        await outbox.flush(5)
        equal(len(client.attempts), 2)
        equal(client.attempts[0][:2], client.attempts[1][:2])

    with_outbox(test)


def test_the_same_ack_id_after_a_recovery_and_another_in_a_new_session():
    async def test(client, outbox):
        client.answers = ["cut", "lost"]
        client.connect("c1")
        await outbox.send_to_group("g", 1)
        await settle()
        client.connect()
        await settle()
        client.connect("c2")
        await outbox.flush(5)
        first, second, third = [attempt[:2] for attempt in client.attempts]
        equal(first, second)
        equal(third[0], "c2")
        assert third[1] != first[1]
        equal(client.contents, [1, 1])
        equal(identity(client.sent[0][2]), identity(client.sent[1][2]))

    with_outbox(test)


def test_a_lost_session_blocks_nothing():
    async def test(client, outbox):
        client.answers = [SessionLost("unknown"), None]
        client.connect("c1")
        await outbox.send_to_group("g", 1)
        await outbox.send_to_group("g", 2)
        await outbox.flush(5)
        equal(client.contents, [1, 2])

    with_outbox(test)


def test_what_is_refused_is_dropped_with_an_event():
    async def test(client, outbox):
        client.answers = [AckError("Forbidden", "no role"), AckError("SomethingNew", ""), None]
        ids = []
        for number in range(3):
            ids.append(await outbox.send_to_group("g", number))
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, [2])
        equal(outbox.dropped, {"refused": 2})
        drops = [event for name, event in client.events if name == "outbox-dropped"]
        equal([event["id"] for event in drops], ids[:2])
        equal([event["error"].name for event in drops], ["Forbidden", "SomethingNew"])

    with_outbox(test)


def test_a_failing_handler_is_asked_again():
    async def test(client, outbox):
        client.answers = [AckError("InternalServerError", "")]
        client.connect("c1")
        await outbox.send_event("e", 1)
        await outbox.flush(5)
        equal(client.contents, [1])
        # With the same id: the service may have done it after all.
        equal(client.attempts[0][:2], client.attempts[1][:2])

    with_outbox(test)


def test_a_handler_that_fails_for_ever_does_not_block():
    async def test(client, outbox):
        client.answers = [AckError("InternalServerError", "")] * 2
        client.connect("c1")
        await outbox.send_event("e", 1)
        await outbox.send_event("e", 2)
        await outbox.flush(10)
        equal((client.contents, outbox.dropped), ([2], {"refused": 1}))

    with_outbox(test, attempts=2)


def test_a_message_that_closes_the_connection_does_not_block():
    async def test(client, outbox):
        await outbox.send_to_group("g", "poison")
        await outbox.send_to_group("g", "good")
        for number in range(3):
            client.answers = ["poison"]
            client.connect(f"c{number}")
            await settle()
        client.connect("last")
        await outbox.flush(5)
        equal((client.contents, outbox.dropped), (["good"], {"refused": 1}))

    with_outbox(test, attempts=3)


# limits and policies


def test_full_of_what_must_be_kept():
    async def test(client, outbox):
        for number in range(3):
            await outbox.send_to_group("g", number)
        error = await raises(OutboxFull, outbox.send_to_group("g", 3))
        equal(str(error), "3 messages wait, and none of them may go")
        await raises(OutboxFull, outbox.send_to_group("g", 3, policy="drop-oldest"))
        equal((outbox.waiting, outbox.dropped), (3, {}))

    with_outbox(test, messages=3)


def test_full_by_size():
    async def test(client, outbox):
        await outbox.send_to_group("g", "x" * 300)
        await raises(OutboxFull, outbox.send_to_group("g", "y" * 300))
        await outbox.send_to_group("g", "z")
        equal(outbox.waiting, 2)

    with_outbox(test, size=600)


def test_drop_oldest_makes_room_for_anything():
    async def test(client, outbox):
        await outbox.send_to_group("g", "keep")
        for number in range(4):
            await outbox.send_to_group("g", number, policy="drop-oldest")
        await outbox.send_to_group("g", "keep too")
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, ["keep", 3, "keep too"])
        equal((outbox.dropped, client.drops()), ({"full": 3}, ["full"] * 3))

    with_outbox(test, messages=3)


def test_latest_per_key():
    async def test(client, outbox):
        for number in range(3):
            await outbox.send_to_group("g", number, policy="latest", key="a")
            await outbox.send_to_group("g", -number, policy="latest", key="b")
        await outbox.send_to_group("g", "other")
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, [2, -2, "other"])
        # What was delivered is no longer there to be replaced.
        client.disconnect()
        await outbox.send_to_group("g", 3, policy="latest", key="a")
        equal((outbox.dropped, outbox.waiting), ({"replaced": 4}, 1))

    with_outbox(test)


def test_latest_replaces_itself_in_a_full_outbox():
    async def test(client, outbox):
        await outbox.send_to_group("g", "keep")
        for number in range(3):
            await outbox.send_to_group("g", number, policy="latest", key="a")
        equal((outbox.waiting, outbox.dropped), (2, {"replaced": 2}))

    with_outbox(test, messages=2)


def test_wrong_arguments_are_named():
    async def test(client, outbox):
        for seconds in (0, 0.0, float("nan"), float("inf"), 2**32, 2**32 + 1, 2**32 - 0.5, 1e10):
            error = await raises(ValueError, outbox.send_to_group("g", 1, expires=seconds))
            assert "expires" in str(error)
        for seconds in ("60", b"60", [60]):
            error = await raises(TypeError, outbox.send_to_group("g", 1, expires=seconds))
            assert "expires" in str(error)
        for name in (5, None, b"g"):
            assert "group" in str(await raises(TypeError, outbox.send_to_group(name, 1)))
            assert "event" in str(await raises(TypeError, outbox.send_event(name, 1)))
        for key in (5, b"k", ["k"]):
            sending = outbox.send_to_group("g", 1, policy="latest", key=key)
            assert "key" in str(await raises(TypeError, sending))
        equal((outbox.waiting, client.outboxes), (0, [outbox]))

    with_outbox(test)


def test_halves_of_surrogate_pairs_are_stored_as_text():
    async def test(client, outbox):
        pair, emoji = "\ud83d\ude00", "\U0001f600"
        await outbox.send_to_group("g" + pair, pair)
        await outbox.send_event("e\ud83d", {"a": [pair, "\ude00"]}, policy="latest", key=pair)
        client.connect("c1")
        await outbox.flush(5)
        equal([m[1] for m in client.sent], ["g" + emoji, "e\ufffd"])
        equal(client.contents, [emoji, {"a": [emoji, "\ufffd"]}])

    with_outbox(test)


def test_larger_items_are_stored_whole():
    from array import array

    async def test(client, outbox):
        samples = array("H", [258, 772])
        for content in (samples, memoryview(samples)):
            await outbox.send_to_group("g", content, "binary")
        await raises(TypeError, outbox.send_to_group("g", 5, "binary"))
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, 2 * [b"\x02\x01\x04\x03"])

    with_outbox(test)


def test_what_is_under_way_is_not_replaced():
    async def test(client, outbox):
        client.answers = ["hang"]
        client.connect("c1")
        await outbox.send_to_group("g", 1, policy="latest", key="a")
        await settle()
        await outbox.send_to_group("g", 2, policy="latest", key="a")
        await outbox.send_to_group("g", 3, policy="latest", key="a")
        equal((outbox.waiting, outbox.dropped), (2, {"replaced": 1}))

    with_outbox(test)


def test_expired():
    async def test(client, outbox):
        wall.time = clock = Clock(1800000000)
        try:
            await outbox.send_to_group("g", "short", expires=60)
            await outbox.send_to_group("g", "long", expires=600)
            await outbox.send_to_group("g", "for ever")
            clock.now += 60
            client.connect("c1")
            await outbox.flush(5)
        finally:
            wall.time = time
        equal((client.contents, client.drops()), (["long", "for ever"], ["expired"]))

    with_outbox(test)


def test_a_fraction_of_a_second_expires():
    async def test(client, outbox):
        wall.time = clock = Clock(1800000000)
        try:
            await outbox.send_to_group("g", "half", expires=0.5)
            await outbox.send_to_group("g", "two", expires=1.25)
            await outbox.send_to_group("g", "very long", expires=2**32 - 2)
            clock.now += 1
            client.connect("c1")
            await outbox.flush(5)
        finally:
            wall.time = time
        equal((client.contents, client.drops()), (["two", "very long"], ["expired"]))

    with_outbox(test)


def test_the_expired_make_room():
    async def test(client, outbox):
        wall.time = clock = Clock(1800000000)
        try:
            await outbox.send_to_group("g", 1, expires=60)
            await raises(OutboxFull, outbox.send_to_group("g", 2))
            clock.now += 61
            await outbox.send_to_group("g", 2)
        finally:
            wall.time = time
        equal((outbox.waiting, outbox.dropped), (1, {"full": 1}))

    with_outbox(test, messages=1)


def test_a_clock_that_is_set_while_a_message_waits_does_not_expire_it():
    async def test(client, outbox):
        wall.time = clock = Clock(946684800 + 5)
        try:
            await outbox.send_to_group("g", 1, expires=60)
            await outbox.send_to_group("g", 2, expires=600)
            clock.now = 1800000000
            # It looks for what may go, and nothing has expired.
            await raises(OutboxFull, outbox.send_to_group("g", 3))
            clock.now += 60
            client.connect("c1")
            await outbox.flush(5)
        finally:
            wall.time = time
        equal(client.contents, [2])

    with_outbox(test, messages=2)


# waiting


def test_flush_has_a_deadline():
    async def test(client, outbox):
        await outbox.send_to_group("g", 1)
        error = await raises(DeadlineError, outbox.flush(0.01))
        equal(str(error), "1 durable messages still wait")
        equal(outbox.waiting, 1)

    with_outbox(test)


def test_after_close_nothing_is_sent():
    async def test(client, outbox):
        await outbox.send_to_group("g", 1)
        await outbox.close()
        client.connect("c1")
        await settle()
        equal((client.sent, client.outboxes), ([], []))
        await raises(RuntimeError, outbox.send_to_group("g", 2))

    with_outbox(test)


# with a journal


def test_what_is_acknowledged_in_time_is_never_written():
    async def test(path):
        client = Client()
        outbox = Outbox(client, path, delay=60)
        client.connect("c1")
        await outbox.send_to_group("g", 0)
        await outbox.flush(5)
        with open(path, "rb") as file:
            before = file.read()
        for number in range(1, 20):
            await outbox.send_to_group("g", number)
        await outbox.flush(5)
        with open(path, "rb") as file:
            equal(file.read(), before)
        equal(client.contents, list(range(20)))
        await outbox.close()

    with_flash(test)


def test_send_waits_for_the_flash_but_not_longer_than_the_delay():
    async def test(path):
        client = Client()
        outbox, journal = with_journal(client, path, delay=0.05)
        await outbox.send_to_group("g", 1, wait=False)
        equal((len(journal.memory), outbox.waiting), (1, 1))
        await outbox.send_to_group("g", 2)
        equal((len(journal.memory), outbox.waiting), (0, 2))
        await outbox.send_to_group("g", 3, wait=False)
        await outbox.stored()
        equal((len(journal.memory), outbox.waiting), (0, 3))
        await outbox.send_to_group("g", "x" * 2100, wait=False)
        equal((len(journal.memory), outbox.waiting), (0, 4))
        await outbox.close()

    with_flash(test)


def test_all_of_it_comes_back():
    async def test(path):
        client = Client()
        outbox = Outbox(client, path)
        ids = []
        for number in range(3):
            ids.append(await outbox.send_to_group("g", number, no_echo=True, wait=False))
            ids.append(await outbox.send_event("e", b"\xff\x00", wait=False))
        await outbox.send_to_group("g", 8, policy="latest", key="k", wait=False)
        await outbox.close()
        client = Client()
        outbox = Outbox(client, path)
        equal(outbox.waiting, 7)
        ids.append(await outbox.send_to_group("g", 9, policy="latest", key="k", wait=False))
        client.connect("c1")
        await outbox.flush(5)
        equal([identity(message[2]) for message in client.sent], ids)
        equal(client.contents, [0, b"\xff\x00", 1, b"\xff\x00", 2, b"\xff\x00", 9])
        equal((outbox.waiting, outbox.dropped), (0, {"replaced": 1}))
        await outbox.close()

    with_flash(test)


def test_numbers_never_come_twice():
    place, seen = flash(), []

    async def life():
        client = Client()
        outbox = Outbox(client, place.place + "/outbox")
        client.connect("c1")
        seen.append(await outbox.send_to_group("g", 1))
        seen.append(await outbox.send_to_group("g", 2))
        # No close: the power goes, and with it all tasks. The one that was on the flash may come
        # again.
        equal(client.contents[-2:], [1, 2])

    try:
        for _ in range(5):
            run(life())
        numbers = [int(each.split("-")[1]) for each in seen]
        equal(numbers, sorted(set(numbers)))
        equal(len({each.split("-")[0] for each in seen}), 1)
    finally:
        place.umount()


def test_the_file_stays_small():
    async def test(path):
        client = Client()
        outbox = Outbox(client, path, size=1000, delay=60)
        largest = 0
        for _ in range(60):
            await outbox.send_to_group("g", "x" * 50, policy="drop-oldest", wait=False)
            await outbox.stored()
            with open(path, "rb") as file:
                largest = max(largest, len(file.read()))
        assert largest <= 2200, largest
        assert 10 <= outbox.waiting <= 12, outbox.waiting
        client.connect("c1")
        await outbox.flush(5)
        with open(path, "rb") as file:
            assert len(file.read()) < 128
        await outbox.close()

    with_flash(test)


def test_two_outboxes_on_one_client():
    async def test(path):
        client = Client()
        first, second = Outbox(client, path), Outbox(client)
        await first.send_to_group("g", 1, wait=False)
        await second.send_to_group("g", 2)
        client.connect("c1")
        await first.flush(5)
        await second.flush(5)
        equal(sorted(client.contents), [1, 2])
        await first.close()
        await second.close()

    with_flash(test)


def test_a_flash_that_is_full():
    async def test(path):
        client = Client()
        outbox, journal = with_journal(client, path, delay=0.01)
        await outbox.send_to_group("g", 1)

        def refuse():
            raise OSError(28)

        write, journal.write = journal.write, refuse
        error = await raises(OutboxFull, outbox.send_to_group("g", 2))
        assert "28" in str(error), error
        await outbox.send_to_group("g", 3, wait=False)
        await raises(OutboxFull, outbox.stored())
        equal((outbox.waiting, outbox.dropped), (1, {"full": 2}))
        journal.write = write
        await outbox.send_to_group("g", 4)
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, [1, 4])
        await outbox.close()

    with_flash(test)


def test_a_flash_that_is_full_with_many_in_memory():
    async def test(path):
        client = Client()
        outbox, journal = with_journal(client, path, delay=60)
        await outbox.send_to_group("g", 0, wait=False)
        await outbox.stored()

        def refuse():
            raise OSError(28)

        write, journal.write = journal.write, refuse
        ids = []
        for number in range(5):
            ids.append(await outbox.send_to_group("g", [number, "x" * 1000], wait=False))
        error = await raises(OutboxFull, outbox.send_to_group("g", "x" * 2100))
        assert "28" in str(error), error
        equal((outbox.waiting, outbox.dropped), (1, {"full": 6}))
        drops = [event for name, event in client.events if name == "outbox-dropped"]
        equal([event["id"] for event in drops][:5], ids)
        journal.write = write
        client.connect("c1")
        await outbox.flush(5)
        equal(client.contents, [0])
        await outbox.close()
        with open(path, "rb") as file:
            assert len(file.read()) < 128, "nothing of what was dropped"

    with_flash(test)
