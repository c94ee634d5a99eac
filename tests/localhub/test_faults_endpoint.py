"""Faults over HTTP: `/faults`, off by default, for programs on this computer only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import make_mocked_request
from localhub.faults.endpoint import FaultsEndpoint
from localhub.visitors import Visitors

HUB = {"name": "chargers", "anonymous_connect_policy": "allow"}
ON = {"service": {"faults": True}, "hubs": [HUB]}
pytestmark = pytest.mark.localhub(ON)


class Remote:
    """What a program in any language does."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def ask(self, method: str, path: str = "", body: Any = None, **options: Any) -> Any:
        keywords = {"json": body} if body is not None else {}
        async with self.session.request(
            method, self.url + path, **{**keywords, **options}
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


@pytest_asyncio.fixture
async def remote(localhub) -> AsyncIterator[Remote]:
    _, _, secret = (localhub.faults_url or "").partition("?token=")
    headers = {"Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Remote(session, localhub.endpoint + "/faults")


async def test_begin_list_and_end(localhub, remote, connect):
    await connect(localhub)
    begun = {"kind": "delay", "seconds": 0.01, "hub": "chargers", "for_seconds": 60}
    status, first = await remote.ask("POST", body=begun)
    assert (status, first) == (201, {"id": 1, "direction": "both", "struck": 1, **begun})
    status, second = await remote.ask("POST", body={"kind": "drop_acks", "count": 3})
    assert (status, second["id"], second["struck"]) == (201, 2, 0)
    assert await remote.ask("GET") == (200, {"faults": [first, second]})
    assert await remote.ask("DELETE", "/1") == (204, None)
    assert await remote.ask("GET") == (200, {"faults": [second]})
    assert (await remote.ask("DELETE", "/1"))[0] == 404
    assert await remote.ask("DELETE") == (204, None)
    assert localhub.faults.active == []


async def test_what_is_over_at_once(localhub, remote, connect):
    client = await connect(localhub, user_id="u")
    await connect(localhub, user_id="v")
    target = {"connection_id": client.id}
    body = {"kind": "close", "code": 4000, "reason": "out", **target}
    assert await remote.ask("POST", body=body) == (200, {"struck": 1})
    assert await client.close_code() == (4000, "out")
    assert await remote.ask("POST", body={"kind": "expire"}) == (200, {"struck": 1})
    status, error = await remote.ask("POST", body={"kind": "cut", **target})
    assert (status, error["message"]) == (404, f"no connection '{client.id}'")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 60_000, "the body is not JSON"),
        (b"[]", "Input should be a valid dictionary or object to extract fields from"),
        (b"{}", "Unable to extract tag using discriminator 'kind'"),
        (b'{"kind": "burn"}', "does not match any of the expected tags"),
        (b'{"kind": "delay"}', "seconds: Field required"),
        (b'{"kind": "cut", "after_bytes": "x"}', "after_bytes: Input should be a valid integer"),
        (b'{"kind": "throttle", "limit": 1, "per_seconds": NaN}', "per_seconds: "),
        (b"x" * 70_000, "that is too long"),
    ],
)
async def test_rubbish(localhub, remote, data, said):
    headers = {"Content-Type": "application/json"}
    status, error = await remote.ask("POST", data=data, headers=headers)
    assert status == 400
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert localhub.faults.active == []


async def test_there_is_an_end_to_faults(localhub, remote):
    for _ in range(1000):
        localhub.faults.drop_acks()
    status, error = await remote.ask("POST", body={"kind": "drop_acks"})
    assert (status, "1000 faults" in error["message"]) == (400, True)
    assert (await remote.ask("DELETE"))[0] == 204
    assert (await remote.ask("POST", body={"kind": "drop_acks"}))[0] == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://localhost:7080"}, 201),
        ({"Host": "localhost"}, 201),
        ({"Host": "[::1]:7080"}, 201),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "[::1].x"}, 403),
        ({"Host": "evil@127.0.0.1"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil@127.0.0.1"}, 403),
        ({"Origin": "http://[::1].x"}, 403),
        ({"Authorization": "Bearer x"}, 403),
        ({"Authorization": ""}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "https://[::1"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-Forwarded-For": "203.0.113.1"}, 403),
        ({"Forwarded": "for=203.0.113.1"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
async def test_who_may_command(localhub, remote, headers, status):
    data = json.dumps({"kind": "stop_reading"})
    headers = {"Content-Type": "application/json", **headers}
    assert (await remote.ask("POST", data=data, headers=headers))[0] == status
    assert len(localhub.faults.active) == (status == 201)


@pytest.mark.parametrize(
    ("peer", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200)]
    + [(peer, 403) for peer in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "")],
)
async def test_peers_on_the_network_are_refused(localhub, peer, status):
    transport = mock.Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: {
        "peername": (peer, 4711)
    }.get(name, default)
    visitors = Visitors(localhub.control.keys.issuing)
    routes = {one.method: one for one in FaultsEndpoint(localhub.faults, visitors).routes()}
    headers = {"Authorization": f"Bearer {visitors.secret}"}
    request = make_mocked_request("GET", "/faults", headers, transport=transport)
    answer = await routes["GET"].handler(request)
    assert answer.status == status


async def test_the_printed_address_itself_will_do(localhub):
    async with aiohttp.ClientSession() as session, session.get(localhub.faults_url) as answer:
        assert (answer.status, await answer.json()) == (200, {"faults": []})


@pytest.mark.localhub({"hubs": [HUB]})
async def test_it_is_off_unless_wanted(localhub, remote):
    for method in ("GET", "POST", "DELETE"):
        assert (await remote.session.request(method, remote.url)).status == 404
