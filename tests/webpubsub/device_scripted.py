"""Run on a device against the scripted service: what a right service never says."""

import asyncio
import os

from checks import equal
from device_bench import collect, names, new_client, until
from device_common import descriptors, fails, main, settled
from webpubsub.errors import DeadlineError, HandshakeError, ProtocolError, SessionLost
from webpubsub.websocket import ws_connect

ENDPOINT = os.getenv("ENDPOINT") + "/client/hubs/"


def client_of(play, **options):
    return new_client(ENDPOINT + play + "?access_token=a.b.c", **options)


async def report(play):
    """What the service saw."""
    async with await ws_connect(ENDPOINT + "log?of=" + play) as ws:
        return await ws.receive_json()


async def reconnects(play, code, **options):
    """The client drops the connection with a code, and begins a new session."""
    before = descriptors()
    client = client_of(play, **options)
    async with client:
        await until(lambda: "reconnected" in names(client))
        equal(
            [name for name in names(client) if name != "recovering"],
            ["connected", "disconnected", "reconnecting", "connected", "reconnected"],
        )
        codes = [event.code for event in client.diary if event.name == "disconnected"]
        equal(codes, [code])
        equal(client.connection_id, "c2")
    await settled(before)
    return (await report(play))["log"], client


async def test_frames_that_are_none():
    for play, code in (
        ("illegal", 1007),
        ("wrong", 1007),
        ("badid", 1007),
        ("binary", 1003),
        ("oversized", 1009),
    ):
        log, _ = await reconnects(play, code, max_message_size=4096)
        # The service learns why, and no recovery brings the same frame again.
        equal(log[:3], ["connect", "closed " + str(code), "connect"])


async def test_what_came_before_a_mistake_is_kept():
    client = client_of("kept")
    async with client:
        await until(lambda: "reconnected" in names(client))
        async for message in client:
            equal(message.data, "before")
            break


async def test_deep_nesting():
    # Read or refused, as the interpreter can; the client lives on.
    client = client_of("deep")
    async with client:
        seen = []
        task = collect(client, seen)
        await until(lambda: seen or "reconnected" in names(client))
    await task


async def test_openings_that_fail():
    before = descriptors()
    client = client_of("early")
    await fails(ProtocolError, client.open())
    equal(client.state, "closed")
    client = client_of("mute")
    await fails(DeadlineError, client.open(0.3))
    equal(client.state, "closed")
    error = await fails(HandshakeError, client_of("speechless").open())
    assert "json.reliable" in str(error), error
    await settled(before)


async def test_close_codes_of_the_service():
    for play in ("code1008", "code1007"):
        client = client_of(play)
        async with client:
            await client.send_event("go", 1, ack=False)
            await until(lambda client=client: "reconnected" in names(client))
            assert "recovering" not in names(client)
        assert not [line for line in (await report(play))["log"] if line.startswith("recover")]
    client = client_of("code1000")
    async with client:
        await client.send_event("go", 1, ack=False)
        await until(lambda: "reconnected" in names(client))
        equal(names(client)[1:3], ["recovering", "disconnected"])
    # The access token does not go along with a recovery.
    equal([line for line in (await report("code1000"))["log"] if "recover" in line], ["recover"])


async def test_a_session_that_cannot_be_recovered():
    client = client_of("tokenless")
    async with client:
        await until(lambda: "reconnected" in names(client))
        assert "recovering" not in names(client)


async def test_repeated_and_missing_ids():
    client = client_of("repeats")
    async with client:
        seen = []
        task = collect(client, seen)
        await until(lambda: len(seen) == 5)
        equal(seen, [1, 2, 3, 5, 6])
        equal(client.stats.duplicates, 3)
        await until(lambda: client.session.acknowledged == 6, 5)
    await task
    acks = [frame["sequenceId"] for frame in (await report("repeats"))["frames"]]
    equal(acks[-1], 6)
    equal(acks, sorted(acks))


async def test_what_is_unknown_is_ignored():
    client = client_of("unknown")
    async with client:
        async for message in client:
            equal(message.data, "\U0001f600 ü")
            break
        equal(names(client), ["connected"])


async def test_a_second_connected_frame():
    client = client_of("renewed")
    async with client:
        seen = []
        task = collect(client, seen)
        await until(lambda: len(seen) == 2)
        equal((seen, client.session.token), ([1, 2], "t2"))
        equal(names(client), ["connected", "recovering", "recovered"])
    await task


async def test_an_acknowledgement_that_was_lost_is_said_again():
    # Else the service keeps and replays what the program has had, until it has kept too much.
    client = client_of("forgetful")
    async with client:
        seen = []
        task = collect(client, seen)
        await until(lambda: "recovered" in names(client))
        await until(lambda: client.stats.duplicates == 3)
        frames = []
        for _ in range(40):
            if not frames:
                await asyncio.sleep(0.05)
                frames = (await report("forgetful"))["frames"]
        equal((seen, frames[:1]), ([1, 2, 3], [{"type": "sequenceAck", "sequenceId": 3}]))
    await task


async def test_a_recovery_that_is_no_recovery():
    client = client_of("swapped")
    async with client:
        await client.join_group("a")
        await client.join_group("b")
        error = await fails(SessionLost, client.send_to_group("a", "sent before"))
        equal(error.outcome, "unknown")
        await until(lambda: "reconnected" in names(client))
        equal(
            names(client), ["connected", "recovering", "disconnected", "connected", "reconnected"]
        )
        equal((client.connection_id, client.session.token), ("other", "t2"))
        equal(client.diary[3].connection_id, "other")
        equal((client.stats.recoveries, client.stats.reconnects), (0, 1))
        equal(client.diary[4].session_lost, True)
        # The groups first, then what waited; numbers begin anew.
        for number in range(2):
            await client.send_to_group("a", number)
        seen = []
        task = collect(client, seen)
        await until(lambda: "new 1" in seen)
        equal(seen, ["old 1", "old 2", "new 1"])
    await task
    frames = [
        (frame["type"], frame["group"])
        for frame in (await report("swapped"))["frames"]
        if "ackId" in frame
    ]
    equal(frames[2:], [("joinGroup", "a"), ("joinGroup", "b")] + [("sendToGroup", "a")] * 2)
    log = (await report("swapped"))["log"]
    equal([line for line in log if "closed" not in line], ["connect", "recover"])


async def test_a_link_that_is_cut_again_and_again():
    client = client_of("stubborn")
    async with client:
        await until(lambda: "recovered" in names(client))
        equal((await report("stubborn"))["log"].count("recover"), 3)
        equal(client.state, "connected")


main(globals())
