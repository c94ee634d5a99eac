"""Who gets the page, and who does not."""

from __future__ import annotations

import re
from importlib import resources
from unittest import mock

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from localhub import LocalHub
from localhub.page.guard import Forbidden, Guard
from localhub.visitors import Visitors

PUBLISH = {"hub": "chargers", "to": "all", "data_type": "text", "data": "hello"}
COMMANDS = ("/page/publish", "/page/disconnect")


async def test_the_page_and_all_that_it_names(page):
    status, html = await page.get("/")
    assert status == 200
    assert "<!doctype html>" in html
    named = set(re.findall(r'"/page/([^"]+)"', html))
    shipped = {file.name for file in resources.files("localhub.page").joinpath("static").iterdir()}
    assert named == shipped - {"index.html"}
    for name in named:
        assert (await page.get(f"/page/{name}"))[0] == 200


async def test_every_answer_forbids_what_it_does_not_need(page):
    for method, path in (("GET", "/"), ("GET", "/page/main.js"), ("POST", "/page/publish")):
        _, _, response = await page.ask(method, path, json=PUBLISH if method == "POST" else None)
        headers = response.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
    _, _, response = await page.ask("GET", "/")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_nothing_but_its_own_files(page):
    for path in ("/page/nothing.js", "/page/__init__.py", "/page/..%2Fendpoint.py", "/page/"):
        assert (await page.get(path))[0] == 404


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.2"])
async def test_this_computer_by_any_of_its_names(localhub, open_page, name):
    port = localhub.endpoint.rpartition(":")[2]
    assert (await open_page(localhub, f"{name}:{port}").get("/"))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:7080",
        "evil@127.0.0.1:99999",
        "evil@127.0.0.1",
        "evil.example@localhost",
        "[::1].x",
        "[::1]x",
        "127.0.0.1.evil.example",
        "127.0.0.1#.evil.example",
        "127.0.0.1:7080:80",
        "",
        "a b",
    ],
)
async def test_a_name_that_leads_here_is_not_a_name_of_ours(localhub, open_page, host):
    # DNS rebinding: to the browser, the page of evil.example and this one are of one origin.
    page = open_page(localhub)
    page.host = host
    status, text = await page.get("/")
    assert status in (400, 403)
    if status == 403:
        assert "open it by its IP address or as localhost" in text
    for path in COMMANDS:
        assert (await page.post(path, PUBLISH))[0] in (400, 403)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with page.feed():
            pass
    assert refusal.value.status in (400, 403)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:1",
        "http://evil@{host}",
        "http://{host}.evil.example",
        "http://{host}/",
        "ftp://{host}",
        "null",
        "file://",
        "http://localhost",
        None,
    ],
)
async def test_other_origins_command_nothing_and_see_nothing(page, origin):
    origin = origin and origin.replace("{host}", page.host)
    for path in COMMANDS:
        status, text = await page.post(path, PUBLISH, headers={"Origin": origin})
        assert (status, "programs use the REST data plane" in text) == (403, True)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with page.feed(Origin=origin):
            pass
    assert refusal.value.status == 403


# -- the secret ------------------------------------------------------------------------------


async def test_the_printed_address_leaves_a_cookie_and_leads_to_the_page(localhub):
    """What a browser does that opens it: one click."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(localhub.page_url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            assert answer.headers["Cache-Control"] == "no-store"
            (cookie,) = answer.cookies.values()
            assert cookie["httponly"]
            assert cookie["samesite"] == "Lax"
        async with browser.get(f"{localhub.endpoint}/") as answer:
            assert answer.status == 200
            assert "<!doctype html>" in await answer.text()
        origin = {"Origin": localhub.endpoint}
        async with browser.ws_connect(f"{localhub.endpoint}/page/feed", headers=origin) as feed:
            assert "start" in await feed.receive_str(timeout=20)
    assert re.fullmatch(re.escape(localhub.endpoint) + r"/\?token=[0-9a-f]{40}", localhub.page_url)


STRANGERS = {
    "nothing": {},
    "a wrong cookie": {"Cookie": "{cookie}=x"},
    "another cookie": {"Cookie": "localhub={secret}"},
    "a wrong token": {"Authorization": "Bearer x"},
    "an access key": {"Authorization": "Bearer {key}"},
    "no bearer": {"Authorization": "Basic {secret}"},
    "beyond ASCII": {"Authorization": "Bearer \xe9", "Cookie": "{cookie}=\xe9"},
}


@pytest.mark.parametrize("name", list(STRANGERS))
@pytest.mark.localhub({"service": {"faults": True}})
async def test_loopback_is_no_proof(localhub, page, name):
    """nginx as it comes: Host of the upstream, no X-Forwarded-For, from 127.0.0.1."""
    visitors = Visitors(localhub.control.keys.issuing)
    known = {"cookie": visitors.cookie, "secret": visitors.secret}
    known["key"] = localhub.control.keys.primary
    page.cookie = None
    headers = {one: text.format(**known) for one, text in STRANGERS[name].items()}
    for path in ("/", "/page/main.js", "/?token=x", "/page/feed", "/faults", "/faults?token=x"):
        status, text = await page.get(path, **{"Origin": f"http://{page.host}", **headers})
        assert status == 403, path
        assert visitors.secret not in text
    for path in (*COMMANDS, "/faults"):
        assert (await page.post(path, PUBLISH, headers=headers))[0] == 403
    for method, path in (("DELETE", "/faults"), ("DELETE", "/faults/1")):
        assert (await page.ask(method, path, headers=headers))[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with page.feed(**headers):
            pass
    assert refusal.value.status == 403
    assert localhub.faults.active == []


@pytest.mark.localhub({"service": {"page": True, "public_endpoints": ["https://hub.example"]}})
async def test_shown_to_everybody_it_wants_the_secret_too(localhub, open_page):
    page = open_page(localhub, "hub.example")
    page.cookie = None
    status, text = await page.get("/")
    assert status == 403
    assert "the address that the service printed" in text


async def test_each_service_has_a_secret_of_its_own(tmp_path):
    """Which stays as long as its keys do, and is in no repr and no log."""
    state = {"service": {"state_file": str(tmp_path / "state.json")}}
    first, again, other = LocalHub(state), LocalHub(state), LocalHub()
    assert first.page_url == again.page_url != other.page_url
    one, two = Visitors("key"), Visitors("another")
    assert one.cookie != two.cookie
    assert one.secret not in repr(one)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_a_proxy_brings_in_nobody(page, header):
    status, text = await page.get("/", **{header: "for=203.0.113.7"})
    assert status == 403
    assert "set page = true under [service]" in text


async def test_a_form_of_another_page_cannot_speak_json(page):
    # The content types that a browser sends without asking the service first.
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        status, body, _ = await page.ask(
            "POST", "/page/publish", data=b"{}", headers={"Content-Type": content_type}
        )
        assert (status, body["error"][:9]) == (415, "Send JSON")


@pytest.mark.localhub({"service": {"page": False}})
async def test_the_page_can_be_switched_off(localhub, page):
    assert not localhub.has_page
    for path in ("/", "/page/main.js", "/page/feed"):
        assert (await page.get(path))[0] == 404
    assert (await page.post("/page/publish", PUBLISH))[0] == 404


@pytest.mark.localhub({"service": {"page": True, "public_endpoints": ["https://hub.example"]}})
async def test_shown_to_everybody_it_still_has_to_be_called_by_its_name(localhub, open_page):
    proxy = {"X-Forwarded-For": "203.0.113.7"}
    assert (await open_page(localhub, "hub.example").get("/", **proxy))[0] == 200
    assert (await open_page(localhub, "evil.example").get("/"))[0] == 403
    page = open_page(localhub, "hub.example")
    headers = {**proxy, "Origin": "https://hub.example"}
    status, text = await page.post("/page/publish", PUBLISH, headers=headers)
    assert (status, "Nobody has used hub" in text) == (404, True)


@pytest.mark.parametrize(
    ("service", "there"),
    [
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "page": True}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.0.0.1", "page": False}, False),
    ],
)
def test_beyond_loopback_only_on_request(service, there):
    # Not started: nothing in these tests listens beyond loopback.
    assert LocalHub({"service": service}).has_page is there


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True)]
    + [(peer, False) for peer in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "")],
)
def test_other_computers_only_on_request(peer, admitted):
    transport = mock.Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: {
        "peername": (peer, 4711)
    }.get(name, default)
    visitors = Visitors("key")
    headers = {"Host": "localhost", "Authorization": f"Bearer {visitors.secret}"}
    request = make_mocked_request("GET", "/", headers, transport=transport)
    Guard(frozenset, True, visitors).admit(request)
    if admitted:
        Guard(frozenset, False, visitors).admit(request)
    else:
        with pytest.raises(Forbidden, match="for this computer only"):
            Guard(frozenset, False, visitors).admit(request)
