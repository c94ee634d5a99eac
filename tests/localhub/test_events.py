"""Event handlers: abuse protection, connect, connected, disconnected, user events, failures."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import re
import time

import jwt
import pytest
from aiohttp import web
from localhub import LocalHub

from tests.support.protocol import JSON, RELIABLE_JSON

PRIMARY = "p" * 20 + "0123456789abcdefghij"
SECONDARY = "s" * 20 + "0123456789abcdefghij"
KEYS = {"access_key": PRIMARY, "secondary_access_key": SECONDARY}


# -- abuse protection -----------------------------------------------------------------------


async def test_a_handler_is_validated_once(handler, connect):
    async with LocalHub(handler.config()) as hub:
        for _ in range(3):
            await connect(hub)
    asked = [event for event in handler.events if event.method == "OPTIONS"]
    assert [event.path for event in asked] == ["/chargers/validate"]
    assert asked[0].headers["WebHook-Request-Origin"] == "127.0.0.1"
    assert asked[0].headers["ce-awpsversion"] == "1.0"


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        (["*"], 101),
        (["other.example", "{origin}"], 101),
        (["other.example, {ORIGIN}"], 101),
        (["127.0.0.1"], 101),
        (["other.example"], 500),
        ([], 500),
    ],
)
async def test_every_allowed_origin_line_counts(handler, connect, refused, allowed, status):
    async with LocalHub(handler.config()) as hub:
        origin = hub.endpoint.partition("://")[2]
        handler.allowed = [
            line.replace("{origin}", origin).replace("{ORIGIN}", origin.upper())
            for line in allowed
        ]
        if status == 101:
            await connect(hub)
        else:
            assert (await refused(hub))[0] == status
            assert not handler.named("connect")
            # A handler that is put right later needs no restart of the service.
            handler.allowed = ["*"]
            await connect(hub)


# -- connect --------------------------------------------------------------------------------


async def test_what_a_connect_handler_is_told(handler, connect):
    async with LocalHub(handler.config(KEYS)) as hub:
        aud = f"{hub.endpoint}/client/hubs/chargers"
        claims = {"aud": aud, "exp": time.time() + 60, "sub": "cp-7", "role": "r", "n": [1, "a"]}
        token = jwt.encode(claims, PRIMARY)
        client = await connect(
            hub,
            name="Chargers",
            query=f"access_token={token}&model=x&model=y",
            headers={"Authorization": "Bearer secret", "X-Board": "esp32"},
        )
    (event,) = handler.named("connect")
    assert event.path == "/chargers/connect"
    body = event.json
    assert set(body) == {"claims", "query", "headers", "subprotocols", "clientCertificates"}
    assert body["claims"]["sub"] == ["cp-7"]
    assert body["claims"]["role"] == ["r"]
    assert body["claims"]["n"] == ["1", "a"]
    assert body["query"] == {"model": ["x", "y"]}
    assert body["headers"]["X-Board"] == ["esp32"]
    assert body["subprotocols"] == [JSON]
    assert token not in event.body.decode()
    assert "secret" not in event.body.decode()
    headers = event.headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["ce-type"] == "azure.webpubsub.sys.connect"
    assert headers["ce-specversion"] == headers["ce-awpsversion"] == "1.0"
    assert headers["ce-hub"] == "chargers"
    assert headers["ce-id"] == "0"
    assert headers["ce-userId"] == "cp-7"
    assert headers["ce-connectionId"] == client.id
    assert headers["ce-source"] == f"/hubs/chargers/client/{client.id}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", headers["ce-time"])
    assert "ce-subprotocol" not in headers
    assert headers["ce-signature"] == ",".join(
        "sha256=" + hmac.new(key.encode(), client.id.encode(), hashlib.sha256).hexdigest()
        for key in (PRIMARY, SECONDARY)
    )


async def test_an_anonymous_client_gets_what_the_handler_grants(handler, connect):
    handler.react = lambda event: (
        {
            "userId": "cp-" + event.json["query"]["id"][0],
            "roles": ["webpubsub.sendToGroup.telemetry"],
            "groups": ["commands"],
        }
        if event.name == "connect"
        else None
    )
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, query="id=7")
        assert client.connected["userId"] == "cp-7"
        (info,) = hub.control.connections()
        assert info.groups == {"commands"}
        assert (await client.ask(type="sendToGroup", group="telemetry", data=1, ackId=1))[
            "success"
        ]
        ack = await client.ask(type="joinGroup", group="telemetry", ackId=2)
        assert ack["error"]["name"] == "Forbidden"
        (event,) = handler.named("connect")
        assert event.json["claims"] == {}
        assert "ce-userId" not in event.headers


@pytest.mark.parametrize(
    ("answer", "user", "groups", "may_send"),
    [
        (None, "u", {"g"}, True),
        (web.Response(), "u", {"g"}, True),
        (web.Response(body=b"null", content_type="application/json"), "u", {"g"}, True),
        (web.Response(status=202), "u", {"g"}, True),
        ({}, "u", {"g"}, True),
        ({"userId": None, "groups": [], "unknown": 1}, "u", {"g"}, True),
        ({"userId": "", "roles": [], "groups": ["a", "b"]}, None, {"a", "b"}, False),
        ({"userId": "new"}, "new", {"g"}, True),
    ],
)
async def test_what_answers_change(handler, connect, answer, user, groups, may_send):
    def react(event):
        if event.name != "connect":
            return None
        if isinstance(answer, web.Response):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        return answer

    handler.react = react
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u", groups=["g"], roles=["webpubsub.sendToGroup"])
        assert client.connected["userId"] == user
        assert hub.control.connections()[0].groups == groups
        ack = await client.ask(type="sendToGroup", group="x", data=1, ackId=1)
        assert ack["success"] == may_send


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
async def test_the_status_of_a_refusal_is_copied(handler, refused, status):
    handler.react = lambda event: web.Response(status=status, text="private text")
    async with LocalHub(handler.config()) as hub:
        got, body = await refused(hub)
        assert got == status
        assert "refused" in body
        assert "private" not in body
        assert hub.control.connections() == []
    assert len(handler.named("connect")) == 1
    assert not handler.named("disconnected")


RUBBISH = {
    "not json": lambda event: web.Response(text="hello"),
    "not UTF-8": lambda event: web.Response(body=b"\xff"),
    "a list": lambda event: web.json_response([1]),
    "roles is a string": lambda event: {"roles": "webpubsub.sendToGroup"},
    "userId is a number": lambda event: {"userId": 7},
    "userId breaks a line": lambda event: {"userId": "a\nb"},
    "illegal group": lambda event: {"groups": [" "]},
    "illegal pattern": lambda event: {"roles": ["webpubsub.sendToGroups.a\\b"]},
    "subprotocol not offered": lambda event: {"subprotocol": "ocpp1.6"},
    "redirect": lambda event: web.Response(status=302, headers={"Location": "/elsewhere"}),
    "endless": lambda event: web.Response(body=b" " * (16 * 1024 * 1024 + 1)),
    "500": lambda event: 500,
}


@pytest.mark.parametrize("name", list(RUBBISH))
async def test_rubbish_from_a_connect_handler_is_a_500(handler, refused, caplog, name):
    handler.react = RUBBISH[name]
    async with LocalHub(handler.config()) as hub:
        status, body = await refused(hub)
        assert status == 500
        assert "event handler" in body
        assert hub.control.connections() == []
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_handler_that_fails_is_asked_again(handler, connect, refused):
    answers = [500, 408]
    handler.react = lambda event: answers.pop() if answers else None
    async with LocalHub(handler.config()) as hub:
        await connect(hub)
        tries = handler.named("connect")
        assert len(tries) == 3
        assert len({event.headers["ce-connectionId"] for event in tries}) == 1
        assert {event.headers["ce-id"] for event in tries} == {"0"}
        answers += [503] * 3
        assert (await refused(hub))[0] == 500
        answers += [429]
        assert (await refused(hub))[0] == 429


async def test_a_handler_that_is_not_there(refused, caplog):
    hubs = [
        {
            "name": "chargers",
            "anonymous_connect_policy": "allow",
            "event_handlers": [
                {"url_template": "http://127.0.0.1:9/?code=secret", "system_events": ["connect"]}
            ],
        }
    ]
    service = {"event_handler_retry_delays_in_seconds": []}
    async with LocalHub({"hubs": hubs, "service": service}) as hub:
        status, body = await refused(hub)
        assert status == 500
        assert body == "The connect event handler failed.\n"
    assert "http://127.0.0.1:9/ cannot be reached" in caplog.text
    assert "secret" not in caplog.text


async def test_a_handler_that_hangs(handler, refused, connect, caplog):
    async def hang(event):
        await asyncio.sleep(30)

    handler.react = lambda event: hang(event) if event.headers["ce-hub"] == "slow" else None
    config = handler.config({"event_handler_timeout_in_seconds": 0.3})
    config["hubs"].append({**config["hubs"][0], "name": "slow"})
    async with LocalHub(config) as hub:
        waiting = asyncio.create_task(refused(hub, name="slow"))
        await handler.wait_for("connect")
        await connect(hub)  # others are unaffected
        status, body = await waiting
        assert status == 500
        assert body == "The connect event handler failed.\n"
    assert "did not answer within 0.3 s" in caplog.text


async def test_a_client_that_leaves_during_connect_is_reported(handler, connect, eventually):
    release = asyncio.Event()

    async def wait(event):
        await release.wait()

    handler.react = lambda event: wait(event) if event.name == "connect" else None
    async with LocalHub(handler.config()) as hub:
        attempt = asyncio.create_task(connect(hub))
        await handler.wait_for("connect")
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        await asyncio.sleep(0.05)
        release.set()
        (event,) = await handler.wait_for("disconnected")
        assert "hung up" in event.json["reason"]
        assert not handler.named("connected")


@pytest.mark.parametrize(
    ("offered", "chosen", "echoed"),
    [
        ("ocpp1.6,ocpp2.0.1", "ocpp1.6", "ocpp1.6"),
        ("ocpp1.6,json.webpubsub.azure.v1", "OCPP1.6", "ocpp1.6"),
        (f"{JSON},{RELIABLE_JSON}", RELIABLE_JSON, RELIABLE_JSON),
        (f"{RELIABLE_JSON},{JSON}", None, RELIABLE_JSON),
    ],
)
async def test_the_handler_picks_the_subprotocol(handler, connect, offered, chosen, echoed):
    handler.react = lambda event: {"subprotocol": chosen} if event.name == "connect" else None
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=offered)
        assert client.websocket.subprotocol == echoed
        (event,) = await handler.wait_for("connected")
        assert event.headers["ce-subprotocol"] == echoed


# -- connected and disconnected -------------------------------------------------------------


async def test_connected_and_disconnected(handler, connect):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        (event,) = await handler.wait_for("connected")
        assert event.json == {}
        assert event.headers["ce-type"] == "azure.webpubsub.sys.connected"
        assert event.headers["ce-id"] == "1"
        assert event.headers["ce-userId"] == "u"
        assert event.headers["ce-subprotocol"] == JSON
        await client.websocket.close(1000, "enough")
        (event,) = await handler.wait_for("disconnected")
        assert event.json == {"reason": "enough"}
        assert event.headers["ce-id"] == "2"


async def test_a_reliable_session_is_disconnected_once_when_it_ends(handler, connect, eventually):
    async with LocalHub(handler.config({"session_retention_in_seconds": 0.3})) as hub:
        client = await connect(hub, protocol=RELIABLE_JSON, user_id="u")
        hub.control.drop(client.id)
        await eventually(lambda: hub.control.connections()[0].detached)
        assert not handler.named("disconnected")
        (event,) = await handler.wait_for("disconnected")
        assert event.json == {"reason": "Connection recovery timed out."}
        assert len(handler.named("connect")) == len(handler.named("connected")) == 1


async def test_the_last_events_are_delivered_when_the_service_stops(handler, connect):
    async with LocalHub(handler.config()) as hub:
        await connect(hub)
    (event,) = handler.named("disconnected")
    assert event.json == {"reason": "The service is shutting down."}


async def test_only_events_that_were_asked_for(handler, connect):
    config = handler.config(system_events=["connected"], user_event_pattern=" Status , alarm")
    async with LocalHub(config) as hub:
        client = await connect(hub, user_id="u")
        assert (await client.ask(type="event", event="STATUS", data=1, ackId=1))["success"]
        ack = await client.ask(type="event", event="connected", data=1, ackId=2)
        assert ack["error"]["name"] == "InternalServerError"
        assert "no event handler" in ack["error"]["message"]
        await client.leave()
        await handler.wait_for("connected")
    assert {event.name for event in handler.events if event.method == "POST"} == {
        "connected",
        "STATUS",
    }


async def test_the_first_handler_that_matches_wins(handler, connect):
    config = handler.config(system_events=[])
    first = handler.settings(
        url_template=f"{handler.url}/first/{{event}}", user_event_pattern="a", system_events=[]
    )
    config["hubs"][0]["event_handlers"].insert(0, first)
    async with LocalHub(config) as hub:
        client = await connect(hub, user_id="u")
        for ack_id, event in enumerate(("a", "b")):
            assert (await client.ask(type="event", event=event, data=1, ackId=ack_id))["success"]
    assert [event.path for event in handler.named("a", "b")] == ["/first/a", "/chargers/b"]


# -- user events ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "content_type", "body"),
    [
        ({"dataType": "text", "data": "hé"}, "text/plain", "hé".encode()),
        ({"data": {"a": 1.5}}, "application/json", b'{"a": 1.5}'),
        ({"dataType": "binary", "data": "AAE="}, "application/octet-stream", b"\x00\x01"),
        ({"dataType": "protobuf", "data": "CgA="}, "application/x-protobuf", b"\x0a\x00"),
    ],
)
async def test_what_a_user_event_looks_like(handler, connect, frame, content_type, body):
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        ack = await client.ask(type="event", event="status", ackId=4, **frame)
        assert ack == {"type": "ack", "ackId": 4, "success": True}
    (event,) = handler.named("status")
    assert event.body == body
    assert event.path == "/chargers/status"
    assert event.headers["Content-Type"].partition(";")[0] == content_type
    assert event.headers["ce-type"] == "azure.webpubsub.user.status"
    assert event.headers["ce-userId"] == "u"
    assert event.headers["ce-subprotocol"] == JSON


@pytest.mark.parametrize(
    ("content_type", "body", "frame"),
    [
        ("text/plain; charset=utf-8", "é".encode(), '"dataType":"text","data":"é"'),
        ("application/json", b'{"a": 1.0}', '"dataType":"json","data":{"a": 1.0}'),
        ("application/octet-stream", b"\x00", '"dataType":"binary","data":"AA=="'),
    ],
)
@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON])
async def test_answers_come_before_the_ack(handler, connect, content_type, body, frame, protocol):
    handler.react = lambda event: (
        web.Response(body=body, headers={"Content-Type": content_type})
        if event.name == "ask"
        else None
    )
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u", protocol=protocol)
        await client.send(type="event", event="ask", data=1, ackId=1)
        number = ',"sequenceId":1' if protocol == RELIABLE_JSON else ""
        assert await client.receive_text() == (
            f'{{"type":"message","from":"server",{frame}{number}}}'
        )
        assert (await client.receive())["success"]


@pytest.mark.parametrize(
    "answer",
    [
        400,
        401,
        500,
        302,
        web.Response(body=b"{", content_type="application/json"),
        web.Response(body=b"NaN", content_type="application/json"),
        web.Response(body=b"\xff", content_type="text/plain"),
        web.Response(body=b"<p>", content_type="text/html"),
        web.Response(body=b"x" * (16 * 1024 * 1024 + 1), content_type="text/plain"),
    ],
    ids=str,
)
async def test_a_failed_event(handler, connect, answer):
    def react(event):
        if event.name != "ask":
            return None
        if isinstance(answer, int):
            return answer
        return web.Response(body=answer.body, content_type=answer.content_type)

    handler.react = react
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        await client.send(type="event", event="ask", data=1)
        ack = await client.ask(type="event", event="ask", data=1, ackId=1)
        assert ack["error"]["name"] == "InternalServerError"
        assert "could not be delivered" in ack["error"]["message"]
        # It was not executed, so the same id may be tried again.
        handler.react = None
        assert (await client.ask(type="event", event="ask", data=1, ackId=1))["success"]
        ack = await client.ask(type="event", event="ask", data=1, ackId=1)
        assert ack["error"]["name"] == "Duplicate"


async def test_events_of_a_connection_come_one_at_a_time_and_in_order(handler, connect):
    under_way = 0
    most = 0

    async def slow(event):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1

    handler.react = lambda event: slow(event) if event.name == "count" else None
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        for number in range(100):
            await client.send(type="event", event="count", data=number, ackId=number)
        acks = [await client.receive() for _ in range(100)]
        assert [ack["ackId"] for ack in acks] == list(range(100))
        await client.leave()
    assert most == 1
    counted = handler.named("count")
    assert [event.json for event in counted] == list(range(100))
    assert [int(event.headers["ce-id"]) for event in counted] == list(range(2, 102))
    assert handler.events[-1].name == "disconnected"


async def test_other_requests_and_clients_do_not_wait_for_a_handler(handler, connect):
    release = asyncio.Event()

    async def wait(event):
        await release.wait()

    handler.react = lambda event: wait(event) if event.name == "wait" else None
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        other = await connect(hub, user_id="v")
        await client.send(type="event", event="wait", data=1, ackId=1)
        await handler.wait_for("wait")
        await client.quiet()
        assert (await other.ask(type="event", event="go", data=1, ackId=1))["success"]
        # A client that floods its handler is read no further, and loses nothing by that.
        for number in range(200):
            await client.send(type="event", event="count", data=number)
        release.set()
        assert (await client.receive())["ackId"] == 1
        await handler.wait_for("count", 200)
    assert [event.json for event in handler.named("count")] == list(range(200))


async def test_an_event_sent_again_while_under_way_is_executed_once(handler, connect, eventually):
    release = asyncio.Event()

    async def wait(event):
        await release.wait()

    handler.react = lambda event: wait(event) if event.name == "once" else None
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        for _ in range(2):
            await client.send(type="event", event="once", data=1, ackId=1)
        await handler.wait_for("once")
        release.set()
        assert (await client.receive())["success"]
        assert (await client.receive())["error"]["name"] == "Duplicate"
    assert len(handler.named("once")) == 1


async def test_the_connection_state_travels_along(handler, connect):
    states = {"connect": "one", "set": "two", "clear": ""}

    def react(event):
        if event.name in states:
            return web.Response(status=204, headers={"ce-connectionState": states[event.name]})
        return None

    handler.react = react
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, user_id="u")
        for ack_id, event in enumerate(("a", "set", "b", "clear", "c")):
            assert (await client.ask(type="event", event=event, data=1, ackId=ack_id))["success"]
    seen = {
        event.name: event.headers.get("ce-connectionState")
        for event in handler.events
        if event.method == "POST"
    }
    assert seen == {
        "connect": None,
        "connected": "one",
        "a": "one",
        "set": "one",
        "b": "two",
        "clear": "two",
        "c": None,
        "disconnected": None,
    }


async def test_no_signature_without_local_authentication(handler, connect):
    async with LocalHub(handler.config({"disable_local_auth": True})) as hub:
        await connect(hub)
    assert all("ce-signature" not in event.headers for event in handler.events)


async def test_what_a_user_id_may_be(handler, connect):
    async with LocalHub(handler.config()) as hub:
        await connect(hub, user_id="zoë 7")
        (event,) = await handler.wait_for("connected")
        assert event.headers["ce-userId"] == "zoë 7"


async def test_cookies_of_a_connection_come_back(handler, connect):
    def react(event):
        answer = web.Response(status=204)
        if event.name == "connect":
            answer.set_cookie("node", event.json["query"]["id"][0])
            answer.set_cookie("elsewhere", "x", path="/other")
        elif event.name == "forget":
            answer.del_cookie("node")
        return answer

    handler.react = react
    async with LocalHub(handler.config()) as hub:
        for name in "ab":
            client = await connect(hub, query=f"id={name}")
            for ack_id, event in enumerate(("see", "forget", "later")):
                await client.ask(type="event", event=event, data=1, ackId=ack_id)
    seen = [
        (event.name, event.headers.get("Cookie"))
        for event in handler.named("connected", "see", "forget", "later")
    ]
    for name in "ab":
        for kind in ("connected", "see", "forget"):
            assert (kind, f"node={name}") in seen
    assert seen.count(("later", None)) == 2


async def test_basic_authorization_is_forwarded_only_on_demand(handler, connect):
    for service, expected in (({}, None), ({"forward_basic_authorization": True}, ["Basic Y3A3"])):
        handler.events.clear()
        async with LocalHub(handler.config(service)) as hub:
            await connect(hub, headers={"Authorization": "Basic Y3A3"})
            (event,) = handler.named("connect")
            assert event.json["headers"].get("Authorization") == expected
            token = hub.client_url("chargers").partition("access_token=")[2]
            await connect(hub, headers={"Authorization": f"Bearer {token}"})
            assert "Authorization" not in handler.named("connect")[1].json["headers"]


# What a broken web server may do after it has read a request.
MISBEHAVIOUR = {
    "hangs up": b"",
    "is no web server": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "bad compression": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n",
    "state that is no text": b"HTTP/1.1 204 OK\r\nce-connectionState: \xff\r\n\r\n",
    "hangs in mid-body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("name", list(MISBEHAVIOUR))
async def test_a_handler_that_is_a_broken_web_server(refused, caplog, name):
    async def serve(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"OPTIONS"):
                writer.write(
                    b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n"
                    b"Connection: close\r\n\r\n"
                )
            else:
                writer.write(MISBEHAVIOUR[name])
                await writer.drain()
                if name.startswith("hangs in"):
                    await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    handler = {"url_template": url, "system_events": ["connect"]}
    hub = {"name": "chargers", "anonymous_connect_policy": "allow", "event_handlers": [handler]}
    service = {
        "event_handler_retry_delays_in_seconds": [0.01],
        "event_handler_timeout_in_seconds": 0.5 if name.startswith("hangs in") else 20,
    }
    async with LocalHub({"hubs": [hub], "service": service}) as running:
        status, body = await refused(running)
        assert status == 500
        assert body == "The connect event handler failed.\n"
        assert running.control.connections() == []
    server.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_compressed_answer_that_unpacks_to_too_much(handler, refused, caplog):
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    assert len(bomb) < 100_000
    handler.react = lambda event: web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
    async with LocalHub(handler.config()) as hub:
        status, body = await refused(hub)
        assert (status, body) == (500, "The connect event handler failed.\n")
    assert "16 MiB" in caplog.text


@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON, None])
async def test_a_user_event_whose_handler_hangs_or_leads_elsewhere(handler, connect, protocol):
    async def hang(event):
        await asyncio.sleep(30)

    config = handler.config({"event_handler_timeout_in_seconds": 0.3})
    async with LocalHub(config) as hub:
        beside = await connect(hub)
        elsewhere = web.Response(status=307, headers={"Location": f"{handler.url}/elsewhere"})
        for reaction in (hang, lambda event: elsewhere):
            handler.react = lambda event, react=reaction: (
                react(event) if event.name in ("ask", "message") else None
            )
            client = await connect(hub, protocol=protocol)
            if protocol is None:
                await client.websocket.send("x")
                assert (await client.close_code())[0] == 1011
            else:
                ack = await client.ask(type="event", event="ask", data=1, ackId=1)
                assert ack["error"]["name"] == "InternalServerError"
                await client.quiet()
        assert not [event for event in handler.events if event.path == "/elsewhere"]
        handler.react = None
        assert (await beside.ask(type="event", event="ask", data=1, ackId=1))["success"]


async def test_an_answer_of_16_megabytes(handler, connect):
    size = 16 * 1024 * 1024
    handler.react = lambda event: (
        web.Response(body=b"x" * size, content_type="text/plain") if event.name == "ask" else None
    )
    async with LocalHub(handler.config()) as hub:
        beside = await connect(hub)
        plain = await connect(hub)
        assert len((await plain.ask(type="event", event="ask", data=1, ackId=1))["data"]) == size
        assert (await plain.receive())["success"]
        # More than a session may hold: it ends, as if its client were too slow.
        reliable = await connect(hub, protocol=RELIABLE_JSON)
        await reliable.send(type="event", event="ask", data=1, ackId=1)
        assert (await reliable.close_code())[0] in (1006, None)
        (event,) = await handler.wait_for("disconnected")
        assert event.json == {"reason": "SlowClient"}
        await beside.quiet()
