"""Whatever peers pile up, a limit comes before the memory ends, and others are not hurt."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import subprocess
import sys
import tracemalloc
from urllib.parse import urlencode

import pytest
from aiohttp import web
from localhub import ConfigError, LocalHub
from localhub.errors import LimitError
from localhub.hub.admission import Admission
from localhub.hub.hub import Hub
from localhub.requests.dispatcher import Dispatcher
from localhub.runtime import HubRuntime

from tests.support.protocol import RELIABLE_JSON

ROLES = ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"]
OPEN = [{"name": "chargers", "anonymous_connect_policy": "allow"}]


def limited(**limits):
    """A configuration with an open hub `chargers`."""
    return {"service": {"limits": limits}, "hubs": OPEN}


def port_of(hub: LocalHub, tls: bool = False) -> int:
    return int((hub.tls_endpoint if tls else hub.endpoint).rpartition(":")[2])


@contextlib.asynccontextmanager
async def silent_peers(hub: LocalHub, count: int, *, tls: bool = False):
    """TCP connections that say nothing."""
    port = port_of(hub, tls)
    peers = await asyncio.gather(
        *(asyncio.open_connection("127.0.0.1", port) for _ in range(count))
    )
    try:
        yield peers
    finally:
        for _, writer in peers:
            writer.close()
        await asyncio.gather(*(w.wait_closed() for _, w in peers), return_exceptions=True)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the service ends a connection."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 20)
    return True


# -- hubs -----------------------------------------------------------------------------------


def hubs_alive() -> int:
    gc.collect()
    return sum(isinstance(one, (HubRuntime, Hub, Dispatcher)) for one in gc.get_objects())


async def test_hubs_that_nobody_listed_leave_nothing_behind(
    localhub, connect, refused, eventually
):
    beside = await connect(localhub)
    before = hubs_alive()
    for number in range(100):
        client = await connect(localhub, name=f"made_up_{number}", user_id="u")
        assert len(localhub.control.counters.hubs) == 2
        await client.leave()
        await eventually(lambda: len(localhub.control.connections()) == 1)
    # Neither do those that are refused, by their role or for want of a token.
    for number in range(20):
        bad = ["webpubsub.sendToGroups.a\\b"]
        assert (await refused(localhub, name=f"x{number}", user_id="u", roles=bad))[0] == 400
        assert (await refused(localhub, name=f"y{number}"))[0] == 401
    assert hubs_alive() <= before
    assert localhub.control.counters.hubs == ("chargers",)
    await beside.quiet()


async def test_a_hub_lives_as_long_as_a_session_waits(localhub, connect, eventually):
    client = await connect(localhub, name="unlisted", protocol=RELIABLE_JSON, groups=["g"])
    localhub.control.drop(client.id)
    await eventually(lambda: [c for c in localhub.control.connections() if c.detached])
    localhub.control.send("unlisted", "kept", group="g")
    again = await connect(
        localhub, name="unlisted", protocol=RELIABLE_JSON, query=urlencode(client.recovery)
    )
    assert (await again.receive())["data"] == "kept"
    localhub.control.close(client.id)
    assert "unlisted" not in localhub.control.counters.hubs


# -- connections ----------------------------------------------------------------------------


@pytest.mark.localhub(limited(connections=5))
async def test_a_flood_of_connections(localhub, connect, refused):
    beside = await connect(localhub, protocol=RELIABLE_JSON)
    crowd = [await connect(localhub) for _ in range(4)]
    for _ in range(30):
        status, text = await refused(localhub)
        assert status == 429
        assert "service.limits.connections" in text
    assert len(localhub.control.connections()) == 5
    await beside.quiet()
    # A session that waits for its client counts, and a recovery is no new connection.
    localhub.control.drop(beside.id)
    again = await connect(localhub, protocol=RELIABLE_JSON, query=urlencode(beside.recovery))
    await again.quiet()
    assert (await refused(localhub))[0] == 429
    localhub.control.close(crowd[0].id)
    await connect(localhub)
    localhub.control.expire(beside.id)
    await connect(localhub)
    assert localhub.control.counters.connections == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other addresses of loopback")
@pytest.mark.localhub(limited(connections_per_address=3))
async def test_one_address_cannot_take_it_all(localhub, connect, refused):
    for _ in range(3):
        await connect(localhub)
    assert "connections_per_address" in (await refused(localhub))[1]
    elsewhere = await connect(localhub, options={"local_addr": ("127.0.0.2", 0)})
    await elsewhere.quiet()


async def test_who_is_refused_does_not_count(handler, connect, refused, eventually):
    config = handler.config({"limits": {"connections": 2}})
    async with LocalHub(config) as hub:
        handler.react = lambda event: 403 if event.name == "connect" else None
        for _ in range(5):
            assert (await refused(hub))[0] == 403
        handler.react = lambda event: {"subprotocol": "other"}
        assert (await refused(hub))[0] == 500
        assert hub.control.counters.connections == 0
        # A client counts from before its handler is asked.
        asked = asyncio.Event()

        async def hang(event):
            await asked.wait()

        handler.react = lambda event: hang(event) if event.name == "connect" else None
        waiting = [asyncio.create_task(connect(hub)) for _ in range(2)]
        await eventually(lambda: hub.control.counters.connections == 2)
        assert (await refused(hub))[0] == 429
        asked.set()
        for client in await asyncio.gather(*waiting):
            await client.quiet()


@pytest.mark.localhub(limited(connections=1, http_connections=2))
async def test_a_flood_of_recoveries_of_nothing(localhub, connect, raw_socket, eventually):
    query = "awps_connection_id=x&awps_reconnection_token=y"
    upgrade = (
        f"GET /client/hubs/chargers?{query} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    statuses = []
    for _ in range(6):
        peer = await raw_socket(localhub)
        peer.write(upgrade.encode())
        statuses.append((await asyncio.wait_for(peer.reader.readline(), 20)).split()[1])
    assert statuses == [b"101"] * 3 + [b"429"] * 3
    assert localhub.control.counters.websockets == 3


def test_admission_counts():
    admission = Admission(3, 2)
    for address in ("a", "a", "b"):
        admission.enter(address)
    with pytest.raises(LimitError, match="service has 3"):
        admission.enter("c")
    for address in ("b", "b", "nobody", ""):
        admission.leave(address)
    assert len(admission) == 2
    with pytest.raises(LimitError, match="address has 2"):
        admission.enter("a")
    admission.leave("a")
    admission.leave("a")
    assert len(admission) == 0
    assert admission.addresses == 0


# -- partial messages -----------------------------------------------------------------------


def partial_bytes(hub: LocalHub) -> int:
    """Bytes of messages that were received in part."""
    return hub.control.counters.partial_message_bytes


@pytest.mark.parametrize("in_one_frame", [True, False], ids=["one frame", "fragments"])
@pytest.mark.localhub(limited(unfinished_message_bytes=2 * 1024 * 1024))
async def test_a_flood_of_messages_without_an_end(
    localhub, connect, raw_socket, eventually, in_one_frame
):
    beside = await connect(localhub, roles=ROLES, groups=["g"])
    peers = [await raw_socket(localhub, upgrade=RELIABLE_JSON) for _ in range(6)]
    half = b"x" * 900_000
    for number, peer in enumerate(peers, 1):
        if in_one_frame:
            # A header that announces more than ever comes.
            peer.write(b"\x81\xff" + (1_000_000).to_bytes(8, "big") + bytes(4) + half)
        else:
            peer.write_frame(0x01, half)
        expected = min(2, number) * len(half)
        await eventually(lambda expected=expected: partial_bytes(localhub) >= expected)
    codes = [await peer.close_code() for peer in peers[2:]]
    assert codes == [1013] * 4
    await eventually(lambda: localhub.control.counters.partial_messages == 2)
    assert 1_800_000 <= partial_bytes(localhub) < 2 * 1024 * 1024
    # A session survives it, and those beside can send large messages still.
    await eventually(lambda: sum(c.detached for c in localhub.control.connections()) == 4)
    await beside.send(type="sendToGroup", group="g", data="y" * 200_000)
    assert len((await beside.receive())["data"]) == 200_000
    for peer in peers[:2]:
        peer.writer.transport.abort()
    await eventually(lambda: partial_bytes(localhub) == 0)
    assert localhub.control.counters.partial_messages == 0


# -- groups ---------------------------------------------------------------------------------


@pytest.mark.localhub(limited(groups_per_connection=100))
async def test_a_million_groups(localhub, connect, refused):
    """As many as fit into a few seconds; the limit is as near."""
    beside = await connect(localhub, groups=["site"], roles=ROLES)
    client = await connect(localhub, roles=ROLES)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3000):
            await client.send(type="joinGroup", group=f"g{number}" + "x" * 1000)
        await client.quiet()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 1_000_000
    finally:
        tracemalloc.stop()
    ack = await client.ask(type="joinGroup", group="one more", ackId=1)
    assert ack["error"]["name"] == "BadRequest"
    assert "at most 100 groups" in ack["error"]["message"]
    # Those that it has may be joined again, and left.
    name = "g0" + "x" * 1000
    assert (await client.ask(type="joinGroup", group=name, ackId=2))["success"]
    assert (await client.ask(type="leaveGroup", group=name, ackId=3))["success"]
    assert (await client.ask(type="joinGroup", group="one more", ackId=1))["success"]
    assert (await beside.ask(type="joinGroup", group="another", ackId=1))["success"]
    status, text = await refused(
        localhub, name="chargers", groups=[f"g{number}" for number in range(101)]
    )
    assert status == 400
    assert "at most 100 groups" in text


async def test_groups_that_a_handler_gives(handler, connect, refused):
    async with LocalHub(handler.config({"limits": {"groups_per_connection": 10}})) as hub:
        for count, status in ((11, 500), (10, 101)):
            groups = [f"g{number}" for number in range(count)]
            handler.react = lambda event, given=groups: {"groups": given}
            if status == 101:
                await connect(hub)
            else:
                assert (await refused(hub))[0] == status
        assert hub.control.counters.connections == 1


# -- events ---------------------------------------------------------------------------------


async def test_events_that_nobody_takes(handler, connect, refused, eventually):
    """A flood of clients whose handler hangs: they are gone, but their events are not."""
    hanging = asyncio.Event()

    async def hang(event):
        await hanging.wait()

    handler.react = hang
    config = handler.config(
        {"limits": {"pending_events": 5}}, system_events=["connected", "disconnected"]
    )
    config["hubs"].append({"name": "quiet", "anonymous_connect_policy": "allow"})
    async with LocalHub(config) as hub:
        clients = [await connect(hub) for _ in range(3)]
        for client in clients:
            await client.leave()
        await eventually(lambda: len(hub.control.connections()) == 0)
        assert hub.control.counters.pending_events == 6
        for _ in range(10):
            status, text = await refused(hub)
            assert (status, hub.control.counters.connections) == (503, 0)
            assert "do not keep up" in text
        # Where no event would come on top, clients are let in.
        await (await connect(hub, name="quiet")).quiet()
        hanging.set()
        await eventually(lambda: hub.control.counters.pending_events == 0)
        assert len(handler.named("disconnected")) == 3
        await (await connect(hub)).quiet()


async def test_who_sends_events_waits_when_handlers_do_not_keep_up(handler, connect, eventually):
    hanging = asyncio.Event()

    async def hang(event):
        await hanging.wait()

    handler.react = hang
    config = handler.config({"limits": {"pending_events": 3}}, system_events=[])
    async with LocalHub(config) as hub:
        client = await connect(hub)
        for number in range(1, 4):
            await client.send(type="event", event="e", data=number, ackId=number)
        await eventually(lambda: hub.control.counters.pending_events == 3)
        for number in range(4, 201):
            await client.send(type="event", event="e", data=number, ackId=number)
        await asyncio.sleep(0.1)
        assert hub.control.counters.pending_events == 3
        hanging.set()
        acks = [(await client.receive())["ackId"] for _ in range(200)]
        assert acks == list(range(1, 201))
        await eventually(lambda: hub.control.counters.pending_events == 0)


async def test_cookies_without_end(handler, connect):
    def answer(event):
        response = web.Response()
        for number in range(20):
            response.set_cookie(f"{event.headers['ce-id']}_{number}", "x")
        return response

    handler.react = answer
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub)
        for number in range(1, 10):
            await client.ask(type="event", event="e", data=1, ackId=number)
        sizes = [event.headers.get("Cookie", "").count("=") for event in handler.named("e")]
        assert max(sizes) == sizes[-1] == 60


# -- TCP connections ------------------------------------------------------------------------


def requests_of(hub: LocalHub) -> int:
    """TCP connections that are no WebSockets."""
    return hub.control.counters.http_connections


@pytest.mark.parametrize("said", [b"", b"GET /api/health HTTP/1.1\r\nHost: h\r\n"])
@pytest.mark.localhub(limited(request_timeout_in_seconds=0.5))
async def test_peers_that_send_no_request(localhub, connect, raw_socket, eventually, said):
    beside = await connect(localhub)
    peer = await raw_socket(localhub)
    peer.write(said)

    async def dribble() -> None:
        while True:
            await asyncio.sleep(0.1)
            peer.write(b"X-A: b\r\n" if said else b"\r")

    task = asyncio.create_task(dribble())
    assert await ended(peer.reader)
    task.cancel()
    await eventually(lambda: requests_of(localhub) == 0)
    await beside.quiet()


@pytest.mark.localhub(
    {"service": {"limits": {"request_timeout_in_seconds": 0.5}, "tls": {}}, "hubs": OPEN}
)
async def test_peers_that_do_not_finish_tls(localhub, connect, eventually):
    beside = await connect(localhub)
    context = ssl.create_default_context(cadata=localhub.ca_der)
    async with silent_peers(localhub, 5, tls=True) as peers:
        # One says hello and nothing more.
        hello = ssl.MemoryBIO()
        half = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        peers[0][1].write(hello.read())
        await eventually(lambda: requests_of(localhub) == 5)
        for reader, _ in peers:
            assert await ended(reader)
    # One finishes, and then says nothing.
    reader, writer = await asyncio.open_connection(
        "localhost", port_of(localhub, tls=True), ssl=context
    )
    assert await ended(reader)
    writer.close()
    await eventually(lambda: requests_of(localhub) == 0)
    await beside.quiet()


@pytest.mark.parametrize("tls", [False, True])
async def test_a_flood_of_silent_connections(connect, eventually, tls):
    config = limited(http_connections=20)
    config["service"]["tls"] = {}
    async with LocalHub(config) as hub:
        beside = await connect(hub)
        async with silent_peers(hub, 200, tls=tls) as peers:
            await eventually(lambda: requests_of(hub) == 20)
            # Whoever comes with a request is served all the same.
            newcomer = await connect(hub)
            await newcomer.quiet()
            await beside.quiet()
            for reader, _ in peers[:100]:
                assert await ended(reader)
            assert requests_of(hub) <= 20


async def test_nobody_can_be_sent_away_when_all_are_busy(handler, connect, eventually, caplog):
    done = asyncio.Event()

    async def hang(event):
        await done.wait()

    handler.react = lambda event: hang(event) if event.name == "connect" else None
    async with LocalHub(handler.config({"limits": {"http_connections": 3}})) as hub:
        waiting = [asyncio.create_task(connect(hub)) for _ in range(3)]
        await eventually(lambda: len(handler.named("connect")) == 3)
        async with silent_peers(hub, 10) as peers:
            for reader, _ in peers:
                assert await ended(reader)
        assert len(handler.named("connect")) == 3
        done.set()
        for client in await asyncio.gather(*waiting):
            await client.quiet()
        await (await connect(hub)).quiet()
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(said) == 1
    assert "service.limits.http_connections" in said[0]


@pytest.mark.parametrize("path", ["/faults", "/", "/nowhere", "/openapi.json", "/entra"])
async def test_bodies_that_never_end(connect, eventually, path):
    config = limited(request_timeout_in_seconds=0.3)
    config["service"].update(faults=True, tls={})
    async with LocalHub({**config, "entra": {}}) as hub:
        beside = await connect(hub)
        port, context = port_of(hub), None
        kind = "application/json"
        if path == "/entra":
            path = f"/{hub.control.directory.issuer.tenant}/oauth2/v2.0/token"
            kind = "application/x-www-form-urlencoded"
            port = port_of(hub, tls=True)
            context = ssl.create_default_context(cadata=hub.ca_der)
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\n"
            "Content-Length: 60000\r\n\r\n{".encode()
        )
        await eventually(lambda: requests_of(hub) == 1)
        assert await ended(reader)
        writer.close()
        await eventually(lambda: requests_of(hub) == 0)
        await beside.quiet()


async def test_connections_are_kept_for_the_next_request(localhub, raw_socket):
    peer = await raw_socket(localhub)
    for _ in range(3):
        peer.write(b"HEAD /api/health HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), 20)
        assert b" 200 OK" in head
    assert requests_of(localhub) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are limited otherwise there")
async def test_out_of_descriptors(localhub, connect, caplog, eventually):
    import resource

    beside = await connect(localhub)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [socket.socket() for _ in range(40)]
    # From here on accept() fails; sockets that exist already may connect.
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1].fileno() + 1, hard))
    fill = []
    try:
        with contextlib.suppress(OSError):
            while True:
                fill.append(socket.socket())
        for one in spare:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", port_of(localhub)))
        await eventually(lambda: "ulimit -n" in caplog.text)
        await beside.quiet()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in (*spare, *fill):
            one.close()
    await (await connect(localhub)).quiet()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are limited otherwise there")
@pytest.mark.parametrize(("wanted", "got"), [(100, 200), (250, 250), (5000, 300)])
def test_as_many_descriptors_as_the_system_allows(wanted, got):
    program = (
        "import resource\n"
        "from localhub.transport.listener import allow_descriptors\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))\n"
        f"allow_descriptors({wanted})\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [str(got), "300"]


@pytest.mark.parametrize(
    "many",
    [
        b"".join(b"X-%d: y\r\n" % number for number in range(100_000)),
        b"X-A: " + b"y" * 1_000_000 + b"\r\n",
    ],
    ids=["lines", "bytes"],
)
async def test_headers_without_end(localhub, connect, raw_socket, eventually, many):
    beside = await connect(localhub)
    peer = await raw_socket(localhub)
    peer.write(b"GET /client/hubs/chargers HTTP/1.1\r\nHost: h\r\n" + many)
    # A reset may overtake the answer: there is still more to be read.
    answer = await peer.rest()
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    await eventually(lambda: requests_of(localhub) == 0)
    await beside.quiet()


async def test_what_is_sent_ahead_waits_at_the_peer(handler, connect, raw_socket, eventually):
    """While a connect handler thinks, the client can send what it likes."""
    done = asyncio.Event()

    async def hang(event):
        await done.wait()

    async with LocalHub(handler.config()) as hub:
        beside = await connect(hub)
        handler.react = lambda event: hang(event) if event.name == "connect" else None
        peer = await raw_socket(hub)
        key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        peer.write(
            b"GET /client/hubs/chargers HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n" + key
        )
        await eventually(lambda: len(handler.named("connect")) == 2)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            sent = 0
            chunk = b"\x82\xfe\xff\xff\0\0\0\0" + bytes(0xFFFF)
            while sent < 64 * 1024 * 1024:
                if peer.writer.transport.get_write_buffer_size() > 1_000_000:
                    break
                peer.write(chunk)
                sent += len(chunk)
                await asyncio.sleep(0.001)
            # Its own send buffer, which is in this process too, and little more.
            assert tracemalloc.get_traced_memory()[0] - before < 4_000_000
            assert sent < 64 * 1024 * 1024
        finally:
            tracemalloc.stop()
        await beside.quiet()
        done.set()


# -- configuration --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["connections", "groups_per_connection", "pending_events"])
def test_a_limit_is_at_least_one(name):
    with pytest.raises(ConfigError, match=name):
        LocalHub(limited(**{name: 0}))
