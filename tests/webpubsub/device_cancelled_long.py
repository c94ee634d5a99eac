"""Run on a device against the commanded service: long sends that are cancelled at each await.

In a process of its own: the rest of the kind (device_cancelled.py) makes Python's heap grow, and a
chip then has no memory left to send long frames with.
"""

import asyncio

from awaits import cancelled_at, each_await
from checks import equal
from device_bench import names, new_client
from device_common import main
from webpubsub.errors import OutOfMemory


async def test_long_sends():
    async with new_client() as client:
        for size in (1500, 3000, 4500):
            for acknowledged in (True, False):

                async def scenario(at, size=size, acknowledged=acknowledged):
                    content = "x" * size
                    call = client.send_to_group("c", content, ack=acknowledged)
                    content = None
                    found, reached = await cancelled_at(at, call)
                    equal(client.session.waiting, [])
                    if isinstance(found, asyncio.CancelledError):
                        assert found.outcome in ("not_sent", "unknown"), found.outcome
                    return reached

                await asyncio.wait_for(each_await(scenario), 20)
        await client.join_group("a")
        await client.send_to_group("a", 1)
        async for message in client:
            equal(message.data, 1)
            break
        client.release()
        # A chip that is short of memory may have dropped the link, and taken the session up again.
        assert "disconnected" not in names(client), names(client)
        for event in client.diary:
            if event.name == "recovering":
                assert isinstance(event.reason, OutOfMemory), event.reason


main(globals())
