"""Every operation: its status codes, and what it does to the clients."""

from __future__ import annotations

import json
import re

import jwt
import pytest

from tests.support.protocol import RELIABLE_JSON

STABLE = ["2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01"]
TEXT = {"content_type": "text/plain"}


# -- status codes ---------------------------------------------------------------------------

# {c} is a live connection of the user al in the group g.
WITH_CLIENT = [
    ("HEAD", "/api/health", None, 200),
    ("POST", "/:generateToken", None, 200),
    ("POST", "/:send", b"x", 202),
    ("POST", "/connections/{c}/:send", b"x", 202),
    ("POST", "/groups/g/:send", b"x", 202),
    ("POST", "/users/al/:send", b"x", 202),
    ("HEAD", "/connections/{c}", None, 200),
    ("HEAD", "/groups/g", None, 200),
    ("HEAD", "/users/al", None, 200),
    ("GET", "/groups/g/connections", None, 200),
    ("POST", "/:addToGroups", {"groups": ["h"]}, 200),
    ("POST", "/:removeFromGroups", {"groups": ["h"]}, 200),
    ("PUT", "/groups/h/connections/{c}", None, 200),
    ("DELETE", "/groups/h/connections/{c}", None, 204),
    ("PUT", "/users/al/groups/h", None, 200),
    ("DELETE", "/users/al/groups/h", None, 204),
    ("DELETE", "/users/al/groups", None, 204),
    ("DELETE", "/connections/{c}/groups", None, 204),
    ("PUT", "/permissions/sendToGroup/connections/{c}?targetName=g", None, 200),
    ("HEAD", "/permissions/sendToGroup/connections/{c}?targetName=g", None, 200),
    ("DELETE", "/permissions/sendToGroup/connections/{c}?targetName=g", None, 204),
    ("HEAD", "/permissions/sendToGroup/connections/{c}?targetName=g", None, 404),
    ("POST", "/groups/g/:closeConnections", None, 204),
    ("POST", "/users/al/:closeConnections", None, 204),
    ("POST", "/:closeConnections", None, 204),
    ("DELETE", "/connections/{c}", None, 204),
]
WITHOUT_CLIENT = {
    ("HEAD", "/connections/{c}"): 404,
    ("HEAD", "/groups/g"): 404,
    ("HEAD", "/users/al"): 404,
    ("PUT", "/groups/h/connections/{c}"): 404,
    ("PUT", "/users/al/groups/h"): 404,
    ("PUT", "/permissions/sendToGroup/connections/{c}?targetName=g"): 404,
    ("HEAD", "/permissions/sendToGroup/connections/{c}?targetName=g"): 404,
}


async def test_every_operation_with_a_client(localhub, connect, rest):
    client = await connect(localhub, user_id="al", groups=["g"])
    for method, path, body, status in WITH_CLIENT:
        kind = TEXT if isinstance(body, bytes) else {}
        answer = await rest(method, path.format(c=client.id), body, **kind)
        assert (answer.status, method, path) == (status, method, path)
        assert answer.headers["api-supported-versions"] == ", ".join(STABLE)
        # Where the reference has no body, there is none.
        assert bool(answer.text) == (path in ("/:generateToken", "/groups/g/connections"))


@pytest.mark.parametrize("hub", ["chargers", "never-heard-of"])
async def test_every_operation_without_a_client(localhub, connect, rest, hub):
    await connect(localhub, user_id="bo")
    for method, path, body, status in WITH_CLIENT:
        kind = TEXT if isinstance(body, bytes) else {}
        full = path if path.startswith("/api") else f"/api/hubs/{hub.replace('-', '_')}{path}"
        answer = await rest(method, full.format(c="gone"), body, **kind)
        wanted = WITHOUT_CLIENT.get((method, path), status)
        if hub == "chargers" and path.endswith("/:closeConnections"):
            await connect(localhub, user_id="bo")
        assert (answer.status, method, path) == (wanted, method, path)


async def test_asking_for_a_hub_does_not_make_it(localhub, rest):
    for number in range(50):
        assert (await rest.text(f"/api/hubs/h{number}/:send")).status == 202
    assert localhub.control.counters.hubs == ()


# -- versions -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [*STABLE, "2021-08-01-preview"])
async def test_known_versions(rest, version):
    assert (await rest.text(f"/:send?api-version={version}")).status == 202
    answer = await rest("GET", f"/groups/g/connections?api-version={version}")
    assert answer.status == 200


@pytest.mark.parametrize(
    "query", ["api-version=2020-01-01", "api-version=", "api-version=2024-12-01&API-Version=x"]
)
async def test_unknown_and_repeated_versions(rest, query):
    answer = await rest.text(f"/:send?{query}")
    assert answer.status == 400
    assert answer.json["code"] == answer.headers["x-ms-error-code"] == "Error.BadRequest"
    assert answer.json["target"] == "api-version"
    assert (await rest("HEAD", f"/api/health?{query}")).status == 400


# -- sending --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "frame", "raw"),
    [
        ("text/plain", "hé".encode(), ("text", "hé"), "hé"),
        ("text/plain; charset=latin-1", "hé".encode("latin-1"), ("text", "hé"), "hé"),
        (None, b"\x00\xff", ("binary", "AP8="), b"\x00\xff"),
        ("TEXT/PLAIN", b"", ("text", ""), ""),
        ("application/json", b'{"kw": 7.20}', ("json", {"kw": 7.2}), '{"kw": 7.20}'),
        ("application/json;charset=utf-8", b'"hi"', ("json", "hi"), '"hi"'),
        ("application/octet-stream", b"\x00\xff", ("binary", "AP8="), b"\x00\xff"),
    ],
)
async def test_content_types(localhub, connect, rest, content_type, body, frame, raw):
    client, simple = await connect(localhub), await connect(localhub, protocol=None)
    assert (await rest("POST", "/:send", body, content_type=content_type)).status == 202
    received = await client.receive()
    assert list(received) == ["type", "from", "dataType", "data"]
    assert (received["dataType"], received["data"]) == frame
    assert await simple.receive_text() == raw


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/html", b"x", 415),
        ("image/png;application/json", b"x", 415),
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b"NaN", 400),
        ("application/json", b'"\xff"', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"9" * 10_000, 202),
        ("text/plain", b"\xff", 400),
        ("text/plain", b"x" * (1024 * 1024), 202),
        ("text/plain", b"x" * (1024 * 1024 + 1), 413),
    ],
)
async def test_bodies_that_are_refused(rest, content_type, body, status):
    answer = await rest("POST", "/:send", body, content_type=content_type)
    assert answer.status == status
    if status >= 400:
        assert set(answer.json) == {"code", "message"}


async def test_a_body_of_unknown_length_that_is_too_large(rest, raw_socket, localhub):
    peer = await raw_socket(localhub)
    token = rest.token(f"{localhub.endpoint}/api/hubs/h/:send")
    peer.write(
        b"POST /api/hubs/h/:send HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: text/plain\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    for _ in range(17):
        peer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    head = await peer.reader.readuntil(b"\r\n\r\n")
    assert b" 413 " in head


async def test_where_messages_go(localhub, connect, rest):
    al = await connect(localhub, user_id="al", groups=["g"])
    twin = await connect(localhub, user_id="al")
    bo = await connect(localhub, user_id="bo", groups=["g"], protocol=RELIABLE_JSON)
    assert (await rest.text("/users/al/:send", "1")).status == 202
    assert (await rest.text(f"/connections/{bo.id}/:send", "2")).status == 202
    assert (await rest.text("/groups/g/:send", "3")).status == 202
    assert (await rest.text(f"/groups/g/:send?excluded=x&excluded={al.id}", "4")).status == 202
    assert (await rest.text(f"/:send?excluded={al.id}&excluded={twin.id}", "5")).status == 202
    server = {"type": "message", "from": "server", "dataType": "text"}
    group = {"type": "message", "from": "group", "group": "g", "dataType": "text"}
    assert await al.receive() == {**server, "data": "1"}
    assert await al.receive() == {**group, "data": "3", "fromUserId": None}
    assert await twin.receive() == {**server, "data": "1"}
    assert await bo.receive() == {**server, "data": "2", "sequenceId": 1}
    assert await bo.receive() == {**group, "data": "3", "fromUserId": None, "sequenceId": 2}
    assert (await bo.receive())["data"] == "4"
    assert (await bo.receive())["data"] == "5"
    for client in (al, twin, bo):
        await client.quiet()


async def test_filters_select(localhub, connect, rest):
    al = await connect(localhub, user_id="al", groups=["g", "h"])
    bo = await connect(localhub, user_id="bo", groups=["g"])
    nobody = await connect(localhub)
    for path, text, query in [
        ("/:send", "al", "userId%20eq%20%27al%27"),
        ("/:send", "nobody", "userId+eq+null"),
        ("/groups/g/:send", "bo", "not+('h'+in+groups)"),
        ("/users/al/:send", "al", f"connectionId%20eq%20'{al.id}'"),
        ("/users/al/:send", "none", "connectionId%20eq%20'x'"),
        ("/:send", "all", ""),
        ("/:send", "all", "true"),
    ]:
        assert (await rest.text(f"{path}?filter={query}", text)).status == 202
    for client, texts in ((al, ["al", "al"]), (bo, ["bo"]), (nobody, ["nobody"])):
        for text in [*texts, "all", "all"]:
            assert (await client.receive())["data"] == text
        await client.quiet()


@pytest.mark.parametrize("path", ["/:send", "/groups/g/:send", "/users/u/:send"])
async def test_a_wrong_filter_is_refused_though_nobody_is_there(rest, path):
    answer = await rest.text(f"{path}?filter=invalid%20filter")
    assert answer.status == 400
    assert answer.message == (
        "Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'. "
        "(Parameter 'filter')"
    )


@pytest.mark.parametrize("seconds", ["-1", "301", "1.5", "x", "", "%EF%BC%91", "9" * 5000])
async def test_times_to_live_out_of_range(rest, seconds):
    answer = await rest.text(f"/:send?messageTtlSeconds={seconds}")
    assert answer.status == 400
    assert answer.json["target"] == "messageTtlSeconds"


async def test_a_message_expires_for_who_was_away(
    localhub, connect, rest, eventually, monkeypatch
):
    client = await connect(localhub, user_id="al", protocol=RELIABLE_JSON)
    localhub.control.drop(client.id)
    await eventually(lambda: localhub.control.connections()[0].detached)
    for seconds, text in ((0, "for ever"), (1, "short"), (300, "long"), (1, "short")):
        await rest.text(f"/:send?messageTtlSeconds={seconds}", text)
    import localhub.hub.delivery as delivery

    now = delivery.time.monotonic()
    monkeypatch.setattr(delivery.time, "monotonic", lambda: now + 5)
    query = "&".join(f"{name}={_quoted(value)}" for name, value in client.recovery.items())
    back = await connect(localhub, protocol=RELIABLE_JSON, query=query)
    assert [(await back.receive())["sequenceId"] for _ in range(2)] == [1, 3]
    await back.quiet()
    # Acknowledging goes on over the holes.
    await back.send(type="sequenceAck", sequenceId=3)
    monkeypatch.undo()
    await rest.text("/:send", "next")
    assert (await back.receive())["sequenceId"] == 5


def _quoted(text: str) -> str:
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


# -- closing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/connections/{c}"),
        ("POST", "/groups/g/:closeConnections"),
        ("POST", "/users/al/:closeConnections"),
        ("POST", "/:closeConnections"),
    ],
)
@pytest.mark.parametrize("reason", ["", "Maintenance%20%C3%A9"])
async def test_a_closed_session_cannot_be_recovered(localhub, connect, rest, method, path, reason):
    client = await connect(localhub, user_id="al", groups=["g"], protocol=RELIABLE_JSON)
    simple = await connect(localhub, user_id="al", groups=["g"], protocol=None)
    other = await connect(localhub, user_id="bo")
    query = f"?excluded={other.id}" + (f"&reason={reason}" if reason else "")
    assert (await rest(method, path.format(c=client.id) + query)).status == 204
    text = "Maintenance é" if reason else "Closed by REST API."
    assert await client.receive() == {
        "type": "system",
        "event": "disconnected",
        "message": text,
    }
    assert await client.close_code() == (1000, text)
    if method == "POST":
        assert await simple.close_code() == (1000, text)
    query = "&".join(f"{name}={_quoted(value)}" for name, value in client.recovery.items())
    back = await connect(localhub, protocol=RELIABLE_JSON, query=query)
    assert (await back.close_code())[0] == 1008
    assert (await rest("HEAD", f"/connections/{client.id}")).status == 404
    await other.quiet()


async def test_excluded_connections_are_not_closed(localhub, connect, rest):
    kept = await connect(localhub, user_id="al", groups=["g"])
    for path in ("/:closeConnections", "/groups/g/:closeConnections"):
        closed = await connect(localhub, user_id="al", groups=["g"])
        assert (await rest("POST", f"{path}?excluded=x&excluded={kept.id}")).status == 204
        assert (await closed.close_code())[0] == 1000
    path = f"/users/al/:closeConnections?excluded={kept.id}"
    assert (await rest("POST", path)).status == 204
    await kept.quiet()


async def test_handlers_learn_the_reason(handler, connect, rest_of):
    from localhub import LocalHub

    async with LocalHub(handler.config(system_events=["disconnected"])) as hub:
        client = await connect(hub)
        await rest_of(hub)("DELETE", f"/connections/{client.id}?reason=enough")
        (event,) = await handler.wait_for("disconnected")
    assert event.json == {"reason": "enough"}


async def test_detached_sessions_exist_and_can_be_closed(localhub, connect, rest, eventually):
    client = await connect(localhub, user_id="al", groups=["g"], protocol=RELIABLE_JSON)
    localhub.control.drop(client.id)
    await eventually(lambda: localhub.control.connections()[0].detached)
    for path in (f"/connections/{client.id}", "/groups/g", "/users/al"):
        assert (await rest("HEAD", path)).status == 200
    assert (await rest("DELETE", f"/connections/{client.id}")).status == 204
    assert localhub.control.connections() == []


# -- groups ---------------------------------------------------------------------------------


async def test_groups_of_connections_and_users(localhub, connect, rest):
    al, twin = await connect(localhub, user_id="al"), await connect(localhub, user_id="al")
    bo = await connect(localhub, user_id="bo")

    def groups() -> list[set[str]]:
        known = {one.id: set(one.groups) for one in localhub.control.connections()}
        return [known[one.id] for one in (al, twin, bo)]

    await rest("PUT", f"/groups/site%2F7/connections/{al.id}")
    await rest("PUT", "/users/al/groups/u")
    assert groups() == [{"site%2F7", "u"}, {"u"}, set()]
    late = await connect(localhub, user_id="al")
    assert (await rest("HEAD", f"/connections/{late.id}")).status == 200
    assert groups()[1] == {"u"}
    await rest("POST", "/:addToGroups", {"groups": ["a", "b"], "filter": "userId eq 'bo'"})
    await rest("POST", "/:addToGroups", {"groups": ["all"], "filter": ""})
    assert groups() == [{"site%2F7", "u", "all"}, {"u", "all"}, {"a", "b", "all"}]
    await rest("POST", "/:removeFromGroups", {"groups": ["all"], "filter": "'u' in groups"})
    assert groups() == [{"site%2F7", "u"}, {"u"}, {"a", "b", "all"}]
    await rest("DELETE", f"/groups/u/connections/{twin.id}")
    await rest("DELETE", f"/connections/{bo.id}/groups")
    assert groups() == [{"site%2F7", "u"}, set(), set()]
    await rest("DELETE", "/users/al/groups/u")
    assert groups() == [{"site%2F7"}, set(), set()]
    await rest("DELETE", "/users/al/groups")
    assert groups() == [set(), set(), set()]


async def test_a_filter_may_ask_for_the_groups_that_it_changes(localhub, connect, rest):
    for group in ("a", "b"):
        await connect(localhub, user_id=group, groups=[group])
    body = {"groups": ["b", "c"], "filter": "not ('b' in groups)"}
    assert (await rest("POST", "/:addToGroups", body)).status == 200
    groups = {one.user_id: set(one.groups) for one in localhub.control.connections()}
    assert groups == {"a": {"a", "b", "c"}, "b": {"b"}}


@pytest.mark.parametrize("body", [{}, {"groups": None}, {"groups": [], "filter": None}])
async def test_no_groups_to_change(rest, body):
    assert (await rest("POST", "/:addToGroups", body)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b'{"groups":["\\ud800"]}',
        {"groups": "g"},
        {"groups": [1]},
        {"groups": [" "]},
        {"groups": ["x" * 1025]},
        {"groups": ["g"], "filter": 1},
        {"groups": ["g"], "filter": "userId"},
        {"groups": ["g"], "fitler": "true"},
    ],
)
@pytest.mark.parametrize("path", ["/:addToGroups", "/:removeFromGroups"])
async def test_bodies_that_name_no_groups(localhub, connect, rest, path, body):
    await connect(localhub, user_id="u")
    answer = await rest("POST", path, body, content_type="application/json")
    assert answer.status == 400
    assert not localhub.control.connections()[0].groups
    assert (await rest("POST", path, b"{}", content_type="text/plain")).status == 415


# -- permissions ----------------------------------------------------------------------------


async def test_rights_come_and_go(localhub, connect, rest):
    client = await connect(localhub, user_id="al")
    right = f"/permissions/sendToGroup/connections/{client.id}"

    async def may(group: str) -> bool:
        return (await client.ask(type="sendToGroup", group=group, data=1, ackId=ids.pop()))[
            "success"
        ]

    ids = list(range(100))
    assert not await may("g")
    assert (await rest("HEAD", f"{right}?targetName=g")).status == 404
    await rest("PUT", f"{right}?targetName=g")
    assert (await rest("HEAD", f"{right}?targetName=g")).status == 200
    assert (await rest("HEAD", right)).status == 404
    assert [await may("g"), await may("h")] == [True, False]
    await rest("PUT", right)
    assert (await rest("HEAD", right)).status == 200
    assert await may("h")
    await rest("DELETE", f"{right}?targetName=h")
    assert [await may("g"), await may("h")] == [True, False]
    await rest("DELETE", right)
    assert not await may("g")
    # A name is a name: there are no patterns here.
    await rest("PUT", f"{right}?targetName=a*")
    assert [await may("ab"), await may("a*")] == [False, True]
    join = f"/permissions/joinLeaveGroup/connections/{client.id}?targetName=g"
    await rest("PUT", join)
    assert (await client.ask(type="joinGroup", group="g", ackId=1000))["success"]
    await rest("DELETE", join)
    assert not (await client.ask(type="leaveGroup", group="g", ackId=1001))["success"]
    # Taking the right away does not end the membership.
    assert (await rest("HEAD", "/groups/g")).status == 200


async def test_at_most_a_thousand_rights_by_name(localhub, connect, rest):
    roles = [f"webpubsub.sendToGroup.g{number}" for number in range(60)]
    client = await connect(localhub, user_id="al", roles=roles)
    permissions = localhub.control.hub("chargers").connections[client.id].permissions
    for number in range(60, 1000):
        permissions.grant("sendToGroup", f"g{number}")
    right = f"/permissions/sendToGroup/connections/{client.id}?targetName="
    assert (await rest("PUT", right + "g999")).status == 200
    answer = await rest("PUT", right + "g1000")
    assert (answer.status, answer.json["code"]) == (409, "Error.Conflict")
    assert (await rest("HEAD", right + "g1000")).status == 404


async def test_at_most_a_thousand_revocations_by_name(localhub, connect, rest):
    client = await connect(localhub, user_id="al", roles=["webpubsub.sendToGroup"])
    permissions = localhub.control.hub("chargers").connections[client.id].permissions
    for number in range(999):
        permissions.revoke("sendToGroup", f"g{number}")
    for right in ("sendToGroup", "joinLeaveGroup"):
        # What is not there to be revoked leaves nothing behind.
        path = f"/permissions/{right}/connections/{client.id}?targetName="
        assert (await rest("DELETE", path + "last")).status == 204
        assert (await rest("DELETE", path + "last")).status == 204
        status = 409 if right == "sendToGroup" else 204
        for number in range(3):
            assert (await rest("DELETE", f"{path}more{number}")).status == status
    assert not permissions.may_send("last")
    assert permissions.may_send("more1")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/permissions/SendToGroup/connections/c",
        "/permissions/other/connections/c",
        "/permissions/sendToGroup/connections/c?targetName=",
        "/permissions/sendToGroup/connections/c?targetName=%20",
        "/permissions/sendToGroup/connections/c?targetName=a&targetName=b",
    ],
)
async def test_rights_that_do_not_exist(rest, method, path):
    assert (await rest(method, path)).status == 400


# -- tokens ---------------------------------------------------------------------------------


async def test_generated_tokens_open_connections(localhub, connect, rest):
    answer = await rest(
        "POST",
        "/:generateToken?userId=al&role=webpubsub.sendToGroup&role=webpubsub.joinLeaveGroup.g"
        "&group=g&group=h%2F1&minutesToExpire=7&clientType=default&api-version=2024-12-01",
    )
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(answer.json) == ["token"]
    token = answer.json["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7 * 60
    assert claims["aud"] == f"{localhub.endpoint}/client/hubs/chargers"
    client = await connect(localhub, query=f"access_token={token}")
    assert client.connected["userId"] == "al"
    (info,) = localhub.control.connections()
    assert info.groups == {"g", "h/1"}
    assert (await client.ask(type="sendToGroup", group="x", data=1, ackId=1))["success"]
    assert (await client.ask(type="leaveGroup", group="g", ackId=2))["success"]


async def test_what_a_token_says_by_default(rest):
    token = (await rest("POST", "/api/hubs/Other/:generateToken")).json["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600
    assert set(claims) == {"aud", "iat", "exp"}


@pytest.mark.parametrize(
    ("client_type", "named"), [("MQTT", "MQTT"), ("mqtt", "MQTT"), ("socketio", "Socket.IO")]
)
async def test_tokens_for_clients_that_are_not_served(rest, client_type, named):
    """501, as in Microsoft's emulator (WebPubSubEmulatorController.Tokens.cs)."""
    answer = await rest("POST", f"/:generateToken?clientType={client_type}")
    assert (answer.status, answer.json["code"]) == (501, "Error.NotImplemented")
    assert answer.json["target"] == "clientType"
    assert answer.json["message"].startswith(f"{named} is not served here: use a WebSocket")


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("minutesToExpire=0", "minutesToExpire"),
        ("minutesToExpire=2147483648", "minutesToExpire"),
        ("clientType=x", "clientType"),
        ("group=g&group=%20", "group"),
        ("role=webpubsub.sendToGroups.a%5Cb", "role"),
        ("userId=a%00b", "userId"),
        ("userId=a&userId=b", "userId"),
    ],
)
async def test_tokens_that_are_refused(rest, query, target):
    answer = await rest("POST", f"/:generateToken?{query}")
    assert answer.status == 400
    assert answer.json["target"] == target
    assert answer.message.startswith(f"Invalid {target}")


# -- members --------------------------------------------------------------------------------


async def test_pages_of_members(localhub, connect, rest):
    ids = [(await connect(localhub, user_id="al", groups=["bay%2F7"])).id for _ in range(4)]
    anonymous = await connect(localhub)
    await rest("PUT", f"/groups/bay%2F7/connections/{anonymous.id}")
    wanted = sorted([*ids, anonymous.id])

    async def all_pages(query: str) -> list[list[str]]:
        pages, path = [], f"/groups/bay%2F7/connections?{query}"
        while path:
            answer = await rest("GET", path)
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("application/json")
            pages.append([one["connectionId"] for one in answer.json["value"]])
            for one in answer.json["value"]:
                assert one.get("userId") == (None if one["connectionId"] == anonymous.id else "al")
            link = answer.json.get("nextLink")
            assert link is None or link.startswith(
                f"{localhub.endpoint}/api/hubs/chargers/groups/bay%2F7/connections?"
            )
            assert link is None or re.fullmatch(r"[\w=&?./:%-]+", link)
            path = link and link.removeprefix(localhub.endpoint)
        return pages

    assert await all_pages("") == [wanted]
    assert await all_pages("top=3") == [wanted[:3]]
    assert await all_pages("maxpagesize=2") == [wanted[:2], wanted[2:4], wanted[4:]]
    assert await all_pages("maxPageSize=2&top=3") == [wanted[:2], wanted[2:3]]
    assert await all_pages("maxpagesize=2&top=4") == [wanted[:2], wanted[2:4]]
    assert await all_pages("maxpagesize=5&top=2147483647") == [wanted]
    first = (await rest("GET", "/groups/bay%2F7/connections?maxpagesize=2")).json["nextLink"]
    assert "api-version=2024-12-01" in first
    # Who leaves meanwhile neither hides nor repeats anybody.
    await rest("DELETE", f"/connections/{wanted[1]}")
    answer = await rest("GET", first.removeprefix(localhub.endpoint))
    assert [one["connectionId"] for one in answer.json["value"]] == wanted[2:4]


async def test_the_link_names_the_host_that_the_caller_used(localhub, connect, rest):
    for _ in range(2):
        await connect(localhub, user_id="u", groups=["g"])
    answer = await rest(
        "GET", "/groups/g/connections?maxpagesize=1", headers={"Host": "hub.example:81"}
    )
    assert answer.json["nextLink"].startswith("http://hub.example:81/api/hubs/chargers/groups/g/")


async def test_nobody_in_the_group(rest):
    answer = await rest("GET", "/groups/none/connections")
    assert (answer.status, answer.json) == (200, {"value": []})


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("maxpagesize=0", "maxpagesize"),
        ("maxpagesize=201", "maxpagesize"),
        ("maxpagesize=x", "maxpagesize"),
        ("top=0", "top"),
        ("top=2147483648", "top"),
        ("continuationToken=a", "continuationToken"),
        ("continuationToken=%C3%A9", "continuationToken"),
        ("continuationToken=_w", "continuationToken"),
    ],
)
async def test_pages_that_do_not_exist(rest, query, target):
    answer = await rest("GET", f"/groups/g/connections?{query}")
    assert answer.status == 400
    assert answer.json["target"] == target
    assert json.loads(answer.text)["message"].startswith(f"Invalid {target}")
