"""Which parts of the device code keep which promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Promise:
    """A promise and what keeps it.

    Attributes:
        text: the promise.
        modules: that exist for it alone; those that pass by are in memory for their use only.
        functions: of other modules, module -> names.
    """

    text: str
    modules: Sequence[str] = ()
    functions: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _of(package: str, *names: str) -> list[str]:
    return [f"{package}.{name}" for name in names]


_CLIENT = "webpubsub.client"
_KEEPER = "webpubsub.keeper"
_FRAMES = "webpubsub.frames"
_CONNECTION = "webpubsub.connection"

PROMISES = (
    Promise(
        "the opening handshake is checked in all points, a refusal says status, text and time",
        _of("webpubsub", "opening", "handshake", "upgrading", "answer", "decision", "http_date"),
        {"webpubsub.errors": ["HandshakeError"]},
    ),
    Promise(
        "URLs: IPv6, loopback, percent-encoding, no token over an open line",
        _of("webpubsub", "url", "access_url"),
    ),
    Promise(
        "several addresses of a host, each with a deadline, the last good one kept; "
        "system errors in words",
        _of("webpubsub", "sockets", "failing", "strerror"),
    ),
    Promise(
        "own pings; silence, stuck writes and starvation are noticed",
        functions={_CONNECTION: ["Connection._keep"], "webpubsub.memory": ["idf_heap"]},
    ),
    Promise(
        "fragments, long frames, a limit of size, UTF-8 checked as it comes",
        functions={
            _FRAMES: [
                *("Receiver._more", "Receiver._busy", "Receiver._gather"),
                *("Receiver._make_room", "Receiver._replace", "Receiver.trim"),
            ]
        },
    ),
    Promise("masking and UTF-8 by compiled kernels", _of("webpubsub", "kernels", "kernel_source")),
    Promise(
        "all of a frame goes out, or none of it; a sender waits for its turn",
        functions={
            _CONNECTION: ["Connection._send_later", "Connection._drain", "Connection.free"],
            _FRAMES: ["Transmitter._begin", "Transmitter.flush", "Transmitter.trim"],
        },
    ),
    Promise(
        "orderly close on both sides, close codes checked",
        _of("webpubsub", "closing"),
        {_CONNECTION: ["Connection.close", "Connection._shut"]},
    ),
    Promise("one tree of errors, with what is known of each", _of("webpubsub", "errors")),
    Promise(
        "messages of an own copy, as text, bytes or JSON; iteration; a context",
        _of("webpubsub", "websocket"),
    ),
    Promise(
        "acknowledged and resent: each request once, its outcome reported",
        _of("webpubsub", "session"),
        {
            _KEEPER: [
                *("Keeper.request", "Keeper.submit", "Keeper._put", "Keeper._send_waiting"),
                *("Keeper.watch_time", "Keeper._timer", "Keeper.send_sequence_ack"),
            ]
        },
    ),
    Promise(
        "recovery, reconnection, groups joined again",
        _of(
            "webpubsub",
            "ending",
            "recovery",
            "connecting",
            "confirming",
            "reconnecting",
            "backoff",
        ),
        {_KEEPER: ["Keeper.keep", "Keeper.lost"]},
    ),
    Promise(
        "a bounded inbox: back-pressure instead of loss",
        _of("webpubsub", "inbox", "messages"),
        {_KEEPER: ["Keeper._keep_message"]},
    ),
    Promise(
        "callbacks and iteration, a fault in one stops nobody",
        _of("webpubsub", "reporting"),
        {
            _CLIENT: [
                *("Event", "WebPubSubClient.subscribe", "WebPubSubClient.unsubscribe"),
                *("WebPubSubClient._dispatch", "WebPubSubClient.emit", "WebPubSubClient._called"),
                "WebPubSubClient._guarded",
                *("WebPubSubClient.__aiter__", "WebPubSubClient.__anext__"),
                *("WebPubSubClient._next", "WebPubSubClient._take", "WebPubSubClient.release"),
            ]
        },
    ),
    Promise("counters", functions={_CLIENT: ["Stats"]}),
    Promise("JSON with all of Unicode", _of("webpubsub", "content", "json_protocol", "unusual")),
    Promise(
        "credentials; an event before a token expires",
        _of("webpubsub", "credentials", "anonymous", "expiry"),
    ),
    Promise("arguments of the wrong kind are named", _of("webpubsub", "arguments")),
    Promise("TLS that verifies chain and name", _of("webpubsub", "tls")),
    Promise("care for the heaps, texts in a file", _of("webpubsub", "memory", "texts")),
    Promise("durable messages: outbox and journal", _of("webpubsub", "outbox", "journal")),
    Promise("negotiation", _of("webpubsub", "negotiate")),
    Promise(
        "settings that survive a power cut, read and checked",
        _of("firmware", "records", "wiring"),
    ),
    Promise("Wi-Fi that never gives up", _of("firmware", "link", "station", "wifi_joining")),
    Promise("a cable in its place", _of("firmware", "wired", "ethernet", "lan_joining")),
    Promise("the clock by NTP", _of("firmware", "clock", "sntp")),
    Promise("a watchdog that wants progress", _of("firmware", "watchdog", "arming")),
    Promise("telemetry", _of("firmware", "telemetry")),
    Promise("commands", _of("firmware", "commands", "orders", "blinking")),
    Promise("the long report", _of("firmware", "report")),
    Promise(
        "remote care: token, CA and endpoint changed on trial",
        # `resuming` has `verdict` in it, and that has `slots`.
        _of("firmware", "care", "resuming", "trial"),
    ),
    Promise(
        "kept on the hub, every refusal reported with its remedy",
        _of("firmware", "hub", "refusal", "ending"),
    ),
    Promise(
        "shortage of memory is reported and survived",
        (*_of("firmware", "shortage"), "webpubsub.heap"),
    ),
    Promise(
        "the user's app, started again, nothing missed", _of("firmware", "application", "backlog")
    ),
    Promise(
        "parts that go on when one fails; a console without secrets",
        _of("firmware", "node", "console", "hiding", "runtime"),
    ),
)
