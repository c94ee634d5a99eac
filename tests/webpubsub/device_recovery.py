"""Run on a device against the commanded local service: cuts, recovery, reconnection."""

import asyncio
import gc
import os

from checks import equal
from device_bench import PLAIN, RELIABLE, URL, collect, command, names, new_client, until
from device_common import descriptors, fails, main, settled
from webpubsub import Backoff
from webpubsub.errors import AckError, SessionLost, Stopped, TransportError


async def cut(client, how="rst"):
    """Cut the connection and wait until the client has seen it."""
    seen = len(client.diary)
    await command("drop", client.connection_id, how)
    await until(lambda: len(client.diary) > seen)


async def groups_of(client):
    """The groups that it is in, as the service sees it; detached sessions may linger there."""
    for session in await command("sessions"):
        if session["id"] == client.connection_id:
            return session["groups"]
    return None


async def connected(client):
    await until(lambda: client.state == "connected")


async def test_a_cut_is_healed():
    for how in ("rst", "fin"):
        async with new_client() as client:
            await client.join_group("a")
            identity = client.connection_id
            await cut(client, how)
            await until(lambda client=client: "recovered" in names(client))
            equal(names(client), ["connected", "recovering", "recovered"])
            equal(client.connection_id, identity)
            equal((client.stats.recoveries, client.stats.reconnects), (1, 0))
            await client.send_to_group("a", "still a member")
            async for message in client:
                equal(message.data, "still a member")
                break


async def test_pending_requests_over_a_cut():
    # Executed before the cut, the ack lost: Duplicate is success, and nothing is doubled.
    async with new_client() as client:
        await client.join_group("a")
        await command("withhold_acks", 3)
        tasks = [asyncio.create_task(client.send_to_group("a", number)) for number in range(3)]
        await asyncio.sleep(0.05)
        await cut(client)
        for task in tasks:
            await asyncio.wait_for(task, 10)
        await client.send_to_group("a", 3)
        seen = []
        task = collect(client, seen)
        await until(lambda: len(seen) >= 4)
        await asyncio.sleep(0.05)
        equal(seen, [0, 1, 2, 3])
        equal(client.stats.reconnects, 0)
    await task


async def test_messages_come_once_over_many_cuts():
    async with new_client(queue_messages=100) as client:
        await client.join_group("a")
        seen = []
        task = collect(client, seen)
        for start in range(0, 60, 10):
            await command("publish", "a", start, 5)
            await command("drop", client.connection_id, ("rst", "fin")[start // 10 % 2])
            await command("publish", "a", start + 5, 5)
            await until(lambda start=start: len(seen) == start + 10)
            await until(lambda start=start: client.stats.recoveries == start // 10 + 1)
        equal(seen, list(range(60)))
        equal(client.stats.reconnects, 0)
    await task


async def test_messages_that_nobody_took_yet():
    # They wait in the queue while the link goes and comes: a recovery does not wait for them.
    async with new_client() as client:
        await client.join_group("a")
        await command("publish", "a", 0, 20)
        await client.send_to_group("b", "x")
        await cut(client)
        await connected(client)
        await command("publish", "a", 20, 5)
        seen = []
        task = collect(client, seen)
        await until(lambda: len(seen) == 25)
        equal(seen, list(range(25)))
        assert client.stats.duplicates >= 20
    await task


async def test_only_consumed_messages_are_acknowledged():
    async with new_client() as client:
        await client.join_group("a")
        await command("publish", "a", 0, 3)
        iterator = client.__aiter__()
        equal((await iterator.__anext__()).data, 0)
        equal((client.session.consumed, client.session.received >= 1), (0, True))
        equal((await iterator.__anext__()).data, 1)
        equal(client.session.consumed, 1)
        # By its timer at last, since the program works on the second one for long.
        await until(lambda: client.session.acknowledged == 2, 5)
        equal((await iterator.__anext__()).data, 2)
        equal(client.session.consumed, 2)


async def test_a_slow_consumer_loses_nothing():
    # The queue is full: the link is dropped, and the service replays.
    client = new_client(queue_messages=4)
    async with client:
        await client.join_group("a")
        iterator = client.__aiter__()
        await command("publish", "a", 0, 40)
        seen = []
        while len(seen) < 40:
            seen.append((await asyncio.wait_for(iterator.__anext__(), 10)).data)
            if len(seen) == 1:
                await until(lambda: "recovering" in names(client))
                await asyncio.sleep(0.3)
        equal(seen, list(range(40)))
        equal((client.stats.dropped, client.stats.reconnects), (0, 0))
        assert client.stats.recoveries >= 1
        await client.send_to_group("a", 40)


async def test_a_consumer_that_never_comes_back_costs_messages_not_the_link():
    client = new_client(queue_messages=4, recovery_timeout=0.6)
    async with client:
        await client.join_group("a")
        iterator = client.__aiter__()
        await command("publish", "a", 0, 20)
        equal((await iterator.__anext__()).data, 0)
        await until(lambda: "reconnected" in names(client))
        await until(lambda: client.state == "connected")
        await asyncio.sleep(0.1)
        await command("publish", "a", 20, 20)
        await until(lambda: len(client.dropped) >= 16)
        await client.send_to_group("a", 40)
        equal(client.stats.reconnects, 1)


async def test_an_expired_session():
    calls = []

    async def credential():
        calls.append(1)
        return URL

    client = new_client(credential)
    states = []
    for name in ("recovering", "disconnected", "reconnecting", "reconnected"):
        client.subscribe(name, lambda event: states.append(client.state))
    async with client:
        await client.join_group("a")
        await client.join_group("b")
        await client.leave_group("b")
        first = client.connection_id
        await command("withhold_acks", 1)
        pending = asyncio.create_task(fails(SessionLost, client.send_to_group("a", "lost?")))
        await asyncio.sleep(0.05)
        await command("expire", first)
        equal((await pending).outcome, "unknown")
        await until(lambda: "reconnected" in names(client))
        equal(states, ["recovering", "reconnecting", "reconnecting", "connected"])
        equal(
            names(client),
            [
                "connected",
                "recovering",
                "disconnected",
                "reconnecting",
                "connected",
                "reconnected",
            ],
        )
        assert client.diary[5].session_lost
        equal((client.diary[3].attempt, client.diary[4].connection_id), (1, client.connection_id))
        assert client.connection_id != first
        equal(len(calls), 2)
        await client.send_to_group("a", "after")
        equal(await groups_of(client), ["a"])
        equal((client.stats.recoveries, client.stats.reconnects), (0, 1))


async def test_ids_of_a_lost_session_are_not_acknowledged_in_the_next():
    client = new_client()
    async with client:
        await client.join_group("a")
        await command("publish", "a", 0, 10)
        iterator = client.__aiter__()
        equal((await iterator.__anext__()).data, 0)
        await until(lambda: client.session.received == 10)
        await command("expire", client.connection_id)
        await until(lambda: "reconnected" in names(client))
        await client.send_to_group("a", "new")
        for expected in list(range(1, 10)):
            equal((await iterator.__anext__()).data, expected)
        equal(client.session.consumed, 0)
        equal((await iterator.__anext__()).data, "new")
        task = asyncio.create_task(iterator.__anext__())
        await asyncio.sleep(0)
        equal(client.session.consumed, 1)
        await client.send_to_group("a", "last")
        equal((await task).data, "last")


async def test_plain_loses_its_session_with_the_link():
    client = new_client(protocol=PLAIN)
    async with client:
        await client.join_group("a")
        await command("withhold_acks", 1)
        pending = asyncio.create_task(fails(SessionLost, client.send_to_group("a", 1)))
        await asyncio.sleep(0.05)
        await cut(client)
        equal((await pending).outcome, "unknown")
        await until(lambda: "reconnected" in names(client))
        equal(client.stats.recoveries, 0)
        await client.send_to_group("a", 2)
        seen = []
        task = collect(client, seen)
        await until(lambda: 2 in seen)
    await task


async def test_sending_while_there_is_no_link():
    for protocol in (RELIABLE, PLAIN):
        client = new_client(protocol=protocol)
        async with client:
            await client.join_group("a")
            await command("refuse_upgrades", 503, 1)
            await cut(client)
            assert client.state in ("recovering", "reconnecting")
            seen = []
            collector = collect(client, seen)
            tasks = [asyncio.create_task(client.send_to_group("b", n)) for n in range(3)]
            tasks.append(asyncio.create_task(client.send_event("e", 1, ack=False)))
            tasks.append(asyncio.create_task(client.join_group("c")))
            for task in tasks:
                await asyncio.wait_for(task, 10)
            equal(await groups_of(client), ["a", "c"])
        await collector


async def test_refused_upgrades_during_a_recovery():
    for status in (401, 503):
        async with new_client() as client:
            await command("refuse_upgrades", status, 1)
            await cut(client)
            await until(lambda client=client: "recovered" in names(client))
            equal(names(client), ["connected", "recovering", "recovered"])


async def test_a_ready_that_fails_during_a_recovery():
    failures = []

    async def ready():
        if failures:
            raise failures.pop()

    async with new_client(ready=ready) as client:
        failures.append(RuntimeError("no address"))
        await cut(client)
        await until(lambda: "recovered" in names(client))
        equal(names(client), ["connected", "recovering", "recovered"])
        equal((str(client.stats.last_reason), failures), ("no address", []))


async def test_a_recovery_that_takes_too_long():
    client = new_client(
        recovery_timeout=0.3, backoff=Backoff(first=0.05, maximum=0.05, attempts=1)
    )
    await client.open()
    await command("refuse_upgrades", 503, 99)
    stopped = await fails(Stopped, consumed(client))
    equal((stopped.reason.status, client.state), (503, "stopped"))
    equal(names(client), ["connected", "recovering", "disconnected", "reconnecting", "stopped"])
    await fails(TransportError, client.send_to_group("a", 1))
    await command("refuse_upgrades", 503, 0)
    async with client:
        await client.join_group("a")


async def consumed(client):
    await command("drop", client.connection_id, "rst")
    async for _ in client:
        pass


async def test_groups_that_cannot_be_joined_again():
    urls = [URL, os.getenv("POWERLESS_URL")]

    async def credential():
        return urls.pop(0) if len(urls) > 1 else urls[0]

    client = new_client(credential)
    async with client:
        await client.join_group("a")
        await client.join_group("b")
        await command("expire", client.connection_id)
        await until(lambda: names(client).count("rejoin-group-failed") == 2)
        failed = [event for event in client.diary if event.name == "rejoin-group-failed"]
        equal([event.group for event in failed], ["a", "b"])
        assert all(isinstance(event.error, AckError) for event in failed)
        equal(failed[0].error.name, "Forbidden")
        equal(client.state, "connected")


async def test_no_rejoin():
    client = new_client(rejoin=False)
    async with client:
        await client.join_group("a")
        await command("expire", client.connection_id)
        await until(lambda: "reconnected" in names(client))
        await client.send_to_group("b", 1)
        equal(await groups_of(client), [])


async def test_credentials_that_fail_for_a_while():
    problems = [ValueError("a page of HTML is no JSON"), KeyError("url"), OSError("no route")]

    async def credential():
        if problems and client.state != "connecting":
            raise problems.pop()
        return URL

    client = new_client(credential, protocol=PLAIN)
    async with client:
        await cut(client)
        await until(lambda: client.state == "connected" and not problems)
        assert names(client).count("reconnecting") >= 3


async def test_the_service_closes():
    # For good: a recovery is tried, refused with 1008, and a new session begun.
    client = new_client()
    async with client:
        await command("close", client.connection_id, "enough")
        await until(lambda: "reconnected" in names(client))
        equal(names(client)[1:3], ["recovering", "disconnected"])
        equal((client.diary[2].code, client.diary[2].reason.reason), (1000, "enough"))


async def test_close_in_each_state():
    before = descriptors()
    await command("refuse_upgrades", 0, 0)
    # connecting
    client = new_client()
    opening = asyncio.create_task(client.open())
    await asyncio.sleep(0)
    await client.close()
    try:
        await asyncio.wait_for(opening, 5)
        raise AssertionError("it opened")
    except (TransportError, asyncio.CancelledError):
        pass
    equal(client.state, "closed")
    # connected, with requests that wait
    client = new_client()
    await client.open()
    await command("withhold_acks", 1)
    pending = asyncio.create_task(fails(SessionLost, client.send_to_group("a", 1)))
    iterating = collect(client, [])
    await asyncio.sleep(0.05)
    await client.close()
    equal((await pending).outcome, "unknown")
    await iterating
    # recovering and reconnecting, with requests that wait
    for protocol, state in ((RELIABLE, "recovering"), (PLAIN, "reconnecting")):
        await command("refuse_upgrades", 503, 99)
        client = new_client(protocol=protocol, backoff=Backoff(first=0.5))
        await command("refuse_upgrades", 503, 0)
        await client.open()
        await command("refuse_upgrades", 503, 99)
        await cut(client)
        await until(lambda client=client, state=state: client.state == state)
        pending = asyncio.create_task(fails(SessionLost, client.send_to_group("a", 1)))
        quiet = asyncio.create_task(fails(SessionLost, client.send_event("e", 1, ack=False)))
        iterating = collect(client, [])
        await asyncio.sleep(0.05)
        await client.close()
        equal(client.state, "closed")
        equal((await asyncio.wait_for(pending, 5)).outcome, "not_sent")
        equal((await asyncio.wait_for(quiet, 5)).outcome, "not_sent")
        await iterating
        await command("refuse_upgrades", 503, 0)
    # while it is closed by another task
    client = new_client()
    await client.open()
    await asyncio.gather(client.close(), client.close())
    equal(client.state, "closed")
    await settled(before)
    await asyncio.sleep(0.1)
    equal([s for s in await command("sessions") if not s["detached"]], [])


def running():
    """How many tasks there are; MicroPython cannot say, so there their memory has to show them."""
    return len(asyncio.all_tasks()) if hasattr(asyncio, "all_tasks") else 0


async def test_nothing_stays_behind():
    before = descriptors()
    client = new_client()
    async with client:
        await client.join_group("a")
        tasks = used = None
        for number in range(25):
            await command("drop" if number % 2 else "expire", client.connection_id)
            await until(
                lambda number=number: client.stats.recoveries + client.stats.reconnects > number
            )
            while await groups_of(client) != ["a"]:
                await asyncio.sleep(0.02)
            await client.send_to_group("a", number)
            async for message in client:
                if message.data == number:
                    break
            del client.diary[:]
            if number in (12, 24) and hasattr(gc, "mem_alloc"):
                gc.collect()
                if used:
                    assert gc.mem_alloc() < used + 3000, (used, gc.mem_alloc())
                used = gc.mem_alloc()
            if number == 4:
                tasks = running()
        equal((client.stats.reconnects, client.stats.recoveries), (13, 12))
        await asyncio.sleep(0.05)
        assert running() <= tasks
    await settled(before)


main(globals())
