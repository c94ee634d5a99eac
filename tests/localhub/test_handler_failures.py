"""What clients learn of event handlers: nothing but that one failed (CWE-209).

Microsoft's emulator does the same (Azure/azure-webpubsub, tools/emulator, README.md): "Error
bodies are not forwarded", "yield a generic InternalServerError acknowledgement", "a generic
reason; handler error details are not forwarded". What was wrong is in the log.
"""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web
from localhub import LocalHub

from tests.support.protocol import JSON, PROTOBUF, RELIABLE_JSON

SECRET = "T0SECRETPATH"


def answer(**options):
    return lambda: web.Response(**options)


# How a handler may fail, and a word of what the log says.
FAILURES = {
    "500": (answer(status=500, text=SECRET), "answered 500"),
    "redirect": (answer(status=302, headers={"Location": f"/{SECRET}"}), "redirects"),
    "too long": (answer(body=b"x" * (16 * 1024 * 1024 + 1)), "16 MiB"),
    "no origin": (None, "does not allow"),
    "hangs": ("hang", "did not answer within"),
    "gone": ("gone", "cannot be reached"),
    "resets": ("reset", "cannot be reached"),
}
ONLY_CONNECT = {
    "no JSON": (answer(text=SECRET), "malformed"),
    "illegal role": (
        answer(
            text=f'{{"roles": ["webpubsub.sendToGroups.{SECRET}{"*a" * 9}"]}}',
            content_type="application/json",
        ),
        "granted",
    ),
    "illegal group": (
        answer(text='{"groups": [" "]}', content_type="application/json"),
        "illegal group",
    ),
}
ONLY_USER = {
    "403": (answer(status=403, text=SECRET), "answered 403"),
    "no such type": (answer(text=SECRET, content_type="text/html"), "text/html"),
    "no JSON": (answer(text="{", content_type="application/json"), "is no json"),
}


def prepare(handler, failure, event):
    """A configuration in which the handler fails with one event, and is silent otherwise."""

    async def hang():
        await asyncio.sleep(30)

    def react(happened):
        if happened.name != event:
            return None
        return hang() if failure == "hang" else failure()

    if failure is None:
        handler.allowed = ["other.example"]
    elif callable(failure) or failure == "hang":
        handler.react = react
    system = ["connect"] if event == "connect" else []
    path = {"url_template": f"{handler.url}/{SECRET}/{{event}}?code={SECRET}"}
    config = handler.config(
        {
            "event_handler_retry_delays_in_seconds": [],
            "event_handler_timeout_in_seconds": 0.5 if failure == "hang" else 20,
        },
        system_events=system,
        **path,
    )
    if failure == "gone":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config["hubs"][0]["event_handlers"][0]["url_template"] = (
            f"http://127.0.0.1:{port}/{SECRET}/{{event}}"
        )
    return config


@pytest.fixture
async def resetting():
    """A handler that closes each connection at once."""

    async def hang_up(reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def says_nothing(text, config):
    url = config["hubs"][0]["event_handlers"][0]["url_template"]
    assert SECRET not in text
    assert url.split("/")[2].rpartition(":")[2] not in text
    assert "http" not in text
    assert "answered" not in text


@pytest.mark.parametrize("name", [*FAILURES, *ONLY_CONNECT])
async def test_the_body_of_a_refusal(handler, refused, resetting, caplog, name):
    failure, said = {**FAILURES, **ONLY_CONNECT}[name]
    config = prepare(handler, failure, "connect")
    if failure == "reset":
        url = f"http://127.0.0.1:{resetting}/{SECRET}"
        config["hubs"][0]["event_handlers"][0]["url_template"] = url
    async with LocalHub(config) as hub:
        status, body = await refused(hub)
    assert (status, body) == (500, "The connect event handler failed.\n")
    says_nothing(body, config)
    assert said in caplog.text


TEXT_PROTOCOLS = (JSON, RELIABLE_JSON, None)


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(name, protocol) for name in [*FAILURES, *ONLY_USER] for protocol in TEXT_PROTOCOLS]
    + [("500", PROTOBUF), ("gone", PROTOBUF)],
)
async def test_acks_and_close_reasons(handler, connect, resetting, caplog, name, protocol):
    failure, said = {**FAILURES, **ONLY_USER}[name]
    event = "message" if protocol is None else "ask"
    config = prepare(handler, failure, event)
    if failure == "reset":
        url = f"http://127.0.0.1:{resetting}/{SECRET}"
        config["hubs"][0]["event_handlers"][0]["url_template"] = url
    async with LocalHub(config) as hub:
        client = await connect(hub, protocol=protocol)
        if protocol is None:
            await client.websocket.send("x")
            code, reason = await client.close_code()
            assert (code, reason) == (1011, "The event could not be delivered.")
            seen = reason
        elif protocol == PROTOBUF:
            await client.websocket.recv()
            # EventMessage: event "ask", text "x", ack_id 1.
            await client.websocket.send(bytes.fromhex("2a0c0a0361736b12030a01781801"))
            seen = repr(await asyncio.wait_for(client.websocket.recv(), 20))
            assert "the event handler failed" in seen
        else:
            ack = await client.ask(type="event", event="ask", data=1, ackId=1)
            seen = ack["error"]["message"]
            assert ack["error"]["name"] == "InternalServerError"
            assert seen == "The event 'ask' could not be delivered: the event handler failed."
            frame = {"type": "invoke", "invocationId": "1", "target": "event", "event": "ask"}
            response = await client.ask(**frame, dataType="text", data="x")
            assert not response["success"]
            seen += repr(response)
    says_nothing(seen, config)
    assert said in caplog.text


async def test_that_no_handler_is_registered_is_said(localhub, connect):
    """That is a matter of the configuration, and says nothing about where a handler is."""
    client = await connect(localhub)
    ack = await client.ask(type="event", event="ask", data=1, ackId=1)
    assert "no event handler is registered for 'ask'" in ack["error"]["message"]
