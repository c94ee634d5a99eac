"""What the page does for whoever sits before it."""

from __future__ import annotations

import base64

import pytest

ANY = {"hub": "chargers", "to": "all", "data_type": "text", "data": "hello"}


@pytest.mark.parametrize(
    ("to", "target", "said"),
    [
        ("all", "", "everybody"),
        ("group", "site-7", "group site-7"),
        ("user", "cp-7", "user cp-7"),
    ],
)
async def test_publish(localhub, page, connect, to, target, said):
    client = await connect(localhub, user_id="cp-7", groups=["site-7"])
    value = {**ANY, "to": to, "target": target, "data_type": "json", "data": '{"limit": 1.0}'}
    status, text = await page.post("/page/publish", value)
    assert (status, text) == (200, f"Sent 14 bytes of JSON to {said}: 1 connection.")
    received = await client.receive()
    assert received["data"] == {"limit": 1.0}
    assert received["from"] == ("group" if to == "group" else "server")


async def test_publish_text_and_bytes_to_a_connection(localhub, page, connect):
    client = await connect(localhub, user_id="cp-7")
    other = await connect(localhub, user_id="cp-8")
    one = {"hub": "Chargers", "to": "connection", "target": client.id}
    await page.post("/page/publish", {**one, "data_type": "text", "data": "über\n"})
    assert (await client.receive())["data"] == "über\n"
    await page.post("/page/publish", {**one, "data_type": "binary", "data": "01 ff\n7A"})
    assert base64.b64decode((await client.receive())["data"]) == b"\x01\xff\x7a"
    await other.quiet()


async def test_nobody_got_it(localhub, page, connect):
    await connect(localhub)
    value = {**ANY, "to": "group", "target": "nobody"}
    status, text = await page.post("/page/publish", value)
    assert status == 200
    assert text == "Nobody got it: group nobody of hub chargers has no connections."


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"hub": "1"}, 400, "hub: name a hub"),
        ({"hub": 1}, 400, "hub: "),
        ({"hub": "others"}, 404, "Nobody has used hub 'others' yet: connect a client"),
        ({"to": "everyone"}, 400, "to: "),
        ({"to": "group"}, 400, "Say which group"),
        ({"to": "group", "target": " "}, 400, "A group name has 1 to 1024 characters"),
        ({"to": "connection", "target": "gone"}, 404, "Choose one of the list"),
        ({"data_type": "xml"}, 400, "data_type: "),
        ({"data_type": "json", "data": "{limit: 1}"}, 400, "That is not JSON: write"),
        ({"data_type": "json", "data": ""}, 400, "That is not JSON: write"),
        ({"data_type": "json", "data": "NaN"}, 400, "That is not JSON: write"),
        ({"data_type": "json", "data": "[" * 100_000}, 400, "That is not JSON: write"),
        ({"data_type": "binary", "data": "0x01"}, 400, "Write bytes as hex digits"),
        ({"data_type": "binary", "data": "é"}, 400, "Write bytes as hex digits"),
        ({"data": "\ud800"}, 400, ""),
        ({"data": "x" * (1024 * 1024 + 1)}, 413, "A message has at most 1048576 bytes"),
        ({"token": "x"}, 400, "token: "),
    ],
)
async def test_what_cannot_be_published(localhub, page, connect, change, status, said):
    client = await connect(localhub)
    given, text = await page.post("/page/publish", {**ANY, **change})
    assert given == status
    assert said in text
    assert "\n" not in text
    await client.quiet()


@pytest.mark.parametrize("path", ["/page/publish", "/page/disconnect"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b"null", 400),
        (b'{"hub": null}', 400),
        (b" " * (7 * 1024 * 1024), 413),
    ],
)
async def test_rubbish_is_answered_in_one_line(localhub, page, path, body, status):
    headers = {"Content-Type": "application/json"}
    given, answer, _ = await page.ask("POST", path, data=body, headers=headers)
    assert given == status
    assert answer["error"]
    assert "\n" not in answer["error"]


async def test_a_body_of_unknown_length_is_bounded_too(page):
    async def endless():
        for _ in range(100):
            yield b" " * 128 * 1024

    headers = {"Content-Type": "application/json"}
    try:
        status, _, _ = await page.ask("POST", "/page/publish", data=endless(), headers=headers)
    except ConnectionError:
        return  # it closed while we were still talking
    assert status == 413


async def test_disconnect(localhub, page, connect):
    client = await connect(localhub, user_id="cp-7")
    value = {"hub": "chargers", "connection_id": client.id, "reason": "maintenance"}
    status, text = await page.post("/page/disconnect", value)
    assert status == 200
    assert text == f"Disconnected {client.id} of user cp-7. Its client may come back."
    assert (await client.receive())["message"] == "maintenance"
    assert await client.close_code() == (1000, "maintenance")
    status, text = await page.post("/page/disconnect", value)
    assert (status, "it has gone" in text) == (404, True)


async def test_a_reason_has_to_fit_into_a_close_frame(localhub, page, connect):
    client = await connect(localhub)
    value = {"hub": "chargers", "connection_id": client.id, "reason": "ü" * 62}
    status, text = await page.post("/page/disconnect", value)
    assert (status, "shorten it" in text) == (400, True)
    await client.quiet()
