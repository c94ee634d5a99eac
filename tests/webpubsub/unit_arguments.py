"""Arguments of the wrong kind are refused where they are given, by the name of the parameter."""

import asyncio

from checks import equal, raises
from outbox_rig import Client
from webpubsub.anonymous import Anonymous
from webpubsub.backoff import Backoff
from webpubsub.client import WebPubSubClient
from webpubsub.closing import close_payload
from webpubsub.credentials import AccessToken
from webpubsub.negotiate import Negotiate
from webpubsub.outbox import Outbox
from webpubsub.websocket import ws_connect

URL = "ws://127.0.0.1:1/client/hubs/a"
NAN, INF = float("nan"), float("inf")
# What is no such number, and no number at all.
NO_TIMES = (0, -1, NAN, INF, 1e9, None, "5", b"5", True, [])
NO_DELAYS = (None, -1, NAN, INF, 1e9, "5", b"5", True, [])
NO_PAUSES = NO_DELAYS[1:]
NO_COUNTS = (0, -1, 1.5, None, "5", True, [])
NO_FIELDS = (
    5,
    "X: y",
    ["X: y"],
    [("X",)],
    {"X": 7},
    {"X": None},
    {"X": b"y"},
    {5: "y"},
    {"": "y"},
    {"a b": "y"},
    {"X:": "y"},
    {"X": "a\r\nY: b"},
    {"X": "a\nb"},
    {"X": "a\0"},
)


def refused(name, function, *arguments, **named):
    """The call raises ValueError or TypeError, and the text names the parameter."""
    try:
        function(*arguments, **named)
    except (ValueError, TypeError) as error:
        text = str(error)
    else:
        raise AssertionError(name + " was taken: " + repr(named or arguments))
    assert name in text, text
    # It may be a secret.
    assert "s3cret" not in text, text


def made(**named):
    return WebPubSubClient(URL, **named)


def connected(**named):
    """Make the call of ws_connect; nobody listens there."""
    try:
        asyncio.run(ws_connect(named.pop("url", "ws://127.0.0.1:1/"), **named))
    except OSError:
        pass


def test_what_is_right():
    made()
    made(
        headers={"Authorization": "Bearer x"},
        ack_timeout=0.5,
        ping_interval=None,
        silence_timeout=0,
        buffer_size=512,
        backoff=Backoff(first=0.1, maximum=0.1, factor=1, attempts=0),
        recovery_timeout=0,
        ready=lambda: None,
    )
    made(headers=[("X", "y\tz"), ["Y", "grün"]])
    for protocol in (
        "json.webpubsub.azure.v1",
        "json.reliable.webpubsub.azure.v1",
        "protobuf.webpubsub.azure.v1",
        "protobuf.reliable.webpubsub.azure.v1",
    ):
        made(protocol=protocol)
    connected(protocols=["ocpp1.6", "ocpp2.0.1"], headers={"X": "y"}, ping_interval=None)


def test_credentials_of_a_client():
    for credential in (None, 5, b"wss://s3cret", [URL], {"url": URL}, Anonymous):
        refused("credential", WebPubSubClient, credential)


def test_a_client():
    for name in ("ack_timeout",):
        for value in NO_TIMES:
            refused(name, made, **{name: value})
    for name in ("ping_interval", "silence_timeout", "recovery_timeout"):
        for value in NO_PAUSES:
            refused(name, made, **{name: value})
    for name in ("queue_messages", "queue_bytes", "max_message_size"):
        for value in NO_COUNTS:
            refused(name, made, **{name: value})
    for value in ("1024", -1, 1.5):
        refused("buffer_size", made, buffer_size=value)
    for value in (5, None, b"json.webpubsub.azure.v1", "mqtt", "", "json.webpubsub.azure.v2"):
        refused("protocol", made, protocol=value)
    for value in NO_FIELDS:
        refused("headers", made, headers=value)
    for value in (True, "ca.der", b"der"):
        refused("ssl", made, ssl=value)
    for value in (5, 0, "fast"):
        refused("backoff", made, backoff=value)
        refused("ready", made, ready=value)


def test_names_of_events():
    client = made()
    for name in ("message", "", "Connected", "group_message", 5, None, "connected recovering"):
        refused("name", client.subscribe, name, print)
    for callback in (None, "print", 5):
        refused("callback", client.subscribe, "connected", callback)
    client.subscribe("connected", print)
    refused("callback", client.subscribe, "connected", None)
    # What other programs emit.
    client.subscribe("meter.read", print)


def awaited(function, *arguments):
    async def body():
        await function(*arguments)

    asyncio.run(body())


def test_timeouts_of_a_client():
    client = made()
    for value in NO_DELAYS:
        refused("timeout", awaited, client.open, value)
        refused("timeout", awaited, client.flush, value)
    equal(client.state, "closed")


def test_ack_ids():
    client = made()
    for value in ("7", 1.5, -1, 1 << 64, b"7"):
        refused("ack_id", awaited, lambda v=value: client.send_event("e", 1, ack_id=v))


def test_anonymous():
    for value in (None, 5, b"wss://h"):
        refused("endpoint", Anonymous, value, "a")
        refused("hub", Anonymous, "wss://h", value)
    for value in ({"id": 7}, {"id": None}, {"id": b"x"}, {7: "x"}, "id=7", [("id", "7")], 5):
        refused("query", Anonymous, "wss://h", "a", value)


def test_tokens():
    for value in (None, 5, b"a.s3cret.c", "", "s3cret"):
        refused("oken", AccessToken, "wss://h", "a", value)
    for value in (None, "7", -1, NAN):
        refused("warn", AccessToken, "wss://h", "a", "a.b.c", warn=value)
    refused("endpoint", AccessToken, b"wss://h", "a", "a.b.c")
    refused("hub", AccessToken, "wss://h", None, "a.b.c")


def test_negotiate():
    for value in (None, 5, b"http://127.0.0.1/"):
        refused("url", Negotiate, value)
    for value in NO_TIMES:
        refused("timeout", Negotiate, "http://127.0.0.1/", timeout=value)
    for value in NO_COUNTS:
        refused("max_size", Negotiate, "http://127.0.0.1/", max_size=value)
    for value in NO_FIELDS:
        refused("headers", Negotiate, "http://127.0.0.1/", value)


def test_backoffs():
    for name in ("first", "maximum"):
        for value in NO_TIMES:
            refused(name, Backoff, **{name: value})
    for value in (None, "2", 0.5, -1, NAN):
        refused("factor", Backoff, factor=value)
    for value in ("3", 1.5, -1, NAN):
        refused("attempts", Backoff, attempts=value)
    for value in ("3", None, -1, NAN):
        refused("stable", Backoff, stable=value)
    refused("first", Backoff, 5, 2)


def test_outboxes():
    client = Client()
    refused("client", Outbox, None)
    for value in (5, b"/outbox", "", "./", "no-such-folder/outbox", "./no-such-folder/x/outbox"):
        refused("path", Outbox, client, value)
    for name in ("messages", "size", "attempts"):
        for value in NO_COUNTS:
            refused(name, Outbox, client, **{name: value})
    for value in NO_DELAYS:
        refused("delay", Outbox, client, delay=value)
    equal(client.outboxes, [])
    # Nothing is written before there is a message.
    for path in ("no-such-file", "./no-such-file", "/no-such-file"):
        Outbox(client, path)


def test_websockets():
    for value in (None, 5, b"ws://127.0.0.1:1/"):
        refused("url", connected, url=value)
    # Seven subprotocols of one letter each, otherwise.
    for value in ("ocpp1.6", None, 5, {"ocpp1.6"}, [5], [b"ocpp1.6"], [""], ["a,b"], ["a b"]):
        refused("protocols", connected, protocols=value)
    for name in ("timeout", "close_timeout"):
        for value in NO_TIMES:
            refused(name, connected, **{name: value})
    for value in NO_COUNTS:
        refused("max_size", connected, max_size=value)
    for value in NO_PAUSES:
        refused("ping_interval", connected, ping_interval=value)
        refused("silence_timeout", connected, silence_timeout=value)
    for value in NO_FIELDS:
        refused("headers", connected, headers=value)


def test_closes():
    for code in (0, 99, 999, 1004, 1005, 1006, 1015, 2999, 5000, 70000, -1, "1000", 1000.5):
        raises((TypeError, ValueError), close_payload, code, "")
    for reason in (5, b"bye", None):
        refused("reason", close_payload, 1000, reason)
    equal(close_payload(1000, "\ud83d\ude00"), b"\x03\xe8\xf0\x9f\x98\x80")
