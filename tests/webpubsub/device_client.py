"""Run on a device against the commanded local service: requests, messages, events, states."""

import asyncio
import os

from checks import equal, raises
from device_bench import (
    PLAIN,
    RELIABLE,
    URL,
    collect,
    command,
    names,
    new_client,
    quietly,
    until,
)
from device_common import descriptors, fails, main, settled
from webpubsub import AccessToken, Anonymous, Backoff
from webpubsub.errors import AckError, DeadlineError, HandshakeError, Stopped, TransportError

ENDPOINT = os.getenv("ENDPOINT")
BOTH = (RELIABLE, PLAIN)


async def test_requests():
    for protocol in BOTH:
        async with new_client(protocol=protocol) as client:
            equal((client.state, client.user_id), ("connected", "cp-7"))
            await client.join_group("a")
            (session,) = await command("sessions")
            equal((session["id"], session["groups"]), (client.connection_id, ["a"]))
            for content in ({"kw": 7.2}, "text ü", b"\x00\xff", [1], None, 7, True):
                if content is not None:
                    await client.send_to_group("a", content)
            await client.send_to_group("a", "not to me", no_echo=True)
            await client.send_to_group("a", "no ack", ack=False)
            seen = []
            task = collect(client, seen)
            await until(lambda seen=seen: len(seen) == 7)
            equal(seen, [{"kw": 7.2}, "text ü", b"\x00\xff", [1], 7, True, "no ack"])
            await client.leave_group("a")
            (session,) = await command("sessions")
            equal(session["groups"], [])
            equal(client.stats.messages_received, 7)
            equal(client.stats.messages_sent, 8)
        await asyncio.wait_for(task, 5)
        equal((client.state, client.connection_id, client.user_id), ("closed", None, None))


async def test_what_a_message_knows():
    async with new_client() as client:
        await client.join_group("a")
        await client.send_to_group("a", "x")
        await command("tell", client.connection_id, {"cmd": "go"})
        seen = []
        async for message in client:
            seen.append(message)
            if len(seen) == 2:
                break
        group, server = seen
        equal((group.kind, group.group, group.data_type, group.data), ("group", "a", "text", "x"))
        equal((group.from_user_id, group.sequence_id), ("cp-7", 1))
        equal((server.kind, server.group, server.data), ("server", None, {"cmd": "go"}))
        equal(server.sequence_id, 2)


async def test_errors():
    for protocol in BOTH:
        async with new_client(os.getenv("POWERLESS_URL"), protocol=protocol) as client:
            for request in (
                client.join_group("a"),
                client.send_to_group("a", 1),
            ):
                error = await fails(AckError, request)
                equal((error.name, error.outcome), ("Forbidden", "refused"))
            for content, data_type in (
                ({1}, None),
                (object(), None),
                (5, "text"),
                ("x", "binary"),
            ):
                await fails(TypeError, client.send_to_group("a", content, data_type))
            await fails(ValueError, client.send_to_group("a", "x", "protobuf"))
            await fails(ValueError, client.send_event("e", float("nan")))
            equal(len(client.session.waiting), 0)


async def test_a_closed_client():
    client = new_client()
    for request in (
        client.join_group("a"),
        client.send_to_group("a", 1),
        client.send_event("e", 1, ack=False),
    ):
        error = await fails(TransportError, request)
        equal(error.outcome, "not_sent")
    await client.close()
    equal(client.state, "closed")
    await client.flush(1)


async def test_settings_that_are_none():
    raises(ValueError, new_client, protocol="mqtt")
    for bad in ("127.0.0.1/x", "ftp://h"):
        client = new_client(bad)
        await fails(ValueError, client.open())
        equal(client.state, "closed")


async def test_an_anonymous_client():
    async with new_client(Anonymous(ENDPOINT, "chargers")) as client:
        equal(client.user_id, None)
        equal((await fails(AckError, client.join_group("a"))).name, "Forbidden")
        await command("tell", client.connection_id, "hello")
        async for message in client:
            equal(message.data, "hello")
            break


async def test_refused_credentials():
    before = descriptors()
    token = URL.split("access_token=")[1]
    for credential in (
        Anonymous(ENDPOINT, "closed"),
        AccessToken(ENDPOINT, "chargers", token[:-4] + "AAAA"),
        AccessToken(ENDPOINT, "closed", token),
        os.getenv("EXPIRED_URL"),
    ):
        client = new_client(credential)
        error = await fails(HandshakeError, client.open())
        equal(error.status, 401)
        assert token not in str(error)
        assert error.reason
        equal(client.state, "closed")
    await settled(before)


async def test_run_backs_off_and_stops():
    client = new_client(
        Anonymous(ENDPOINT, "closed"), backoff=Backoff(first=0.1, maximum=0.2, attempts=2)
    )
    stopped = await fails(Stopped, client.run())
    equal((stopped.reason.status, client.state), (401, "stopped"))
    equal(names(client), ["reconnecting", "reconnecting", "stopped"])
    equal([event.attempt for event in client.diary[:2]], [1, 2])
    assert 0.05 <= client.diary[0].delay <= 0.1 <= client.diary[1].delay <= 0.2
    equal([event.reason.status for event in client.diary], [401] * 3)
    await fails(Stopped, next_of(client))
    await fails(TransportError, client.join_group("a"))
    # It can be tried again, and stops again in the same way.
    await fails(Stopped, client.run())
    equal(names(client).count("reconnecting"), 4)
    await client.close()
    equal(client.state, "closed")


async def next_of(client):
    return await client.__aiter__().__anext__()


async def test_run_until_closed():
    client = new_client()
    task = asyncio.create_task(client.run())
    await until(lambda: client.state == "connected")
    await fails(RuntimeError, client.open())
    await fails(RuntimeError, client.run())
    equal(client.state, "connected")
    await client.send_event("ping", 1, ack=False)
    await client.close()
    await asyncio.wait_for(task, 5)
    equal(client.state, "closed")


async def test_close_before_run_begins():
    client = new_client()
    task = asyncio.create_task(client.run())
    await client.close()
    await asyncio.wait_for(task, 5)
    equal((client.state, client.diary), ("closed", []))
    task = asyncio.create_task(client.run())
    await until(lambda: client.state == "connected")
    await client.close()
    await asyncio.wait_for(task, 5)


async def test_open_while_it_closes():
    client = new_client()
    await client.open()
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    await fails(RuntimeError, client.open())
    await fails(TransportError, client.send_event("ping", 1))
    await closing
    async with client:
        await client.join_group("a")
        equal(client.state, "connected")


async def test_an_opening_that_was_closed_leaves_the_next_one_alone():
    before = descriptors()
    await begin_again(opens)
    await begin_again(runs)
    await settled(before)


async def begin_again(start):
    calls = []

    async def slow_at_first():
        calls.append(1)
        if len(calls) == 1:
            await asyncio.sleep(1)
        return URL

    client = new_client(slow_at_first)
    starting = asyncio.create_task(start(client))
    await until(lambda: calls)
    await client.close()
    async with client:
        await starting
        await asyncio.sleep(0.7)  # beyond the deadline of the first one
        equal(client.state, "connected")
        await client.join_group("a")


async def opens(client):
    await fails(TransportError, client.open(0.5))


async def runs(client):
    await client.run()


async def test_a_cancelled_run():
    before = descriptors()
    client = new_client()
    task = asyncio.create_task(client.run())
    await until(lambda: client.state == "connected")
    task.cancel()
    await fails(asyncio.CancelledError, wrapped(task))
    equal(client.state, "closed")
    await settled(before)


async def wrapped(task):
    return await task


async def test_open_and_close_again():
    before = descriptors()
    client = new_client()
    seen = []
    client.subscribe("group-message", lambda event: seen.append(event.message.data))
    for number in range(3):
        async with client:
            await client.join_group("a")
            await client.send_to_group("a", number)
            await until(lambda number=number: seen == list(range(number + 1)))
        await client.close()
        equal(await command("sessions"), [])
    equal(client.stats.reconnects, 0)
    await settled(before)


async def test_a_lost_ack_is_unknown_and_can_be_repeated():
    for protocol in BOTH:
        async with new_client(protocol=protocol, ack_timeout=0.3) as client:
            await client.join_group("a")
            seen = []
            task = collect(client, seen)
            await command("withhold_acks", 1)
            error = await fails(DeadlineError, client.send_to_group("a", 5, ack_id=77))
            equal(error.outcome, "unknown")
            # The same id again: the service says Duplicate, which is success.
            await client.send_to_group("a", 5, ack_id=77)
            await client.send_to_group("a", 6)
            await until(lambda seen=seen: len(seen) >= 2)
            equal(seen, [5, 6])
        await task


async def test_flush():
    async with new_client() as client:
        await client.flush(1)
        await client.join_group("a")
        await command("withhold_acks", 1)
        task = asyncio.create_task(client.send_to_group("a", 1))
        await asyncio.sleep(0.05)
        await fails(DeadlineError, client.flush(0.2))
        task.cancel()
        await fails(asyncio.CancelledError, wrapped(task))
        await client.flush(1)


async def test_ids_in_use():
    async with new_client() as client:
        await command("withhold_acks", 1)
        task = asyncio.create_task(client.send_to_group("a", 1, ack_id=5))
        await asyncio.sleep(0.02)
        await fails(ValueError, client.send_to_group("a", 2, ack_id=5))
        task.cancel()
        await fails(asyncio.CancelledError, wrapped(task))
        await client.send_to_group("a", 3, ack_id=5)


async def test_a_cancelled_send_is_forgotten():
    async with new_client() as client:
        await client.join_group("a")
        for _ in range(5):
            task = asyncio.create_task(client.send_to_group("a", "x"))
            await asyncio.sleep(0)
            task.cancel()
            error = await fails(asyncio.CancelledError, wrapped(task))
            equal(error.outcome, "unknown")
        equal(len(client.session.waiting), 0)
        await client.send_to_group("a", "last")
        async for message in client:
            if message.data == "last":
                break


async def test_concurrent_senders():
    for protocol in BOTH:
        async with new_client(protocol=protocol, queue_messages=100) as client:
            await client.join_group("a")

            async def send(task, client=client):
                for number in range(5):
                    await client.send_to_group("a", [task, number])

            await asyncio.gather(*(send(task) for task in range(12)))
            seen = []
            task = collect(client, seen)
            await until(lambda seen=seen: len(seen) == 60)
            for sender in range(12):
                equal([pair[1] for pair in seen if pair[0] == sender], [0, 1, 2, 3, 4])
        await task


async def test_callbacks():
    errors = quietly()
    client = new_client()
    order = []

    def plain(event):
        order.append(("plain", event.message.data))
        raise ValueError("plain")

    async def slow(event):
        await asyncio.sleep(0.01)
        order.append(("async", event.message.data))
        raise KeyError("async")

    async def answer(event):
        if event.message.data < 2:
            await client.send_to_group("a", event.message.data + 1)

    client.subscribe("group-message", plain)
    client.subscribe("group-message", slow)
    client.subscribe("group-message", answer)
    async with client:
        await client.join_group("a")
        await client.send_to_group("a", 0)
        await until(lambda: len(order) == 6)
        equal(order, [(kind, number) for number in range(3) for kind in ("plain", "async")])
        equal([type(error) for error in errors], [ValueError, KeyError] * 3)
        for callback in (plain, slow, answer):
            client.unsubscribe("group-message", callback)
        await client.send_to_group("a", 9)
        equal(len(order), 6)


async def test_a_callback_may_close_the_client():
    client = new_client()

    async def close(event):
        await client.close()

    client.subscribe("server-message", close)
    await client.open()
    await command("tell", client.connection_id, "bye")
    await until(lambda: client.state == "closed")
    async with client:
        await client.join_group("a")


async def test_two_iterators():
    async with new_client() as client:
        await client.join_group("a")
        seen = []
        task = collect(client, seen)
        await asyncio.sleep(0.02)
        await fails(RuntimeError, next_of(client))
        await client.send_to_group("a", 1)
        await until(lambda: seen == [1])
    await task


async def test_iterating_again():
    async with new_client() as client:
        await client.join_group("a")
        for number in range(3):
            await client.send_to_group("a", number)
        seen = []
        for _ in range(3):
            async for message in client:
                seen.append(message.data)
                break
        equal(seen, [0, 1, 2])


async def test_iterating_with_a_deadline():
    # A caller that gives up waiting and asks again; callbacks beside it.
    client = new_client()
    called = []
    client.subscribe("group-message", lambda event: called.append(event.message.data))
    async with client:
        await client.join_group("a")
        iterator = client.__aiter__()
        for number in range(3):
            await fails(asyncio.TimeoutError, asyncio.wait_for(iterator.__anext__(), 0.03))
            task = asyncio.create_task(iterator.__anext__())
            await asyncio.sleep(0)
            await client.send_to_group("a", number)
            equal((await asyncio.wait_for(task, 5)).data, number)
        equal(called, [0, 1, 2])


async def test_an_iterator_gets_the_first_message_beside_callbacks():
    client = new_client()
    called = []
    client.subscribe("group-message", lambda event: called.append(event.message.data))
    async with client:
        await client.join_group("a")
        await client.send_to_group("a", 0)
        await until(lambda: called == [0])
        seen = []
        task = collect(client, seen)
        await asyncio.sleep(0.01)
        await client.send_to_group("a", 1)
        await until(lambda: seen == [1])
        equal(called, [0, 1])
    await task


async def test_nobody_iterates():
    # Acks and pings go on; the newest messages are kept; the service may forget the others.
    for protocol in BOTH:
        async with new_client(protocol=protocol, queue_messages=5) as client:
            await client.join_group("a")
            await command("publish", "a", 0, 100)
            for _ in range(3):
                await client.send_to_group("elsewhere", "x")
            await until(lambda client=client: client.stats.dropped == 95)
            equal(client.dropped, list(range(95)))
            equal(client.stats.recoveries, 0)
            seen = []
            task = collect(client, seen)
            await until(lambda seen=seen: len(seen) == 5)
            equal(seen, list(range(95, 100)))
        await task


async def test_a_slow_consumer_on_plain():
    async with new_client(protocol=PLAIN, queue_messages=5) as client:
        await client.join_group("a")
        seen = []
        async for message in client_after(client, command("publish", "a", 0, 50)):
            seen.append(message.data)
            if message.data == 0:
                await until(lambda: client.stats.dropped >= 44)
            if message.data == 49:
                break
        equal(seen, [0] + list(range(50 - len(seen) + 1, 50)))  # noqa: RUF005
        equal(client.stats.dropped + len(seen), 50)
        equal((client.stats.recoveries, client.stats.reconnects), (0, 0))


def client_after(client, work):
    """The client's iterator; the work begins once it is there."""
    iterator = client.__aiter__()
    client.work = asyncio.create_task(work)
    return iterator


main(globals())
