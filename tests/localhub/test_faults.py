"""Faults on command: what clients see of them, and that everything is well again afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from localhub import LocalHub
from websockets.exceptions import ConnectionClosed

from tests.support.protocol import RELIABLE_JSON, ROLES

PATIENCE = 20


async def silent(client, seconds=0.3) -> None:
    """Nothing arrives, not even the end of the connection."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.websocket.recv(), seconds)


# -- cuts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rst", "fin"])
@pytest.mark.parametrize("count", [1, 2, 17, 130])
async def test_cut_after_bytes_to_the_client(localhub, raw_socket, how, count):
    peer = await raw_socket(localhub, upgrade="")
    (info,) = localhub.control.connections()
    fault = localhub.faults.cut(count, how=how, connection_id=info.id)
    for _ in range(50):
        localhub.control.send("chargers", "x" * 8)
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := await asyncio.wait_for(peer.reader.read(1000), PATIENCE):
            got += data
    assert got == (b"\x81\x08" + b"x" * 8) * (count // 10) + (b"\x81\x08" + b"x" * 8)[: count % 10]
    assert (fault.struck, fault.ended) == (1, True)
    assert localhub.faults.active == []
    # The fault struck once, so the next client is spared.
    await raw_socket(localhub, upgrade="")


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_cut_after_bytes_from_the_client(handler, raw_socket, eventually, how):
    async with LocalHub(handler.config()) as hub:
        peer = await raw_socket(hub, upgrade="")
        frame = 2 + 4 + 4
        hub.faults.cut(3 * frame + 5, direction="received", how=how)
        for number in range(8):
            peer.write_frame(0x81, b"%04d" % number)
        ended = "" if how == "fin" else ConnectionResetError
        with pytest.raises(ended) if ended else contextlib.nullcontext():
            assert await asyncio.wait_for(peer.reader.read(), PATIENCE) == b""
        await eventually(lambda: not hub.control.connections())
    assert [event.body for event in handler.named("message")] == [b"0000", b"0001", b"0002"]


async def test_cut_within_the_answer_to_the_upgrade(localhub, raw_socket, connect):
    with localhub.faults.cut(20):
        peer = await raw_socket(localhub)
        peer.write(
            b"GET /client/hubs/chargers HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.wait_for(peer.reader.read(1000), PATIENCE):
                got += data
        assert got == b"HTTP/1.1 101 Switching"[:20]
    await connect(localhub)


async def test_cut_the_first_that_get_so_far(localhub, connect, eventually):
    clients = [await connect(localhub, user_id=f"u{number}") for number in range(4)]
    fault = localhub.faults.cut(100, count=2)
    await eventually(lambda: fault.wires)
    for user in ("u2", "u0", "u1", "u3"):
        localhub.control.send("chargers", "x" * 200, user_id=user)
    await eventually(lambda: len(localhub.control.connections()) == 2)
    assert {info.user_id for info in localhub.control.connections()} == {"u1", "u3"}
    for client in (clients[1], clients[3]):
        assert (await client.receive())["data"] == "x" * 200


async def test_cut_by_user_over_tls(connect):
    async with LocalHub({"service": {"tls": {"port": 0}}}) as hub:
        context = ssl.create_default_context(cafile=str(hub.ca_pem_path))
        clients = []
        for user in ("a", "b"):
            url = hub.client_url("chargers", user, tls=True)
            clients.append(await connect(hub, url, options={"ssl": context}))
        hub.faults.cut(30, user_id="a", how="fin")
        hub.control.send("chargers", "x" * 100)
        with pytest.raises(ConnectionClosed):
            await clients[0].receive()
        assert (await clients[1].receive())["data"] == "x" * 100


@pytest.mark.parametrize("direction", ["sent", "received"])
async def test_nothing_is_lost_over_cuts_at_any_byte(localhub, connect, direction):
    client = await connect(localhub, protocol=RELIABLE_JSON, user_id="u", groups=["g"])
    identity, query = client.id, urlencode(client.recovery)
    seen: list[int] = []

    async def take() -> None:
        message = await client.receive()
        if message.get("sequenceId") == len(seen) + 1:
            seen.append(message["data"][0])

    for cut in range(40):
        fault = localhub.faults.cut(1 + cut * 7, direction=direction, connection_id=identity)
        for number in range(4):
            localhub.control.send("chargers", [cut * 4 + number, "x" * 99], group="g")
        with contextlib.suppress(ConnectionClosed):
            while True:
                if direction == "received":
                    await client.send(type="sequenceAck", sequenceId=len(seen))
                    await client.send(type="ping")
                await take()
        assert fault.ended
        client = await connect(localhub, protocol=RELIABLE_JSON, query=query)
    while len(seen) < 160:
        await take()
    assert seen == list(range(160))


# -- half-open connections ------------------------------------------------------------------


async def test_stop_writing_and_go_on(localhub, connect):
    client = await connect(localhub, user_id="u")
    other = await connect(localhub, user_id="v")
    with localhub.faults.stop_writing(user_id="u") as fault:
        localhub.control.send("chargers", "late")
        await client.send(type="ping")
        await silent(client)
        assert (await other.receive())["data"] == "late"
        assert fault.struck == 1
    assert (await client.receive())["data"] == "late"
    assert await client.receive() == {"type": "pong"}


async def test_a_half_open_connection_does_not_even_end(connect, eventually):
    hub_settings = {"name": "chargers", "web_socket_keep_alive_interval_in_seconds": 1}
    config = {"hubs": [{**hub_settings, "anonymous_connect_policy": "allow"}]}
    async with LocalHub(config) as hub:
        client = await connect(hub, options={"ping_interval": None})
        fault = hub.faults.stop_writing()
        # For the service it is over after some silence; the client must not learn of it.
        await eventually(lambda: not hub.control.connections())
        await silent(client)
        fault.end()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.websocket.recv(), PATIENCE)


async def test_new_clients_get_no_answer(localhub, connect):
    with localhub.faults.stop_writing():
        attempt = asyncio.create_task(connect(localhub))
        await asyncio.sleep(0.3)
        assert not attempt.done()
    await attempt


async def test_stop_reading_and_go_on(handler, connect, eventually):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        with hub.faults.stop_reading(user_id="u"):
            await client.send(type="event", event="late", data=1, ackId=1)
            # Half-dead the other way round: the client still hears.
            hub.control.send("chargers", "hi")
            assert (await client.receive())["data"] == "hi"
            await silent(client)
            assert not handler.named("late")
        assert (await client.receive())["ackId"] == 1
        assert handler.named("late")


async def test_a_deaf_service_does_not_take_silence_for_death(connect):
    hub_settings = {"name": "chargers", "web_socket_keep_alive_interval_in_seconds": 1}
    async with LocalHub({"hubs": [hub_settings]}) as hub:
        client = await connect(hub, user_id="u")
        with hub.faults.stop_reading():
            await asyncio.sleep(3.5)
            assert len(hub.control.connections()) == 1
        await client.quiet()


async def test_a_flood_to_a_half_open_connection_has_an_end(localhub, connect, eventually):
    await connect(localhub, user_id="plain", groups=["g"])
    reliable = await connect(localhub, protocol=RELIABLE_JSON, user_id="reliable", groups=["g"])
    with localhub.faults.stop_writing():
        for _ in range(60):
            localhub.control.send("chargers", b"x" * 100_000, group="g")
            await asyncio.sleep(0)
        # Who cannot be written to is a slow client; a reliable one is kept for later.
        await eventually(lambda: len(localhub.control.connections()) == 1)
        assert localhub.control.connections()[0].id == reliable.id
    for _ in range(60):
        assert (await reliable.receive())["dataType"] == "binary"


# -- delays ---------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["sent", "received", "both"])
async def test_delay_keeps_the_order(localhub, connect, direction):
    client = await connect(localhub, user_id="u", roles=ROLES)
    await client.ask(type="joinGroup", group="g", ackId=1)
    with localhub.faults.delay(0.2, direction=direction):
        start = time.monotonic()
        for number in range(20):
            await client.send(type="sendToGroup", group="g", data=number)
        assert [(await client.receive())["data"] for _ in range(20)] == list(range(20))
        assert time.monotonic() - start >= (0.4 if direction == "both" else 0.2)
    await client.quiet()


async def test_what_is_delayed_arrives_before_the_end(localhub, connect):
    client = await connect(localhub, user_id="u")
    localhub.faults.delay(0.2)
    localhub.control.send("chargers", "last")
    localhub.control.close(client.id, "bye")
    assert (await client.receive())["data"] == "last"
    assert (await client.receive())["message"] == "bye"
    assert await client.close_code() == (1000, "bye")


# -- upgrades and calls ---------------------------------------------------------------------


async def test_refuse_some_upgrades(localhub, connect, refused):
    fault = localhub.faults.refuse_upgrades(503, count=2, hub="CHARGERS")
    await connect(localhub, name="other", user_id="u")
    for _ in range(2):
        status, text = await refused(localhub)
        assert (status, text) == (503, "Refused on command.\n")
    assert fault.ended
    await connect(localhub)


async def test_refuse_upgrades_for_a_while(localhub, connect, refused, eventually):
    fault = localhub.faults.refuse_upgrades(429, retry_after=7, for_seconds=0.5)
    with pytest.raises(WSServerHandshakeError) as refusal:
        async with ClientSession() as session:
            await session.ws_connect(f"{localhub.endpoint}/client/hubs/chargers")
    assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (429, "7")
    await eventually(lambda: fault.ended)
    await connect(localhub)


async def test_throttle_upgrades(localhub, connect, refused):
    with localhub.faults.throttle(2, per_seconds=60) as fault:
        await connect(localhub)
        await connect(localhub)
        assert (await refused(localhub))[0] == 429
        assert fault.struck == 1
    await connect(localhub)


async def test_throttle_calls_as_the_sdk_meets_it(localhub):
    service = WebPubSubServiceClient.from_connection_string(
        localhub.connection_string, hub="chargers"
    )
    with localhub.faults.throttle(1, per_seconds=2) as fault, service:
        # It waits as long as Retry-After says, and gets through.
        for _ in range(2):
            await asyncio.to_thread(service.connection_exists, "nobody")
        assert fault.struck >= 1
    async with ClientSession() as session:
        with localhub.faults.throttle(0, per_seconds=5):
            async with session.get(f"{localhub.endpoint}/api/health") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
                assert (await answer.json())["code"] == "Error.TooManyRequests"
        async with session.head(f"{localhub.endpoint}/api/health") as answer:
            assert answer.status == 200


# -- acks -----------------------------------------------------------------------------------


async def test_lost_and_late_acks(localhub, connect):
    client = await connect(localhub, user_id="u", roles=ROLES)
    other = await connect(localhub, user_id="v", roles=ROLES)
    localhub.faults.drop_acks(user_id="u", count=1)
    await client.send(type="joinGroup", group="a", ackId=1)
    await client.quiet()
    assert (await other.ask(type="joinGroup", group="a", ackId=1))["success"]
    # It was executed all the same.
    assert (await client.ask(type="joinGroup", group="a", ackId=1))["error"]["name"] == "Duplicate"
    with localhub.faults.delay_acks(0.2):
        start = time.monotonic()
        await client.send(type="joinGroup", group="b", ackId=2)
        await client.quiet()
        assert (await client.receive())["ackId"] == 2
        assert time.monotonic() - start >= 0.2


# -- ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("code", [1001, 1011, 4321])
async def test_close_with_a_code(localhub, connect, code, keep):
    client = await connect(localhub, protocol=RELIABLE_JSON, user_id="u", groups=["g"])
    assert localhub.faults.close(code, "reload", keep_session=keep, user_id="u") == 1
    localhub.control.send("chargers", "meanwhile", group="g")
    assert (await client.receive())["message"] == "reload"
    assert await client.close_code() == (code, "reload")
    again = await connect(localhub, protocol=RELIABLE_JSON, query=urlencode(client.recovery))
    if keep:
        assert (await again.receive())["data"] == "meanwhile"
    else:
        assert (await again.close_code())[0] == 1008


async def test_expire(localhub, connect):
    client = await connect(localhub, protocol=RELIABLE_JSON, user_id="u")
    await connect(localhub, user_id="v")
    assert localhub.faults.expire(user_id="u") == 1
    assert (await client.close_code())[0] == 1006
    assert [info.user_id for info in localhub.control.connections()] == ["v"]


# -- all of them ----------------------------------------------------------------------------


async def test_the_service_stops_in_spite_of_them(connect):
    config = {"hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}]}
    async with LocalHub(config) as hub:
        for _ in range(3):
            await connect(hub)
        hub.faults.delay(60)
        hub.faults.stop_reading()
        hub.faults.stop_writing()
        start = time.monotonic()
    assert time.monotonic() - start < 10
    assert hub.faults.active == []


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("cut", {"after_bytes": -1}, "after_bytes: Input should be greater than or equal to 0"),
        ("cut", {"direction": "up"}, "direction: Input should be 'sent' or 'received'"),
        ("cut", {"nobody": "x"}, "nobody: Extra inputs are not permitted"),
        ("cut", {"count": 0}, "count: Input should be greater than 0"),
        ("delay", {"seconds": float("nan")}, "seconds: "),
        ("close", {"code": 1005}, "code: a Close frame carries 1000 to 1003"),
        ("refuse_upgrades", {"status": 101}, "status: "),
        ("stop_reading", {"for_seconds": -1}, "for_seconds: "),
    ],
)
async def test_what_makes_no_sense(localhub, name, values, said):
    with pytest.raises(ValueError, match=said.replace(".", r"\.")) as error:
        getattr(localhub.faults, name)(**values)
    assert "\n" not in str(error.value)
    assert localhub.faults.active == []


async def test_a_connection_that_is_not_there(localhub):
    with pytest.raises(LookupError, match="no connection 'x'"):
        localhub.faults.cut(connection_id="x")
