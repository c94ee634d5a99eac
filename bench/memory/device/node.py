"""The firmware as main.py starts it; everything else comes from outside."""

import machine  # noqa: F401 - made, as the next one, before the product is loaded
import network  # noqa: F401
import rig

rig.begin()


def run():
    import asyncio

    from firmware.node import start

    rig.show("imported")
    task = asyncio.create_task(rig.watch(asyncio, "running"))
    start("/hub")
    task.cancel()


run()
