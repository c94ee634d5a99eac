"""Reliable sessions: sequenceIds, what is kept, recovery, and how sessions end."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest
from localhub import LocalHub

from tests.support.protocol import JSON, RELIABLE_JSON, ROLES


@pytest.fixture
def recover(connect):
    """Recovers a client's session as a client does."""

    async def attempt(localhub, client, name="chargers", protocol=RELIABLE_JSON, **changes):
        query = urlencode({**client.recovery, "access_token": "stale", **changes})
        return await connect(localhub, name=name, protocol=protocol, query=query)

    return attempt


async def detach(localhub, client, eventually, how="rst"):
    localhub.control.drop(client.id, how)
    await client.close_code()
    await eventually(lambda: [c for c in localhub.control.connections() if c.detached])


def messages(localhub, *contents):
    for content in contents:
        localhub.control.send("chargers", content)


async def received(client, count):
    frames = [await client.receive() for _ in range(count)]
    return [(frame["sequenceId"], frame["data"]) for frame in frames]


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_replay_of_what_is_not_acknowledged(localhub, connect, recover, eventually, how):
    client = await connect(
        localhub, protocol=RELIABLE_JSON, user_id="u", groups=["g"], roles=ROLES
    )
    messages(localhub, "a", "b", "c")
    assert await received(client, 3) == [(1, "a"), (2, "b"), (3, "c")]
    await client.send(type="sequenceAck", sequenceId=1)
    await client.quiet()
    await detach(localhub, client, eventually, how)
    messages(localhub, "d")
    localhub.control.send("chargers", "e", group="g")
    localhub.control.send("chargers", "f", user_id="u")

    again = await recover(localhub, client)
    assert again.websocket.subprotocol == RELIABLE_JSON
    assert await received(again, 5) == [(2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")]
    # Who it is, its groups and rights are as before, and life goes on.
    ack = await again.ask(type="joinGroup", group="g2", ackId=1)
    assert ack["success"]
    (info,) = localhub.control.connections()
    assert (info.id, info.user_id, info.groups) == (client.id, "u", {"g", "g2"})
    messages(localhub, "g")
    assert await received(again, 1) == [(7, "g")]


async def test_acks_are_not_replayed_and_duplicates_are_known(
    localhub, connect, recover, eventually
):
    client = await connect(localhub, protocol=RELIABLE_JSON, roles=ROLES, groups=["g"])
    localhub.control.withhold_acks()
    await client.send(type="sendToGroup", group="g", data=1, ackId=5)
    await received(client, 1)
    await client.send(type="sequenceAck", sequenceId=1)
    await client.quiet()
    await detach(localhub, client, eventually)
    again = await recover(localhub, client)
    ack = await again.ask(type="sendToGroup", group="g", data=1, ackId=5)
    assert ack["error"]["name"] == "Duplicate"


async def test_a_session_is_recovered_many_times(localhub, connect, recover, eventually):
    client = first = await connect(localhub, protocol=RELIABLE_JSON)
    for number in range(1, 6):
        await detach(localhub, first, eventually)
        messages(localhub, number)
        client = await recover(localhub, first)
        assert (await received(client, number))[-1] == (number, number)


async def test_an_attached_socket_is_dropped_for_the_new_one(localhub, connect, recover):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    messages(localhub, "a")
    again = await recover(localhub, client)
    assert (await client.close_code())[0] == 1006
    assert await received(again, 1) == [(1, "a")]
    assert not localhub.control.connections()[0].detached


async def test_reconnection_tokens_need_percent_encoding(localhub, connect):
    for _ in range(20):
        client = await connect(localhub, protocol=RELIABLE_JSON)
        token = client.recovery["awps_reconnection_token"]
        assert all(character in token for character in "+/=")


@pytest.mark.parametrize(
    "changes",
    [
        {"awps_connection_id": "unknown"},
        {"awps_reconnection_token": "wrong"},
        {"awps_reconnection_token": "n\u00f6n-ascii"},
        {"awps_reconnection_token": ""},
        {"name": "other"},
    ],
)
async def test_a_refused_recovery_is_101_then_1008(localhub, connect, recover, changes):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    again = await recover(localhub, client, **changes)
    assert again.websocket.subprotocol == RELIABLE_JSON
    assert (await again.close_code())[0] == 1008
    await client.quiet()


async def test_plain_clients_cannot_be_recovered(localhub, connect, recover, eventually):
    client = await connect(localhub)
    client.connected["reconnectionToken"] = ""
    again = await recover(localhub, client, protocol=JSON)
    assert (await again.close_code())[0] == 1008
    await client.quiet()


async def test_a_client_that_closes_with_1000_ends_its_session(
    localhub, connect, recover, eventually
):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    await client.leave(1000)
    await eventually(lambda: not localhub.control.connections())
    again = await recover(localhub, client)
    assert (await again.close_code())[0] == 1008


@pytest.mark.parametrize("payload", [b"", b"\x03\xe9", b"\x0f\xa0bye"])
async def test_any_other_close_keeps_the_session(localhub, raw_socket, eventually, payload):
    peer = await raw_socket(localhub, upgrade=RELIABLE_JSON)
    await peer.read_frame()
    peer.write_frame(0x88, payload)
    assert await peer.read_frame() == (0x88, payload[:2])
    assert await peer.rest() == b""
    (info,) = await eventually(localhub.control.connections)
    assert info.detached


async def test_a_session_closed_by_the_service_is_gone(localhub, connect, recover):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    localhub.control.close(client.id, "bye")
    assert await client.close_code() == (1000, "bye")
    again = await recover(localhub, client)
    assert (await again.close_code())[0] == 1008


async def test_an_expired_session_is_gone(localhub, connect, recover, eventually):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    await detach(localhub, client, eventually)
    localhub.control.expire(client.id)
    assert localhub.control.connections() == []
    again = await recover(localhub, client)
    assert (await again.close_code())[0] == 1008


async def test_retention_ends_a_session(connect, recover, eventually):
    async with LocalHub({"service": {"session_retention_in_seconds": 0.2}}) as hub:
        client = await connect(hub, protocol=RELIABLE_JSON, user_id="u")
        await detach(hub, client, eventually)
        await eventually(lambda: not hub.control.connections())
        again = await recover(hub, client)
        assert (await again.close_code())[0] == 1008
        # While attached, a session does not age.
        client = await connect(hub, protocol=RELIABLE_JSON, user_id="u")
        await asyncio.sleep(0.4)
        await client.quiet()


async def test_a_mistake_of_the_client_leaves_its_session(localhub, connect, recover):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    await client.websocket.send("not json")
    assert (await client.close_code())[0] == 1007
    messages(localhub, "a")
    again = await recover(localhub, client)
    assert await received(again, 1) == [(1, "a")]


async def test_acks_ahead_of_what_was_sent_are_ignored(localhub, connect, recover, eventually):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    messages(localhub, "a")
    await client.receive()
    await client.send(type="sequenceAck", sequenceId=2)
    await client.send(type="sequenceAck", sequenceId=2**64 - 1)
    await client.quiet()
    await detach(localhub, client, eventually)
    again = await recover(localhub, client)
    assert await received(again, 1) == [(1, "a")]


async def test_more_than_a_thousand_unacknowledged_messages_end_a_session(
    localhub, connect, recover, eventually
):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    other = await connect(localhub)
    await detach(localhub, client, eventually)
    messages(localhub, *range(1000))
    assert len(localhub.control.connections()) == 2
    messages(localhub, 1000)
    assert [info.id for info in localhub.control.connections()] == [other.id]
    again = await recover(localhub, client)
    assert (await again.close_code())[0] == 1008
    for number in range(1001):
        assert (await other.receive())["data"] == number


async def test_more_than_16_megabytes_end_a_session(localhub, connect, eventually):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    messages(localhub, *["x" * 1024 * 1024] * 15)
    for _ in range(15):
        await client.receive()
    await client.quiet()
    messages(localhub, *["x" * 1024 * 1024] * 2)
    # Aborted without a Close frame.
    assert (await client.close_code())[0] == 1006
    assert localhub.control.connections() == []


async def test_a_large_replay_arrives_whole(localhub, connect, recover, eventually):
    client = await connect(localhub, protocol=RELIABLE_JSON)
    await detach(localhub, client, eventually)
    messages(localhub, *["x" * 100_000 + str(number) for number in range(140)])
    again = await recover(localhub, client)
    frames = await received(again, 140)
    assert [number for number, _ in frames] == list(range(1, 141))
    assert all(data == "x" * 100_000 + str(at) for at, (_, data) in enumerate(frames))
