"""The queue between the connection and the program."""

import asyncio

from checks import equal, raises
from webpubsub.errors import Stopped
from webpubsub.inbox import Inbox


class Item:
    """As much of a message as the inbox needs."""

    def __init__(self, sequence_id):
        self.sequence_id = sequence_id


def filled(count=3, size=10, messages=4, room=100):
    inbox = Inbox(messages, room)
    for number in range(count):
        inbox.put(Item(number), size)
    return inbox


async def _get(inbox, seconds=5):
    await asyncio.wait_for(inbox.ready(), seconds)
    item, sequence_id = inbox.take()
    equal(sequence_id, item.sequence_id)
    return sequence_id


def get(inbox):
    return asyncio.run(_get(inbox))


def test_in_order():
    inbox = filled()
    equal([get(inbox) for _ in range(3)], [0, 1, 2])


def test_bounded_by_count():
    inbox = filled(3, 1)
    assert inbox.fits(1)
    inbox.put(Item(3), 1)
    assert not inbox.fits(1)
    get(inbox)
    assert inbox.fits(1)


def test_bounded_by_bytes():
    inbox = filled(2, 40)
    assert inbox.fits(20)
    assert not inbox.fits(21)
    get(inbox)
    assert inbox.fits(60)


def test_one_message_always_fits():
    assert Inbox(1, 10).fits(1000)
    inbox = Inbox(4, 10)
    inbox.put(Item("large"), 1000)
    assert not inbox.fits(1)


def test_the_oldest_goes_first():
    inbox = filled(4, 25)
    assert not inbox.fits(25)
    equal(inbox.take()[1], 0)
    assert inbox.fits(25)
    equal(get(inbox), 1)


def test_get_waits():
    async def main():
        inbox = Inbox(4, 100)

        async def later():
            await asyncio.sleep(0.01)
            inbox.put(Item("x"), 1)

        task = asyncio.create_task(later())
        equal(await _get(inbox), "x")
        await task

    asyncio.run(main())


def test_a_get_that_was_cancelled_takes_nothing():
    async def main():
        inbox = Inbox(4, 100)
        try:
            await _get(inbox, 0.01)
        except asyncio.TimeoutError:
            pass
        inbox.put(Item("x"), 1)
        equal(await _get(inbox), "x")

    asyncio.run(main())


def test_the_end_comes_at_once_when_it_is_wanted():
    inbox = filled()
    inbox.end()
    for _ in range(2):
        raises(StopAsyncIteration, get, inbox)


def test_what_was_received_comes_before_an_error():
    inbox = filled(2)
    inbox.end(Stopped("why"))
    equal([get(inbox), get(inbox)], [0, 1])
    for _ in range(2):
        equal(raises(Stopped, get, inbox).reason, "why")


def test_the_end_wakes_who_waits():
    async def main():
        inbox = Inbox(4, 100)

        async def later():
            await asyncio.sleep(0.01)
            inbox.end(Stopped("x"))

        task = asyncio.create_task(later())
        try:
            await _get(inbox)
            raise AssertionError("it went on")
        except Stopped:
            pass
        await task

    asyncio.run(main())


def test_reopened_it_is_empty():
    inbox = filled(4, 25)
    inbox.end()
    inbox.reopen()
    inbox.put(Item("new"), 90)
    equal(get(inbox), "new")


def test_ids_of_a_lost_session_mean_nothing():
    inbox = filled(2)
    inbox.lost()
    inbox.put(Item(0), 10)
    found = [inbox.take() for _ in range(3)]
    equal([item.sequence_id for item, _ in found], [0, 1, 0])
    equal([sequence_id for _, sequence_id in found], [None, None, 0])
    inbox = filled(2)
    inbox.lost()
    inbox.reopen()
    inbox.put(Item(5), 10)
    equal(inbox.take()[1], 5)


async def _drained(inbox, seconds=0.05):
    try:
        await asyncio.wait_for(inbox.drained(), seconds)
        return True
    except asyncio.TimeoutError:
        return False


def drained(inbox):
    return asyncio.run(_drained(inbox))


def test_drained_when_half_is_free():
    assert drained(Inbox(4, 100))
    assert drained(filled(1))
    assert drained(filled(2))
    assert not drained(filled(3))
    assert not drained(filled(2, 40))
    inbox = filled(4)
    get(inbox)
    get(inbox)
    assert drained(inbox)
    inbox.put(Item("x"), 10)
    assert not drained(inbox)


def test_drained_waits():
    async def main():
        inbox = filled(4)

        async def later():
            await asyncio.sleep(0.01)
            await _get(inbox)
            await _get(inbox)

        task = asyncio.create_task(later())
        assert await _drained(inbox, 5)
        await task

    asyncio.run(main())
