"""Routing by raw path: encoded slashes, colon segments, dots, and other tricks."""

from __future__ import annotations

import pytest
from localhub.rest.errors import RestError
from localhub.rest.router import Router
from localhub.rest.table import OPERATIONS

ROUTER = Router(OPERATIONS)


def found(method: str, path: str) -> tuple[str, dict[str, str]]:
    match = ROUTER.find(method, path)
    return match.operation.id, match.values


def refused(method: str, path: str) -> int:
    with pytest.raises(RestError) as error:
        ROUTER.find(method, path)
    return error.value.status


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.id)
def test_every_operation_has_its_route(operation):
    path = operation.path.replace("{hub}", "h").replace("{permission}", "sendToGroup")
    path = (
        path.replace("{group}", "g%2F1")
        .replace("{connectionId}", "c+%20")
        .replace("{userId}", "%C3%A9%3A")
    )
    name, values = found(operation.method, path)
    assert name == operation.id
    wanted = {"group": "g%2F1", "connectionId": "c+ ", "userId": "é:"}
    for parameter, value in wanted.items():
        if f"{{{parameter}}}" in operation.path:
            assert values[parameter] == value


def test_there_are_25_operations():
    assert len(OPERATIONS) == len({(one.method, one.path) for one in OPERATIONS}) == 25


@pytest.mark.parametrize(
    ("method", "path", "operation", "value"),
    [
        ("HEAD", "/api/hubs/h/users/%3Asend", "userExists", ":send"),
        ("POST", "/api/hubs/h/users/%3Asend/:send", "sendToUser", ":send"),
        ("HEAD", "/api/hubs/h/users/urn:x", "userExists", "urn:x"),
        ("HEAD", "/api/hubs/h/users/%2F..%2F", "userExists", "%2F..%2F"),
        # "User IDs in REST URLs" of the emulator's SUPPORTED_FEATURES.md.
        ("HEAD", "/api/hubs/h/users/tenant%2Falice", "userExists", "tenant%2Falice"),
        ("HEAD", "/api/hubs/h/users/tenant%2falice%20", "userExists", "tenant%2falice "),
        ("HEAD", "/api/hubs/h/users/tenant%252Falice", "userExists", "tenant%2Falice"),
        ("HEAD", "/api/hubs/h/users/alice+bob", "userExists", "alice+bob"),
        ("HEAD", "/api/hubs/h/users/...", "userExists", "..."),
        ("HEAD", "/api/hubs/h/users/a%00b", "userExists", "a\x00b"),
        ("HEAD", "/api/hubs/h/users/a%252Fb", "userExists", "a%2Fb"),
        ("HEAD", "/api/hubs/h/users/100%", "userExists", "100%"),
        ("HEAD", "/api/hubs/h/users/connections", "userExists", "connections"),
        ("HEAD", "/api/hubs/h/users/a?b", "userExists", "a?b"),
    ],
)
def test_odd_ids(method, path, operation, value):
    assert found(method, path) == (operation, {"hub": "h", "userId": value})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/hubs/h/:send", 405),
        ("POST", "/api/health", 405),
        ("GET", "/api/health", 405),
        ("DELETE", "/api/hubs/h/connections/:send", 404),
        ("POST", "/api/hubs/h/connections/:send", 404),
        ("POST", "/api/hubs/:x/:send", 404),
        ("POST", "/api/hubs/h/%3Asend", 404),
        ("POST", "/api/hubs/h/:SEND", 404),
        ("POST", "/api/hubs/h/:send/", 404),
        ("POST", "/api/hubs//:send", 404),
        ("POST", "//api/hubs/h/:send", 404),
        ("HEAD", "/api/hubs/h/users/", 404),
        ("HEAD", "/api/hubs/h/users/..", 404),
        ("HEAD", "/api/hubs/h/users/%2E%2e", 404),
        ("HEAD", "/api/hubs/h/users/.", 404),
        ("POST", "/api/hubs/h/users/../:send", 404),
        ("HEAD", "/api/hubs/h/../h/users/u", 404),
        ("HEAD", "/api%2Fhealth", 404),
        ("HEAD", "/api/hubs/h/users/%FF", 400),
        ("HEAD", "/api/hubs/h/users/%ED%A0%80", 400),
    ],
)
def test_paths_that_lead_nowhere(method, path, status):
    assert refused(method, path) == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api", 404),
        ("POST", "/api/", 404),
        ("POST", "/api/hubs/h/x", 404),
        ("GET", "/api/hubs/h/:send", 405),
        ("PATCH", "/api/hubs/h/:send", 405),
        ("OPTIONS", "/api/hubs/h/:send", 405),
        ("POST", "/api/hubs/1h/:send", 400),
        ("POST", "/api/hubs/%20/:send", 400),
        ("POST", f"/api/hubs/{'h' * 129}/:send", 400),
        ("POST", "/api/hubs/h/groups/%20%09/:send", 400),
        ("POST", f"/api/hubs/h/groups/{'g' * 1025}/:send", 400),
        ("POST", "/api/hubs/h/groups/%FF/:send", 400),
        ("POST", "/api/hubs/h/:send?filter=%FF", 400),
        ("POST", f"/api/hubs/{'h' * 128}/:send", 202),
        ("POST", "/api/hubs/a_`,.[]/:send", 202),
        ("POST", f"/api/hubs/h/groups/{'g' * 1024}/:send", 202),
        ("POST", "/api/hubs/h/groups/a%0Ab/:send", 202),
        ("POST", "/api/hubs/h/:send?&&=&a=&%20", 202),
    ],
)
async def test_answers_to_odd_paths(rest, method, path, status):
    answer = await rest(method, path, b"x", content_type="text/plain")
    assert answer.status == status
    if status >= 400:
        assert set(answer.json) >= {"code", "message"}
    if status == 405:
        assert answer.headers["Allow"] == "POST"


async def test_hubs_are_the_same_in_any_case_but_groups_are_not(localhub, connect, rest):
    client = await connect(localhub, user_id="Al", groups=["G"])
    for path, status in (
        (f"/api/hubs/CHARGERS/connections/{client.id}", 200),
        ("/api/hubs/CHARGERS/groups/G", 200),
        ("/api/hubs/CHARGERS/groups/g", 404),
        ("/api/hubs/chargers/users/al", 404),
        (f"/api/hubs/other/connections/{client.id}", 404),
    ):
        assert (await rest("HEAD", path)).status == status


async def test_a_plus_is_a_plus_in_a_path(localhub, connect, rest):
    await connect(localhub, user_id="a+b")
    assert (await rest("HEAD", "/users/a+b")).status == 200
    assert (await rest("HEAD", "/users/a%2Bb")).status == 200
    assert (await rest("HEAD", "/users/a%20b")).status == 404


async def test_a_request_in_absolute_form(localhub, rest, raw_socket):
    peer = await raw_socket(localhub)
    url = f"{localhub.endpoint}/api/hubs/h/users/u%2F1"
    token = rest.token(url)
    peer.write(
        f"HEAD {url} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    assert (await peer.rest()).startswith(b"HTTP/1.1 404 ")
