"""Run on a device against a service that it makes misbehave itself: what the client then does."""

import asyncio
import json
import os

from checks import equal
from device_bench import PLAIN, collect, command, names, new_client, until
from device_common import fails, main
from webpubsub import Backoff
from webpubsub.errors import DeadlineError, HandshakeError, SessionLost, TransportError
from webpubsub.stream import ticks_diff, ticks_ms

_HOST, _, _PORT = os.getenv("ENDPOINT").split("://")[1].partition(":")


async def call(method, body=b""):
    """One HTTP request to the service's faults; the JSON of its answer, None without any."""
    reader, writer = await asyncio.open_connection(_HOST, int(_PORT))
    try:
        lines = (
            f"{method} /faults?{os.getenv('FAULTS').partition('?')[2]} HTTP/1.0",
            f"Host: {_HOST}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "\r\n",
        )
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        while await reader.readline() not in (b"\r\n", b""):
            pass
        answer = await reader.read(-1)
    finally:
        writer.close()
        await writer.wait_closed()
    assert 200 <= status < 300, answer
    return json.loads(answer) if answer else None


async def fault(kind, **values):
    """Let something go wrong; what the service says of it."""
    values["kind"] = kind
    return await call("POST", json.dumps(values).encode())


async def active():
    """What goes wrong at the moment."""
    return (await call("GET"))["faults"]


async def well_again():
    await call("DELETE")


def since(start):
    """Seconds since a time in ticks."""
    return ticks_diff(ticks_ms(), start) / 1000


# cuts


async def test_cuts_at_any_byte_lose_nothing():
    for direction in ("sent", "received"):
        async with new_client(queue_messages=100) as client:
            await client.join_group("a")
            seen = []
            task = collect(client, seen)
            for number in range(12):
                await fault(
                    "cut",
                    connection_id=client.connection_id,
                    after_bytes=1 + number * 29,
                    direction=direction,
                    how=("rst", "fin")[number % 2],
                )
                for part in range(4):
                    # Each returns once: what a cut interrupts is sent again after the recovery.
                    await client.send_to_group("a", f"{number * 4 + part} {'x' * 99}")
                equal(await active(), [])
            await until(lambda seen=seen: len(seen) == 48)
            equal([int(text.split()[0]) for text in seen], list(range(48)))
            equal((client.stats.recoveries, client.stats.reconnects), (12, 0))
        await task


async def test_a_cut_within_the_handshake():
    await fault("cut", after_bytes=30)
    error = await fails(TransportError, new_client().open())
    assert "clos" in str(error) or "reset" in str(error).lower() or "104" in str(error), error
    async with new_client() as client:
        # The connection that is there, and the first try to recover it.
        await fault("cut", after_bytes=30, connection_id=client.connection_id, count=2)
        await client.send_to_group("a", 1)
        await until(lambda: "recovered" in names(client))
        equal(names(client), ["connected", "recovering", "recovered"])
        equal(await active(), [])


# half-dead links


async def test_silence_is_noticed_in_time():
    # Nothing arrives any more, not even the end of the connection.
    async with new_client(ping_interval=0.4, silence_timeout=1.2) as client:
        await client.join_group("a")
        identity = client.connection_id
        start = ticks_ms()
        started = await fault("stop_writing", connection_id=identity, count=1)
        equal(started["struck"], 1)
        await command("publish", "a", 0, 3)
        await until(lambda: "recovering" in names(client))
        # Seven eighths of the time-out at least; a busy machine is late, never early.
        assert 1 <= since(start) <= 1.2 + 3, since(start)
        assert "silent for 1.2 s" in str(client.diary[1].reason), client.diary[1].reason
        seen = []
        task = collect(client, seen)
        await until(lambda: seen == [0, 1, 2])
        equal((client.connection_id, client.stats.recoveries), (identity, 1))
    await task
    await well_again()


async def test_an_upgrade_without_an_answer():
    await fault("stop_writing")
    start = ticks_ms()
    error = await fails(DeadlineError, new_client().open(timeout=0.5))
    assert 0.5 <= since(start) < 5, since(start)
    assert "no connection within 0.5 s" in str(error), error
    await well_again()


async def test_a_write_that_does_not_move():
    # The service reads no more, yet its pings go on: only the stuck write shows it.
    async with new_client(silence_timeout=2.4, max_message_size=1000) as client:
        await fault("stop_reading", connection_id=client.connection_id, count=1)
        chunk = "x" * 5000
        start = ticks_ms()
        sent = 0
        while "recovering" not in names(client):
            # The last one waits for the next connection.
            start = ticks_ms()
            await asyncio.wait_for(client.send_to_group("b", chunk, ack=False), 10)
            sent += 1
            assert sent < 5000, "the service still reads"
        assert since(start) <= 2.4 + 4, since(start)
        reason = str(client.diary[1].reason)
        assert "a write did not move for 2.4 s" in reason, reason
        await until(lambda: "recovered" in names(client))
        await client.send_to_group("b", "small")
    await well_again()


async def test_what_waits_behind_a_stuck_frame_is_not_sent():
    async with new_client() as client:
        await client.join_group("b")
        seen = []
        task = collect(client, seen)
        await fault("stop_reading", connection_id=client.connection_id, count=1)
        unknown = asyncio.create_task(
            fails(SessionLost, client.send_to_group("b", "unknown", no_echo=True))
        )
        chunk = "x" * 5000
        try:
            while True:
                sending = client.send_to_group("b", chunk, ack=False, no_echo=True)
                await asyncio.wait_for(sending, 0.3)
        except asyncio.TimeoutError:
            pass  # the frame before it is out in part only
        cancelled = [
            asyncio.create_task(client.send_to_group("b", "cancelled", ack=ack))
            for ack in (True, False)
        ]
        kept = asyncio.create_task(client.send_to_group("b", "kept"))
        await asyncio.sleep(0.05)
        for each in cancelled:
            each.cancel()
            error = await fails(asyncio.CancelledError, wrapped(each))
            equal(error.outcome, "not_sent")
        await fault("expire", connection_id=client.connection_id)
        equal((await asyncio.wait_for(unknown, 10)).outcome, "unknown")
        # What was not sent goes out in the next session.
        await asyncio.wait_for(kept, 10)
        await client.send_to_group("b", "end")
        await until(lambda: "end" in seen)
        equal(seen, ["kept", "end"])
    await task
    await well_again()


async def wrapped(task):
    return await task


# delays


async def test_slow_is_not_dead():
    async with new_client(ping_interval=0.3, silence_timeout=2) as client:
        await client.join_group("a")
        await fault("delay", seconds=0.3)
        seen = []
        task = collect(client, seen)
        start = ticks_ms()
        await asyncio.gather(*[client.send_to_group("a", number) for number in range(5)])
        assert since(start) >= 0.6, since(start)
        await until(lambda: len(seen) == 5)
        equal(seen, [0, 1, 2, 3, 4])
        equal(names(client), ["connected"])
        await well_again()
    await task


# upgrades


async def test_a_refusal_says_what_and_when():
    await fault("refuse_upgrades", status=429, retry_after=7, count=1)
    error = await fails(HandshakeError, new_client().open())
    equal((error.status, error.retry_after, error.reason), (429, 7, "Refused on command."))
    assert "HTTP 429" in str(error), error


async def test_retry_after_is_waited_for():
    client = new_client(protocol=PLAIN)
    async with client:
        await fault("refuse_upgrades", status=503, retry_after=1, count=1)
        await fault("cut", connection_id=client.connection_id)
        await until(lambda: "reconnected" in names(client))
        first, second = [event for event in client.diary if event.name == "reconnecting"]
        assert first.delay < 1, first.delay
        equal((second.attempt, second.delay), (2, 1))
        equal((second.reason.status, second.reason.retry_after), (503, 1))


async def test_retry_after_is_waited_for_in_a_recovery():
    async with new_client() as client:
        await fault("refuse_upgrades", status=503, retry_after=2, count=1)
        start = ticks_ms()
        await fault("cut", connection_id=client.connection_id)
        await until(lambda: "recovered" in names(client))
        assert since(start) >= 1.95, since(start)
    # Asked to wait for longer than the session is kept, it does not even try.
    async with new_client() as client:
        await fault("refuse_upgrades", status=429, retry_after=99, count=1)
        await fault("cut", connection_id=client.connection_id)
        await until(lambda: client.state == "reconnecting")
        equal(names(client)[1:], ["recovering", "disconnected", "reconnecting"])
        equal(client.diary[-1].delay, 99)


async def test_refused_for_a_while():
    client = new_client(protocol=PLAIN, backoff=Backoff(first=0.1, maximum=0.2))
    async with client:
        start = ticks_ms()
        await fault("refuse_upgrades", status=502, for_seconds=1)
        await fault("cut", connection_id=client.connection_id)
        await until(lambda: "reconnected" in names(client))
        assert since(start) >= 0.95, since(start)
        assert names(client).count("reconnecting") >= 2, names(client)
        await client.send_to_group("a", 1)


async def test_a_recovery_outlasts_refusals():
    async with new_client() as client:
        await fault("refuse_upgrades", status=503, count=2)
        await fault("cut", connection_id=client.connection_id)
        await until(lambda: "recovered" in names(client))
        equal(names(client), ["connected", "recovering", "recovered"])


async def test_a_throttled_fleet_comes_in_one_by_one():
    await fault("throttle", limit=2, per_seconds=2)
    fleet = [new_client(backoff=Backoff(first=0.05, maximum=0.05)) for _ in range(4)]
    tasks = [asyncio.create_task(client.run()) for client in fleet]
    await until(lambda: all(client.state == "connected" for client in fleet), 20)
    waits = [e for client in fleet for e in client.diary if e.name == "reconnecting"]
    assert waits
    for event in waits:
        equal((event.reason.status, event.delay), (429, event.reason.retry_after))
    for client in fleet:
        await client.close()
    await asyncio.gather(*tasks)
    await well_again()


# acks


async def test_a_lost_ack_is_said():
    async with new_client(ack_timeout=0.4) as client:
        await client.join_group("a")
        seen = []
        task = collect(client, seen)
        await fault("drop_acks", count=1)
        error = await fails(DeadlineError, client.send_to_group("a", "once", ack_id=77))
        equal(error.outcome, "unknown")
        # Asked again with the same id: it has been executed, and is not executed again.
        await client.send_to_group("a", "once", ack_id=77)
        await client.send_to_group("a", "end")
        await until(lambda: "end" in seen)
        equal(seen, ["once", "end"])
    await task


async def test_a_late_ack_is_waited_for():
    async with new_client(ack_timeout=5) as client:
        await fault("delay_acks", seconds=0.5, count=1)
        start = ticks_ms()
        await client.send_to_group("a", 1)
        assert since(start) >= 0.45, since(start)


# ends


async def test_an_expired_session_is_replaced():
    async with new_client() as client:
        await client.join_group("a")
        first = client.connection_id
        equal(await fault("expire", connection_id=first), {"struck": 1})
        await until(lambda: "reconnected" in names(client))
        assert client.connection_id != first
        assert client.diary[-1].session_lost
        await client.send_to_group("a", "after")


async def test_close_codes():
    for code, keep, expected in (
        (1001, True, ["recovering", "recovered"]),
        (1011, True, ["recovering", "recovered"]),
        (4321, True, ["recovering", "recovered"]),
        (1001, False, ["recovering", "disconnected"]),
        (1008, True, ["disconnected", "reconnecting"]),
    ):
        async with new_client() as client:
            await fault(
                "close",
                code=code,
                reason="reload",
                keep_session=keep,
                connection_id=client.connection_id,
            )
            await until(lambda client=client: len(client.diary) >= 3)
            equal(names(client)[1:3], expected)
            last = "reconnected" if expected[-1] != "recovered" else "recovered"
            await until(lambda client=client, last=last: last in names(client))
            gone = [event for event in client.diary if event.name == "disconnected"]
            reported = [(e.code, e.reason.code, e.reason.reason) for e in gone]
            equal(reported, [(code, code, "reload")] * (last != "recovered"))
            equal(client.diary[1].reason.reason, "reload")
            await client.send_to_group("a", 1)


main(globals())
