"""Cancels a task at the n-th of its awaits, on both interpreters."""

import asyncio

try:
    from types import coroutine as awaitable
except ImportError:  # MicroPython's generators are awaitable

    def awaitable(generator):
        return generator


@awaitable
def stepped(coroutine, at, reach):
    """Awaitable: a coroutine; `reach` is called when it waits for the `at`-th time."""
    count = 0
    error = None
    while True:
        try:
            waits = coroutine.throw(error) if error else coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        error = None
        count += 1
        if count == at:
            reach()
        try:
            yield waits
        except BaseException as thrown:  # noqa: BLE001 the coroutine's
            error = thrown


async def cancelled_at(at, coroutine):
    """Run a coroutine as a task that is cancelled when it waits for the `at`-th time.

    Returns what became of it, its result in a tuple or an exception, and whether it waited so
    often.
    """
    reached = []

    def reach():
        reached.append(asyncio.create_task(cancel()))

    async def cancel():
        task.cancel()

    async def run():
        try:
            return (await stepped(coroutine, at, reach),)
        except BaseException as error:  # noqa: BLE001 looked at by the caller
            return error

    task = asyncio.create_task(run())
    while not task.done():
        await asyncio.sleep(0.001)
    return await task, bool(reached)


async def cancelled_after(turns, coroutine):
    """Run a coroutine as a task that is cancelled after so many turns of the loop; as above."""

    async def run():
        try:
            return (await coroutine,)
        except BaseException as error:  # noqa: BLE001 looked at by the caller
            return error

    task = asyncio.create_task(run())
    await asyncio.sleep(0)  # so that it has begun
    for _ in range(turns):
        await asyncio.sleep(0 if turns < 20 else 0.001)
    reached = not task.done()
    task.cancel()
    while not task.done():
        await asyncio.sleep(0.001)
    return await task, reached


async def each_await(scenario, most=60):
    """Call `scenario(at)` for 1, 2, 3 ... until it says False; returns how many there were."""
    for at in range(1, most):
        if not await scenario(at):
            return at - 1
    raise AssertionError("there was no end to it")


async def _for_ever():
    await asyncio.sleep(60)


async def let_out(awaits=1):
    """Let a CancelledError out that nobody meant for the running task."""
    for _ in range(awaits):
        await asyncio.sleep(0)
    task = asyncio.create_task(_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await task
