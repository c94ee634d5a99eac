"""Which exceptions end a task: its own cancellation, and not that of what it waits for."""

import asyncio

from checks import equal
from webpubsub.stream import ends_task


class Worker:
    """A loop of the kind that clients and firmware have, over a function of the user's."""

    def __init__(self, function):
        self.errors = []
        self.function = function
        self.tasks = [asyncio.create_task(self.run())]
        self.task = self.tasks[0]
        self.ended = None

    async def run(self):
        try:
            while True:
                try:
                    await self.function()
                except BaseException as error:
                    if ends_task(error, self.tasks):
                        raise
                    self.errors.append(type(error))
                await asyncio.sleep(0.01)
        except asyncio.CancelledError as error:
            self.ended = type(error)

    async def cancel(self):
        # As whoever keeps tasks has to: out of the list first.
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        while self.ended is None:
            await asyncio.sleep(0.005)
        equal(self.ended, asyncio.CancelledError)


async def for_ever():
    await asyncio.sleep(60)


async def cancelled():
    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await task


async def cancelled_in_a_wait():
    await asyncio.wait_for(cancelled(), 5)


async def wrong():
    raise ValueError


def run(test):
    asyncio.run(asyncio.wait_for(test(), 10))


def goes_on_and_ends_when_told(function, kind):
    async def test():
        worker = Worker(function)
        while len(worker.errors) < 2:
            await asyncio.sleep(0.005)
        assert all(issubclass(error, kind) for error in worker.errors)
        await worker.cancel()

    run(test)


def test_an_error():
    goes_on_and_ends_when_told(wrong, ValueError)


def test_a_cancellation_of_what_it_waits_for():
    goes_on_and_ends_when_told(cancelled, asyncio.CancelledError)
    goes_on_and_ends_when_told(cancelled_in_a_wait, asyncio.CancelledError)


def test_its_own_cancellation_wherever_it_waits():
    async def in_a_task():
        # MicroPython hands the cancellation on to it.
        await asyncio.create_task(for_ever())

    async def in_a_wait():
        await asyncio.wait_for(for_ever(), 30)

    async def test():
        for function in (for_ever, in_a_task, in_a_wait):
            worker = Worker(function)
            await asyncio.sleep(0.02)
            equal(worker.errors, [])
            await worker.cancel()
            equal(worker.errors, [])

    run(test)


def test_what_is_no_error():
    async def test():
        for kind in (KeyboardInterrupt, SystemExit):
            equal(ends_task(kind(), []), True)
            equal(ends_task(kind(), [asyncio.current_task()]), True)
        equal(ends_task(OSError(5), []), False)

    run(test)
