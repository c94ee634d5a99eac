"""Run on a device against the commanded service: whatever is cancelled, wherever it waits.

Each public coroutine is cancelled at each of its awaits, and each function of the user's lets a
CancelledError out; afterwards state, tasks, events and messages are those that they should be.
"""

import asyncio

from awaits import cancelled_after, cancelled_at, each_await, let_out
from checks import equal
from device_bench import PLAIN, RELIABLE, URL, command, names, new_client, quietly, until
from device_common import descriptors, main, settled

FINAL = ("recovering", "disconnected", "reconnecting", "stopped")


async def is_closed(client):
    """Check that a client is closed, holds nothing, says nothing more, and can be opened again."""
    equal((client.state, client.keeper.ws, client.tasks), ("closed", None, []))
    equal((client.connection_id, client.session.waiting), (None, []))
    said = len(client.diary)
    await asyncio.sleep(0.03)
    equal(len(client.diary), said)
    assert not set(names(client)) & set(FINAL), names(client)
    equal(client.state, "closed")


async def works(client, group="a"):
    """Check that an open client gets what is published, once and in order."""
    equal(client.state, "connected")
    await client.join_group(group)
    await command("publish", group, 100, 3)
    seen = []
    async for message in client:
        seen.append(message.data)
        if len(seen) == 3:
            break
    equal(seen, [100, 101, 102])
    client.release()


async def works_again(client):
    client.diary.clear()
    async with client:
        await works(client)
        equal(names(client), ["connected"])


async def test_open():
    before = descriptors()
    client = new_client()

    async def scenario(at):
        client.diary.clear()
        found, reached = await ways[0](at, client.open())
        if not isinstance(found, tuple):
            assert isinstance(found, asyncio.CancelledError), found
            await is_closed(client)
        await client.close()
        return reached

    ways = [cancelled_at, cancelled_after]
    while ways:
        assert await each_await(scenario) > 0
        ways.pop(0)
    await works_again(client)
    await settled(before)


async def test_run():
    before = descriptors()
    client = new_client()

    async def scenario(at):
        client.diary.clear()
        found, _ = await cancelled_at(at, client.run())
        assert isinstance(found, asyncio.CancelledError), found
        await is_closed(client)
        return at < 1  # it waits only once

    await each_await(scenario)
    # And later: nobody swallows it, whoever closes the client meanwhile.
    for pause in (0, 0.001, 0.01, 0.05, 0.1):
        for closes in (True, False):
            task = asyncio.create_task(ended(client.run()))
            await asyncio.sleep(pause)
            task.cancel()
            if closes:
                await client.close()
            error = await task
            assert isinstance(error, asyncio.CancelledError), (pause, closes, error)
            client.diary.clear()
            await is_closed(client)
    await works_again(client)
    await settled(before)


async def ended(coroutine):
    """How a coroutine ended: its exception, or its result."""
    try:
        # So that cancelling a task that has not begun is seen here, too.
        return await coroutine
    except BaseException as error:  # noqa: BLE001
        return error


async def test_close():
    before = descriptors()
    client = new_client()

    async def scenario(at):
        await client.open()
        client.diary.clear()
        found, reached = await cancelled_at(at, client.close())
        await is_closed(client)
        if reached:
            assert isinstance(found, asyncio.CancelledError), found
            # What a cancelled close leaves behind is seen by `run`.
            running = asyncio.create_task(client.run())
            await until(lambda: client.state == "connected")
            equal(names(client), ["connected"])
            await works(client)
            await client.close()
            await running
        return reached

    assert await each_await(scenario) > 0
    await works_again(client)
    await settled(before)


async def test_requests():
    # A request that was cancelled is forgotten; the connection and the others go on.
    calls = {
        "join_group": lambda client: client.join_group("b"),
        "leave_group": lambda client: client.leave_group("b"),
        "send_to_group": lambda client: client.send_to_group("c", "x"),
        "unacknowledged": lambda client: client.send_to_group("c", "x", ack=False),
        "flush": lambda client: client.flush(),
    }
    async with new_client() as client:
        for name in calls:

            async def scenario(at, call=calls[name], name=name):
                if name == "flush":
                    sending = asyncio.create_task(client.send_to_group("c", "y"))
                    await asyncio.sleep(0)
                found, reached = await cancelled_at(at, call(client))
                if name == "flush":
                    await sending
                equal((client.session.waiting, client.state), ([], "connected"))
                if isinstance(found, asyncio.CancelledError) and name != "flush":
                    assert found.outcome in ("not_sent", "unknown"), name
                return reached

            try:
                await asyncio.wait_for(each_await(scenario), 20)
            except asyncio.TimeoutError:
                raise AssertionError(name + " did not come to its end")  # noqa: B904 MicroPython
        client.release()
        await works(client)
        equal(names(client), ["connected"])


def receiver(client):
    """What iterates in tests: `.ask(at)` asks for a message, and is cancelled."""
    got = []

    async def ask(at):
        found, _ = await cancelled_at(at, client.__anext__())
        if isinstance(found, tuple):
            got.append(found[0].data)
        else:
            assert isinstance(found, asyncio.CancelledError), found

    return ask, got


async def iteration(client, called=None):
    """Cancel an iteration at each of its awaits, while messages come: none is lost, none twice."""
    ask, got = receiver(client)
    await client.join_group("a")
    asking = None
    for number in range(22):
        if asking is None or asking.done():
            asking = asyncio.create_task(ask(1 + (number >> 1) % 4))
            await asyncio.sleep(0)
        await command("publish", "a", number, 1)
        await asyncio.sleep(0.005)
    number = 22
    if not asking.done():
        await command("publish", "a", number, 1)
        await asking
        number += 1
    while len(got) < number:
        got.append((await asyncio.wait_for(client.__anext__(), 5)).data)
    equal(got, list(range(number)))
    if called is not None:
        equal(called, got)
    equal((client.stats.duplicates, client.stats.dropped), (0, 0))
    return number


async def test_iteration():
    for protocol in (RELIABLE, PLAIN):
        async with new_client(protocol=protocol) as client:
            await iteration(client)


async def test_iteration_beside_plain_callbacks():
    called = []
    client = new_client()
    client.subscribe("group-message", lambda event: called.append(event.message.data))
    async with client:
        client.__aiter__()
        await iteration(client, called)


async def test_iteration_beside_slow_callbacks():
    called, running = [], []
    client = new_client()

    async def slow(event):
        running.append(1)
        equal(len(running), 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0.008)
        running.pop()
        called.append(event.message.data)

    client.subscribe("group-message", slow)
    client.subscribe("group-message", slow)
    async with client:
        client.__aiter__()
        count = await iteration(client)
        await until(lambda: len(called) == 2 * count)
        equal(called, [number >> 1 for number in range(2 * count)])


async def test_deadlines_that_pass_while_messages_come():
    # On MicroPython `wait_for` throws a result away that comes in the moment of the deadline.
    async with new_client() as client:
        await client.join_group("a")
        publishing = asyncio.create_task(publish_slowly(150))
        got = []
        while len(got) < 150:
            try:
                got.append((await asyncio.wait_for(client.__anext__(), 0.003)).data)
            except asyncio.TimeoutError:
                pass
        equal(got, list(range(150)))
        await publishing


async def publish_slowly(count):
    for number in range(count):
        await command("publish", "a", number, 1)
        await asyncio.sleep(0.001)


async def test_an_iteration_is_over_by_release():
    called = []
    client = new_client()
    client.subscribe("group-message", lambda event: called.append(event.message.data))
    async with client:
        await client.join_group("a")
        await cancelled_at(1, client.__anext__())
        await command("publish", "a", 0, 3)
        await asyncio.sleep(0.05)
        equal(called, [])
        client.release()
        await until(lambda: called == [0, 1, 2])


async def test_an_iteration_is_over_by_close():
    client = new_client()
    called = []
    client.subscribe("group-message", lambda event: called.append(event.message.data))
    await client.open()
    task = asyncio.create_task(ended(client.__anext__()))
    await asyncio.sleep(0)
    await client.close()
    await client.open()  # before the iterator has its turn
    assert isinstance(await task, StopAsyncIteration)
    await client.join_group("a")
    await command("publish", "a", 0, 2)
    await until(lambda: called == [0, 1])
    await client.close()


async def test_callbacks_that_let_a_cancellation_out():
    errors = quietly()
    client = new_client()
    seen = []

    async def on_message(event):
        seen.append(event.message.data)
        await let_out(event.message.data % 3)

    def plain(event):
        raise asyncio.CancelledError

    for name in ("connected", "recovering", "recovered", "disconnected", "reconnecting"):
        client.subscribe(name, lambda event: let_out())
        client.subscribe(name, plain)
    for callback in (on_message, plain, on_message):
        client.subscribe("group-message", callback)
    async with client:
        await client.join_group("a")
        for number in range(4):
            await command("publish", "a", number, 1)
        await until(lambda: len(seen) == 8)
        equal(seen, [0, 0, 1, 1, 2, 2, 3, 3])
        await command("drop", client.connection_id)
        await until(lambda: client.stats.recoveries == 1 and client.state == "connected")
        await command("expire", client.connection_id)
        await until(lambda: client.stats.reconnects == 1 and client.state == "connected")
        await command("publish", "a", 4, 1)
        await until(lambda: len(seen) == 10)
        # An iteration beside them, too.
        iterator = client.__aiter__()
        await command("publish", "a", 5, 2)
        equal((await asyncio.wait_for(iterator.__anext__(), 5)).data, 5)
    # Each is reported.
    assert len(errors) >= 3 * 6 + 5 * 2, len(errors)
    assert all(isinstance(error, asyncio.CancelledError) for error in errors), errors
    equal(client.tasks, [])


async def test_a_credential_and_a_ready_that_let_a_cancellation_out():
    class Credential:
        async def url(self):
            return await new_url()

    calls = []

    async def new_url():
        calls.append(1)
        if len(calls) % 2 == 0:
            await let_out(len(calls))
        return URL

    async def ready():
        calls.append(1)
        if len(calls) % 3 == 0:
            await let_out(len(calls) % 5)

    for credential, options in (
        (new_url, {}),
        (Credential(), {}),
        (URL, {"ready": ready}),
        (new_url, {"ready": ready}),
    ):
        client = new_client(credential, **options)
        running = asyncio.create_task(ended(client.run()))
        await until(lambda client=client: client.state == "connected")
        for loss in ("expire", "drop", "expire"):
            client.diary.clear()
            await command(loss, client.connection_id)
            back = {"recovered", "connected"}
            await until(lambda client=client, back=back: set(names(client)) & back, 15)
        await until(lambda client=client: client.state == "connected")
        await works(client)
        await client.close()
        equal(await running, None)
        for event in client.diary:
            reason = getattr(event, "reason", None)
            assert reason is None or (isinstance(reason, Exception) and str(reason)), event.name


async def test_an_opening_whose_credential_lets_one_out():
    client = new_client(let_out)
    error = await ended(client.open())
    assert isinstance(error, OSError), error
    assert "cancelled" in str(error), error
    equal((client.state, client.tasks), ("closed", []))


async def test_closed_from_a_task_that_a_callback_waits_for():
    client = new_client()
    done = []

    async def close():
        await client.close()
        done.append(1)

    async def on_message(event):
        await asyncio.create_task(close())

    client.subscribe("group-message", on_message)
    async with client:
        await client.join_group("a")
        await command("publish", "a", 0, 1)
        await until(lambda: done)
    await works_again_without_callbacks(client, on_message)


async def works_again_without_callbacks(client, callback):
    client.unsubscribe("group-message", callback)
    await works_again(client)


async def test_opened_in_a_stopped_callback():
    client = new_client("ftp://h/client/hubs/a")
    opened = []

    async def on_stopped(event):
        client.keeper.credential = URL
        await client.open()
        opened.append(client.state)

    client.subscribe("stopped", on_stopped)
    iterating = asyncio.create_task(ended(client.__anext__()))
    error = await ended(client.run())
    equal(type(error).__name__, "Stopped")
    equal(type(await iterating).__name__, "Stopped")
    await until(lambda: opened)
    equal(opened, ["connected"])
    await works(client)
    await client.close()


main(globals())
