"""The live feed: what it says, what it never says, and a page that does not read."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from localhub.page.feed import Feeds
from localhub.page.preview import MAX_TEXT, preview
from localhub.page.recorder import MAX_WAITING, Recorder
from localhub.page.state import MAX_CONNECTIONS
from localhub.protocol.messages import DataKind, Payload

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.telemetry")


async def test_who_is_there(localhub, page, connect):
    client = await connect(localhub, user_id="cp-7", groups=["b", "a"], roles=ROLES)
    async with page.feed() as feed:
        (shown,) = (await feed.state())["connections"]
        assert {
            "id": client.id,
            "hub": "chargers",
            "user": "cp-7",
            "protocol": "json.webpubsub.azure.v1",
            "groups": ["a", "b"],
            "roles": list(ROLES),
            "live": True,
        }.items() <= shown.items()
        assert shown["received"] == 0
        assert shown["sent"] > 50  # it has been greeted
        await client.send(type="ping")
        assert (await feed.state())["connections"][0]["received"] > 0
        await client.leave()
        assert (await feed.state())["connections"] == []
        assert (await feed.row("disconnected"))["user"] == "cp-7"


async def test_a_session_that_waits_for_its_client(localhub, page, connect):
    client = await connect(localhub, protocol="json.reliable.webpubsub.azure.v1", user_id="cp-7")
    localhub.control.drop(client.id)
    async with page.feed() as feed:
        (shown,) = (await feed.state())["connections"]
        assert (shown["live"], shown["sent"]) == (False, None)


async def test_the_start_names_no_secret(localhub, page):
    async with page.feed() as feed:
        start = await feed.until(lambda: feed.latest.get("start"))
        assert start == {
            "endpoint": localhub.endpoint,
            "tls_endpoint": None,
            "anonymous_hubs": ["chargers"],
            "local_auth": True,
            "faults": False,
        }


async def test_every_kind_of_message(localhub, page, connect):
    async with page.feed() as feed:
        await feed.state()
        client = await connect(localhub, user_id="cp-7", groups=["telemetry"], roles=ROLES)
        assert (await feed.row("connected"))["user"] == "cp-7"
        await client.send(
            type="sendToGroup", group="telemetry", dataType="json", data={"kw": 7}, ackId=1
        )
        row = await feed.row("publish")
        assert row.pop("at") > 1e12
        assert row == {
            "kind": "publish",
            "direction": "in",
            "hub": "chargers",
            "user": "cp-7",
            "connection": client.id,
            "group": "telemetry",
            "receivers": 1,
            "type": "json",
            "size": 9,
            "text": '{"kw": 7}',
        }
        await client.send(type="event", event="boot", dataType="text", data="hello")
        row = await feed.row("event")
        assert (row["event"], row["text"], row["direction"]) == ("boot", "hello", "in")
        assert "no event handler" in (await feed.row("failed"))["text"]
        await client.send(type="joinGroup", group="site-7")
        await feed.until(lambda: "site-7" in [row.get("group") for row in feed.rows])
        await client.send(type="leaveGroup", group="site-7")
        assert (await feed.row("left"))["group"] == "site-7"
        await client.send(type="sendToGroup", group="secret", dataType="text", data="x", ackId=2)
        assert (await feed.row("refused"))["text"].startswith("Forbidden: ")
        localhub.control.send("chargers", b"\x01\xff", group="telemetry")
        row = await feed.row("group")
        assert (row["direction"], row["to"], row["text"]) == ("out", "cp-7", "01 ff")
        localhub.control.send("chargers", "hi", user_id="cp-7")
        assert (await feed.row("server"))["text"] == "hi"
        localhub.control.send("chargers", 1, group="empty")
        await feed.until(lambda: [row for row in feed.rows if row.get("receivers") == 0])


async def test_counts_of_what_was_received_and_delivered(localhub, page, connect):
    async with page.feed() as feed:
        await feed.state()
        first = dict(feed.latest["counts"])
        client = await connect(localhub, roles=ROLES, groups=["telemetry"])
        await connect(localhub, groups=["telemetry"])
        await client.send(type="sendToGroup", group="telemetry", dataType="json", data=1)
        counts = await feed.until(
            lambda: (now := feed.latest["counts"])["delivered"] > first["delivered"] and now
        )
        assert counts["received"] - first["received"] == 1
        assert counts["delivered"] - first["delivered"] == 2


async def test_the_view_is_filtered_by_the_service(localhub, page, connect):
    for name, user in (("chargers", "cp-7"), ("chargers", "cp-8"), ("meters", "m-1")):
        await connect(localhub, name=name, user_id=user, groups=[f"group-of-{user}"])
    async with page.feed() as feed:

        async def look(**view):
            await feed.socket.send_json(view)

        async def shows(*users):
            def shown():
                connections = feed.latest.get("state", {}).get("connections", ())
                return sorted(one["user"] for one in connections) == list(users)

            await feed.until(shown)

        await shows("cp-7", "cp-8", "m-1")
        await look(hub="METERS")
        await shows("m-1")
        await look(text="cp-")
        await shows("cp-7", "cp-8")
        await look(text="OF-CP-8")
        await shows("cp-8")
        await look(hub="meters", text="cp")
        await shows()
        await look()
        await shows("cp-7", "cp-8", "m-1")


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "null", '{"hub": 1, "text": {}}', "[" * 4000])
async def test_rubbish_from_a_page_changes_nothing(localhub, page, connect, rubbish):
    await connect(localhub, user_id="cp-7")
    async with page.feed() as feed:
        await feed.state()
        await feed.socket.send_str(rubbish)
        localhub.control.send("chargers", "still here")
        assert (await feed.row("server"))["text"] == "still here"


async def test_of_many_connections_the_newest_are_shown(localhub, page, connect):
    for _ in range(MAX_CONNECTIONS + 1):
        await connect(localhub)
    newest = await connect(localhub)
    async with page.feed() as feed:
        state = await feed.state()
        assert len(state["connections"]) == MAX_CONNECTIONS
        assert state["matching"] == MAX_CONNECTIONS + 2
        assert state["connections"][0]["id"] == newest.id


async def test_nothing_is_recorded_while_no_page_is_open(localhub, page, eventually):
    assert localhub.control.counters.observers == 0
    async with page.feed() as one, page.feed() as other:
        await one.state()
        await other.state()
        assert localhub.control.counters.observers == 1
    await eventually(lambda: localhub.control.counters.observers == 0)


async def test_more_pages_than_anybody_needs(localhub, page, monkeypatch):
    monkeypatch.setattr(Feeds, "MAX", 1)
    async with page.feed():
        status, text = await page.get("/page/feed", Origin=localhub.endpoint)
        assert status == 503
        assert "close one of them" in text


async def test_the_service_stops_with_pages_open(localhub, page):
    async with page.feed() as feed:
        await feed.state()
        stopping = asyncio.create_task(localhub.stop())
        while not feed.socket.closed:
            await feed.socket.receive(timeout=20)
        await asyncio.wait_for(stopping, 20)
        assert feed.socket.close_code == 1001


# -- secrets -------------------------------------------------------------------------------


async def test_tokens_never_reach_a_page(localhub, page, connect):
    url = localhub.client_url("chargers", user_id="cp-7", roles=ROLES)
    token = url.partition("access_token=")[2]
    async with page.feed() as feed:
        await feed.state()
        client = await connect(
            localhub, url, protocol="json.reliable.webpubsub.azure.v1,json.webpubsub.azure.v1"
        )
        # Somebody hands out URLs by messages, as text or in JSON.
        localhub.control.send("chargers", {"url": url, "also": token})
        localhub.control.send("chargers", localhub.connection_string)
        localhub.control.close(client.id, f"bye {token}"[:120])
        await feed.row("disconnected")
        everything = json.dumps([feed.rows, feed.latest])
        assert len([row for row in feed.rows if row["kind"] == "server"]) == 2
        for secret in (token, token.split(".")[1][:40], client.connected["reconnectionToken"]):
            assert secret not in everything
        key = localhub.connection_string.partition("AccessKey=")[2].partition(";")[0]
        assert key not in everything
        assert "eyJ" not in everything


def text_of(text: str) -> str:
    return preview(Payload(DataKind.TEXT, text.encode()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("wss://h/client?access_token=abc.def&x=1", "wss://h/client?access_token=…&x=1"),
        ("access_token%3Dabc", "access_token%3D…"),
        ("Endpoint=https://h;AccessKey=abc+/=;Version=1.0;", None),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl.", "Bearer …."),
        ("x" * 2000 + "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", "x" * (MAX_TEXT - 1) + "…"),
        ("a = b", "a = b"),
    ],
)
def test_previews_hide_what_opens_doors(text, shown):
    if shown is None:
        shown = "Endpoint=https://h;AccessKey=…;Version=1.0;"
    assert text_of(text) == shown


def test_a_token_at_the_very_end_of_what_is_looked_at():
    shown = text_of("y" * (MAX_TEXT - 20) + "eyJhbGciOiJIUzI1NiJ9" + "A" * 10_000)
    assert "eyJ" not in shown


def test_previews_are_bounded():
    assert len(text_of("é" * 100_000)) == MAX_TEXT
    shown = preview(Payload(DataKind.BINARY, bytes(100_000)))
    assert shown.startswith("00 00 ")
    assert shown.endswith(" …")
    assert len(shown) < 200


# -- floods and slow pages -----------------------------------------------------------------


async def test_a_flood_is_counted_and_not_kept(localhub, page, connect):
    await connect(localhub, options={"max_queue": None})
    async with page.feed() as feed:
        await feed.state()
        before = len(feed.rows)
        for number in range(50 * MAX_WAITING):
            localhub.control.send("chargers", number)
        await feed.until(lambda: len(feed.rows) - before + feed.skipped >= 50 * MAX_WAITING)
        assert len(feed.rows) - before + feed.skipped == 50 * MAX_WAITING
        assert len(feed.rows) <= before + 2 * MAX_WAITING


async def test_a_page_that_does_not_read_costs_a_bounded_amount(
    localhub, page, connect, eventually, monkeypatch
):
    # As fast as it can: to fill the socket is to take a second, not a minute.
    monkeypatch.setattr("localhub.page.feed.ROWS_EVERY", 0.001)
    control = localhub.control
    await connect(localhub, options={"max_queue": None})
    host = localhub.endpoint.partition("://")[2]
    name, _, port = host.rpartition(":")
    raw = socket.create_connection((name, int(port)), 10)
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            f"GET /page/feed HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            f"Cookie: {page.cookie}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        (recorder,) = await eventually(lambda: control.observers)
        assert isinstance(recorder, Recorder)
        (tape,) = recorder.tapes

        def flood(messages: int) -> None:
            for _ in range(messages):
                control.send("chargers", "x" * 500)

        def feed_waits() -> bool:
            flood(MAX_WAITING)
            # asyncio's high-water mark, above which `drain` waits.
            return control.counters.unsent_bytes > 64 * 1024

        # How much the kernel takes for a socket that is not read, and how soon, differs with the
        # machine and its load: so this waits until the feed has to wait.
        await eventually(feed_waits)
        for _ in range(400):
            flood(MAX_WAITING)
            await asyncio.sleep(0)
            # What has been handed to the socket is bounded: the feed waits for it.
            assert control.counters.unsent_bytes < 4 * 1024 * 1024
        # In one turn of the loop, so that the feed cannot take anything meanwhile.
        flood(2 * MAX_WAITING)
        assert len(tape) <= MAX_WAITING
        assert tape.skipped >= MAX_WAITING
        # Clients do not notice.
        client = await connect(localhub)
        await client.quiet()
    finally:
        raw.close()
    await eventually(lambda: control.counters.observers == 0)
