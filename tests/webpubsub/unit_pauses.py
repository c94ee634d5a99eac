"""The pauses of a client whose connections end soon: long for a service that does not let it work,
short for a link that is cut. Without a network, on the wire of unit_keeper."""

import asyncio

from checks import equal
from unit_keeper import Wire, connected, live, names, until
from webpubsub import Backoff
from webpubsub.errors import TransportError

ACK = b'{"type":"ack","ackId":%d,"success":true}'
CUT = TransportError("cut")


def delays(diary):
    return [event.delay for event in diary if event.name == "reconnecting"]


async def acknowledged(client, wire, number):
    sending = asyncio.create_task(client.send_event("e", 1, ack_id=number))
    await asyncio.sleep(0)
    wire.made[-1].script.append(ACK % number)
    wire.made[-1].wake.set()
    await sending


def test_let_in_and_at_once_out_again():
    # Each session has its connected frame, and no token for a recovery.
    def session(number):
        return [connected(number).replace(b"reconnectionToken", b"x"), CUT]

    wire = Wire(*(session(number) for number in range(1, 6)))

    async def body(client, diary):
        await until(lambda: len(delays(diary)) >= 5)
        for delay, span in zip(delays(diary), (10, 20, 40, 80, 80)):  # noqa: B905 MicroPython
            assert span / 2 <= delay <= span, delays(diary)

    live(wire, body, backoff=Backoff(first=10, maximum=80))


def test_groups_that_are_joined_again_prove_nothing():
    def session(number):
        return [connected(number).replace(b"reconnectionToken", b"x")]

    wire = Wire(*(session(number) for number in range(1, 6)))

    async def body(client, diary):
        await until(lambda: client.state == "connected")
        await client.join_group("g")
        for number in range(1, 5):
            await until(lambda number=number: len(wire.made) == number)
            await until(lambda: client.state == "connected" and not client.session.waiting)
            client.keeper.ws.abort()
            await until(lambda number=number: len(delays(diary)) == number)
        # The first one was the program's.
        for delay, span in zip(delays(diary), (10, 20, 40, 80)):  # noqa: B905 MicroPython
            assert span / 2 <= delay <= span, delays(diary)

    live(wire, body, backoff=Backoff(first=10, maximum=80))


def test_a_link_that_is_cut_while_the_program_works():
    def session(number):
        return [connected(number).replace(b"reconnectionToken", b"x")]

    wire = Wire(TransportError("no"), TransportError("no"), *map(session, range(1, 5)))

    async def body(client, diary):
        for number in range(1, 5):
            await until(lambda number=number: client.connection_id == "c" + str(number))
            await acknowledged(client, wire, 10 + number)
            client.keeper.ws.abort()
        await until(lambda: len(delays(diary)) == 6)
        assert all(delay <= 10 for delay in delays(diary)[2:]), delays(diary)
        equal([event.attempt for event in diary if event.name == "reconnecting"][2:], [1] * 4)

    live(wire, body, backoff=Backoff(first=10, maximum=80))


def test_taken_back_and_at_once_dropped_again():
    wire = Wire(*[[connected(1), CUT] for _ in range(8)])

    async def body(client, diary):
        await until(lambda: client.stats.recoveries >= 7)
        # At once after the first cut; then no more often than attempts that fail.
        equal(wire.slept[:6], [0.25, 0.5, 1, 1, 1, 1])
        assert "disconnected" not in names(diary)

    live(wire, body)


def test_taken_back_to_work():
    wire = Wire(*[[connected(1)] for _ in range(5)])

    async def body(client, diary):
        for number in range(1, 5):
            await until(lambda number=number: len(wire.made) == number)
            await until(lambda: client.state == "connected")
            await acknowledged(client, wire, number)
            client.keeper.ws.abort()
        await until(lambda: client.stats.recoveries == 4)
        equal(wire.slept, [])

    live(wire, body)
