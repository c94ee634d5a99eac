"""Run on a device: what stands beside the client is cancelled at each await.

SERVER: a good WebSocket server. NEGOTIATE: an application server. URL, CONTROL: a client access
URL and the service behind it.
"""

import asyncio
import os

from awaits import cancelled_at, each_await
from checks import equal
from device_bench import new_client
from device_common import descriptors, main, settled
from webpubsub import Negotiate
from webpubsub.outbox import Outbox
from webpubsub.websocket import ws_connect

ECHO = os.getenv("SERVER") + "/echo"


async def test_ws_connect():
    before = descriptors()

    async def scenario(at):
        found, reached = await cancelled_at(at, ws_connect(ECHO))
        if isinstance(found, tuple):
            await found[0].close()
        else:
            assert isinstance(found, asyncio.CancelledError), found
        # Nothing of it stays behind.
        await settled(before)
        return reached

    assert await each_await(scenario) > 0


async def test_calls_of_a_websocket():
    before = descriptors()
    ws = await ws_connect(ECHO)
    long = "x" * 3000
    sent = ["short", long]

    async def sending(at, text):
        # All of a frame goes out, or none of it.
        found, reached = await cancelled_at(at, ws.send_str(text))
        assert isinstance(found, (tuple, asyncio.CancelledError)), found
        await ws.send_str("end")
        got = []
        while not got or got[-1] != "end":
            got.append(await ws.receive_str())
        assert got in ([text, "end"], ["end"]), [len(part) for part in got]
        return reached

    for text in sent:
        await each_await(lambda at, text=text: sending(at, text))

    async def receiving(at):
        found, reached = await cancelled_at(at, ws.receive_str())
        if reached:
            assert isinstance(found, asyncio.CancelledError), found
        return reached

    # There is nothing to receive: each is cancelled where it waits first.
    assert await receiving(1)
    assert await receiving(1)
    await ws.send_str("alive")
    equal(await ws.receive_str(), "alive")
    found, _ = await cancelled_at(1, ws.ping())
    assert isinstance(found, (tuple, asyncio.CancelledError)), found
    await ws.close()
    await settled(before)


async def test_close_of_a_websocket():
    before = descriptors()

    async def scenario(at):
        ws = await ws_connect(ECHO)
        found, reached = await cancelled_at(at, ws.close())
        assert isinstance(found, (tuple, asyncio.CancelledError)), found
        assert ws.closed
        await settled(before)
        return reached

    assert await each_await(scenario) > 0


async def test_negotiate():
    before = descriptors()
    credential = Negotiate(os.getenv("NEGOTIATE") + "/url")

    async def scenario(at):
        found, reached = await cancelled_at(at, credential.url())
        if not isinstance(found, tuple):
            assert isinstance(found, asyncio.CancelledError), found
        await settled(before)
        return reached

    assert await each_await(scenario) > 0
    assert "access_token" in await credential.url()


async def test_outbox():
    # What was taken in is delivered once, whoever gave up waiting for it; the others never were.
    seen = []
    async with new_client() as client:
        await client.join_group("box")
        client.subscribe("group-message", lambda event: seen.append(event.message.data["data"]))
        outbox = Outbox(client)
        numbers = []

        async def sending(at):
            numbers.append(len(numbers))
            call = outbox.send_to_group("box", numbers[-1])
            found, reached = await cancelled_at(at, call)
            assert isinstance(found, (tuple, asyncio.CancelledError)), found
            return reached

        await each_await(sending)
        for call in (outbox.flush, outbox.stored, client.flush):

            async def scenario(at, call=call):
                numbers.append(len(numbers))
                await outbox.send_to_group("box", numbers[-1], wait=False)
                found, reached = await cancelled_at(at, call())
                assert isinstance(found, (tuple, asyncio.CancelledError)), found
                return reached

            await each_await(scenario)
        await outbox.flush(10)
        equal(outbox.waiting, 0)
        for _ in range(200):
            if len(seen) >= len(numbers):
                break
            await asyncio.sleep(0.02)
        equal(seen, numbers)
        await outbox.close()
    equal(client.tasks, [])


main(globals())
