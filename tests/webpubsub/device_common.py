"""What the device scripts share, on both interpreters."""

import asyncio
import gc
import os
import sys


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def settled(expected):
    """Wait until no more descriptors are open than expected; CPython closes some later."""
    for _ in range(100):
        if descriptors() <= expected:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(str(descriptors()) + " descriptors instead of " + str(expected))


async def fails(kind, awaitable):
    """Await and return the exception, which must be of this kind."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(kind.__name__ + " was not raised")


async def checked(tests):
    """Run (name, coroutine function) pairs within a deadline each, until one fails."""
    for name, test in tests:
        gc.collect()
        try:
            await asyncio.wait_for(test(), 30)
        except BaseException:
            print("FAIL", name)
            raise


def main(namespace):
    """Run all test_ functions of a script and print OK."""
    tests = sorted((name, test) for name, test in namespace.items() if name.startswith("test_"))
    only = sys.argv[-1] if sys.argv[-1].startswith("test_") else ""
    tests = [pair for pair in tests if only in pair[0]]
    asyncio.run(checked(tests))
    print("OK", len(tests))
