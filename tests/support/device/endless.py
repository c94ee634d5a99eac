"""Runs a coroutine that has no end for as long as a test needs it; on both interpreters."""

import asyncio


async def turns(count):
    """Let everything that is ready go on, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def stop(task):
    """Cancel a task, and wait until it is over."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


def run_turns(coroutine, count):
    """Run it for so many turns of the event loop."""

    async def work():
        task = asyncio.create_task(coroutine)
        await turns(count)
        await stop(task)

    asyncio.run(work())


def run_until(coroutine, condition, say=lambda: "", limit=200000):
    """Run it until a condition holds; fails after `limit` turns of the loop, with `say()`."""

    async def work():
        task = asyncio.create_task(coroutine)
        for _ in range(limit):
            if condition():
                break
            await asyncio.sleep(0)
        else:
            raise AssertionError("never happened; " + say())
        await stop(task)

    asyncio.run(work())
