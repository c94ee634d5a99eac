"""Abuse protection: by which name the service asks event handlers, how often, and what counts.

Sources: "CloudEvents extension for Azure Web PubSub event handler with HTTP protocol" on Learn,
Webhook validation; Microsoft's emulator (Azure/azure-webpubsub, tools/emulator): README.md,
"Handler validation and retries", AbuseProtector.cs, ClientWebSocketEndpoint.cs (`host:
context.Request.Host.Host`); the validators of the SDKs for .NET (Azure/azure-sdk-for-net,
sdk/webpubsub, RequestValidator.cs), which look up the key by the host of the endpoint.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

import pytest
from aiohttp import web
from localhub import LocalHub
from localhub.auth.tokens import client_audience, make_client_token
from localhub.events import validation
from micropython_webpubsub.hosts import Host, host_of, parse_host


def origins(handler):
    """The names by which the handler was asked: in the validations, and in the events."""
    return [
        {event.headers["WebHook-Request-Origin"] for event in events}
        for events in (handler.validations, handler.named("connect", "connected", "message"))
    ]


# -- who asks -------------------------------------------------------------------------------


async def test_handlers_are_told_a_bare_host_name(handler, connect):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub)
        await client.ask(type="event", event="message", data=1, ackId=1)
        await handler.wait_for("connected")
    assert origins(handler) == [{"127.0.0.1"}, {"127.0.0.1"}]


PUBLIC = "https://hub.example"


async def come_by(raw_socket, hub, host, token=""):
    """A simple client that writes this into Host."""
    peer = await raw_socket(hub)
    peer.write(
        f"GET /client/hubs/chargers{token and '?access_token=' + token} HTTP/1.1\r\n"
        f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert b" 101 " in await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), 20)
    return peer


def token_for(hub, host):
    return make_client_token(
        hub.control.keys.primary,
        client_audience(f"http://{host}", "chargers"),
        user_id=None,
        roles=(),
        groups=(),
        lifetime=60,
    )


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:{port}", "localhost"),
        ("LOCALHOST", "localhost"),
        ("[::1]:{port}", "[::1]"),
        ("hub.example", "hub.example"),
        ("Hub.Example:8443", "hub.example"),
        # Handlers look up their key by it, so a client cannot choose it.
        ("evil.example", "127.0.0.1"),
        ("evil@hub.example", "127.0.0.1"),
        ("hub.example.evil", "127.0.0.1"),
        ("198.51.100.1", "127.0.0.1"),
        ("[::1].x", "127.0.0.1"),
        ("a:b:c", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_it_is_the_host_of_the_endpoint_by_which_a_client_came(
    handler, raw_socket, host, origin
):
    config = handler.config({"public_endpoints": [PUBLIC]})
    async with LocalHub(config) as hub:
        host = host.replace("{port}", hub.endpoint.rpartition(":")[2])
        peer = await come_by(raw_socket, hub, host)
        peer.write_frame(0x81, b"hello")
        await handler.wait_for("message")
    assert origins(handler) == [{origin}, {origin}]


async def test_with_tls_and_without_are_two_endpoints(handler, connect):
    async with LocalHub(handler.config({"tls": {}})) as hub:
        await connect(hub)
        context = ssl.create_default_context(cadata=hub.ca_der)
        url = hub.client_url("chargers", tls=True).replace("https", "wss", 1)
        await connect(hub, url, options={"ssl": context})
    assert origins(handler)[0] == {"127.0.0.1", "localhost"}


async def test_a_name_that_a_token_was_made_for_needs_no_configuration(handler, raw_socket):
    async with LocalHub(handler.config()) as hub:
        own = hub.endpoint.partition("://")[2]
        for host, aud in (("hub.internal", "hub.internal"), ("evil.example", own)):
            await come_by(raw_socket, hub, host, token_for(hub, aud))
        asked = [event.headers["WebHook-Request-Origin"] for event in handler.named("connect")]
    assert asked == ["hub.internal", "127.0.0.1"]


@pytest.mark.parametrize(
    ("allowed", "wanted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        ("other.example,127.0.0.1", True),
        ("*", True),
        ("127.0.0.1:1", False),
        ("127.0.0.1.evil.example", False),
        ("evil@127.0.0.1", False),
        ("http://127.0.0.1", False),
        ("*.0.0.1", False),
        ("", False),
    ],
)
async def test_answers_with_and_without_the_port(handler, connect, refused, allowed, wanted):
    async with LocalHub(handler.config()) as hub:
        handler.allowed = [allowed.replace("{port}", hub.endpoint.rpartition(":")[2])]
        if wanted:
            await connect(hub)
        else:
            assert (await refused(hub))[0] == 500
            assert handler.named("connect") == []


# -- how often ------------------------------------------------------------------------------


async def test_a_validation_that_fails_is_asked_again(handler, connect):
    answers = [503, 408]
    handler.validate = lambda event: answers.pop() if answers else None
    async with LocalHub(handler.config()) as hub:
        await connect(hub)
        assert len(handler.validations) == 3
        await connect(hub)
        assert len(handler.validations) == 3


@pytest.mark.parametrize("status", [400, 403, 429])
async def test_a_refusal_is_not_asked_again(handler, refused, status):
    handler.validate = lambda event: status
    async with LocalHub(handler.config()) as hub:
        assert (await refused(hub))[0] == 500
    assert len(handler.validations) == 1
    assert handler.named("connect") == []


async def test_a_handler_may_start_late(connect):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    entry = {"url_template": f"http://127.0.0.1:{port}/", "system_events": ["connect"]}
    hub = {"name": "chargers", "anonymous_connect_policy": "allow", "event_handlers": [entry]}
    service = {"event_handler_retry_delays_in_seconds": [0.2] * 50}

    async def answer(request):
        return web.Response(headers={"WebHook-Allowed-Origin": "*"})

    async with LocalHub({"service": service, "hubs": [hub]}) as running:
        waiting = [asyncio.create_task(connect(running)) for _ in range(3)]
        await asyncio.sleep(0.5)
        assert not any(one.done() for one in waiting)
        app = web.Application()
        app.router.add_route("*", "/", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.gather(*waiting)
        await runner.cleanup()


async def test_a_handler_may_withdraw_and_come_back(handler, connect, monkeypatch):
    monkeypatch.setattr(validation, "RENEW_AFTER", 0.2)
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub)

        async def tell(ack_id):
            return await client.ask(type="event", event="message", data=1, ackId=ack_id)

        assert (await tell(1))["success"]
        handler.allowed = ["other.example"]
        await asyncio.sleep(0.3)
        assert (await tell(2))["error"]["name"] == "InternalServerError"
        assert len(handler.named("message")) == 1
        handler.allowed = ["*"]
        assert (await tell(3))["success"]
        assert {event.headers["WebHook-Request-Origin"] for event in handler.validations} == {
            "127.0.0.1"
        }


async def test_events_do_not_wait_long_for_a_renewal(handler, connect, monkeypatch):
    monkeypatch.setattr(validation, "RENEW_AFTER", 0.0)
    monkeypatch.setattr(validation, "RENEWAL_PATIENCE", 0.2)
    hanging = asyncio.Event()
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub)
        await handler.wait_for("connected")

        async def hang(event):
            await hanging.wait()

        handler.validate = hang
        began = time.monotonic()
        for ack_id in range(1, 4):
            frame = {"type": "event", "event": "message", "data": 1}
            assert (await client.ask(**frame, ackId=ack_id))["success"]
        # Only the first has waited; the last answer counts while the next is under way.
        assert 0.1 < time.monotonic() - began < 5
        hanging.set()


async def test_a_validation_that_hangs_has_an_end(handler, refused, monkeypatch):
    monkeypatch.setattr("localhub.events.webhooks.VALIDATION_TIMEOUT", 0.2)

    async def hang(event):
        await asyncio.sleep(30)

    handler.validate = hang
    async with LocalHub(handler.config()) as hub:
        assert (await refused(hub))[0] == 500
    # As the emulator has it, time-outs are not asked again.
    assert len(handler.validations) == 1


async def test_names_without_end_leave_nothing_behind(handler, raw_socket, monkeypatch):
    monkeypatch.setattr(validation, "MOST", 4)
    async with LocalHub(handler.config()) as hub:
        for number in range(10):
            host = f"h{number}.example"
            await come_by(raw_socket, hub, host, token_for(hub, host))
        assert len(handler.validations) == 10
        assert hub.control.counters.validations <= 4


# -- names of hosts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("localhost", "localhost", None),
        ("LocalHost:80", "localhost", 80),
        ("127.0.0.1:", "127.0.0.1", None),
        ("[0:0::1]:7080", "[::1]", 7080),
        ("a.example", "a.example", None),
    ],
)
def test_hosts(text, name, port):
    assert parse_host(text) == Host(name, port)


@pytest.mark.parametrize(
    "text",
    [
        "evil@127.0.0.1",
        "[::1].x",
        "[::1",
        "::1",
        "[127.0.0.1]",
        "127.0.0.1:99999",
        "127.0.0.1:7 ",
        "a b",
        "a/b",
        "localhost\n",
        "[fe80::1%25eth0]",
        "a:b",
        "a?b",
        "",
    ],
)
def test_what_is_no_host(text):
    assert parse_host(text) is None


def test_hosts_of_urls():
    assert host_of("WSS://A.example:1/x") == Host("a.example", 1)
    assert host_of("http://127.0.0.1") == Host("127.0.0.1")
    for url in ("ftp://a", "a.example", "http://evil@a", "http://[::1].x/", "http:///x", "null"):
        assert host_of(url) is None
    assert parse_host("127.0.0.2").is_loopback
    assert parse_host("[::ffff:127.0.0.1]").is_loopback
    assert not parse_host("localhost.example").is_loopback
