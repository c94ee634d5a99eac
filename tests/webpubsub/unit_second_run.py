"""One client in one `asyncio.run` after the other, on the wire of unit_keeper."""

import asyncio
import sys

import webpubsub.keeper as keeper
from checks import equal
from unit_keeper import Wire, connected, until
from webpubsub import Outbox, WebPubSubClient
from webpubsub.errors import DeadlineError

MESSAGE = (
    b'{"type":"message","from":"group","group":"g","dataType":"text","data":"m%d","sequenceId":1}'
)


def run_after_run(body, runs=3, new_loops=False):
    """Call `body(client, wire, number)` in so many runs of the event loop, with one client."""
    wire = Wire()
    client = WebPubSubClient("ws://127.0.0.1/client/hubs/a")
    saved = keeper.Connection
    keeper.Connection = wire.connection
    try:
        for number in range(runs):
            wire.plan.append([connected(number)])
            asyncio.run(asyncio.wait_for(body(client, wire, number), 10))
            if new_loops and sys.implementation.name == "micropython":
                asyncio.new_event_loop()
    finally:
        keeper.Connection = saved


async def use(client, wire, number):
    equal(client.state, "connected")
    await client.join_group("g")
    coming = asyncio.create_task(client.__anext__())
    await asyncio.sleep(0.01)
    wire.made[-1].script.append(MESSAGE % number)
    wire.made[-1].wake.set()
    equal((await coming).data, "m" + str(number))


def test_open_and_close():
    async def body(client, wire, number):
        async with client:
            await use(client, wire, number)

    for new_loops in (False, True):
        run_after_run(body, new_loops=new_loops)


def test_run_and_close():
    async def body(client, wire, number):
        running = asyncio.create_task(client.run())
        await until(lambda: client.state == "connected")
        await use(client, wire, number)
        await client.close()
        await running

    run_after_run(body)


def test_an_iteration_that_ends_with_each():
    async def body(client, wire, number):
        seen = []

        async def iterate():
            async for message in client:
                seen.append(message.data)

        async with client:
            iterating = asyncio.create_task(iterate())
            await asyncio.sleep(0.01)
            wire.made[-1].script.append(MESSAGE % number)
            wire.made[-1].wake.set()
            await until(lambda: seen)
        await iterating
        equal(seen, ["m" + str(number)])

    run_after_run(body)


def test_an_outbox():
    outboxes = []

    async def body(client, wire, number):
        if not outboxes:
            outboxes.append(Outbox(client))
        outbox = outboxes[0]
        async with client:
            await outbox.send_to_group("g", {"n": number})
            # Nobody acknowledges on this wire.
            try:
                await outbox.flush(0.05)
            except DeadlineError:
                pass
        equal(outbox.waiting, number + 1)

    run_after_run(body)


def test_left_open():
    # CPython ends what a run leaves behind; `close` clears up.
    async def body(client, wire, number):
        if number:
            await client.close()
            equal((client.state, client.tasks), ("closed", []))
        await client.open()
        await use(client, wire, number)

    run_after_run(body, new_loops=True)
