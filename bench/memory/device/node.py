"""The firmware as main.py starts it; everything else comes from outside."""

import machine  # noqa: F401 - made, as the next one, before the product is loaded
import network  # noqa: F401
import rig

rig.begin()


def run():
    import asyncio

    task = asyncio.create_task(rig.watch(asyncio, "running"))
    with open("/main.py") as file:
        main = file.read()
    exec(main, {"__name__": "__main__"})  # noqa: S102 - as a board does it
    task.cancel()


run()
