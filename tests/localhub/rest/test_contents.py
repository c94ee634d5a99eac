"""Charsets of bodies, numbers of any length, and slashes in ids.

Source: Microsoft's emulator (Azure/azure-webpubsub, tools/emulator): TryGetDataType, ReadBodyAsync
and IsValidJson of WebPubSubEmulatorController.cs; "User IDs in REST URLs" of
SUPPORTED_FEATURES.md; RFC 9110 section 8.3.2, RFC 8259 section 6.
"""

from __future__ import annotations

import codecs

import pytest
from localhub.protocol.json_members import check_json, read_json

TEXT, JSON = "text/plain", "application/json"


@pytest.mark.parametrize(
    ("content_type", "body", "frame"),
    [
        (f"{TEXT}; charset=utf-16", "grün ½".encode("utf-16-le"), ("text", "grün ½")),
        (f"{TEXT}; charset=UTF-16", codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), ("text", "é")),
        (f"{TEXT}; charset=utf-16", codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), ("text", "é")),
        (f'{TEXT}; charset="utf-16BE"', "é".encode("utf-16-be"), ("text", "é")),
        (f"{TEXT}; charset=utf-32", "😀".encode("utf-32-le"), ("text", "😀")),
        (f"{TEXT}; charset=iso-8859-1", "grün".encode("latin-1"), ("text", "grün")),
        (f"{TEXT}; x=y; Charset=Latin1", "é".encode("latin-1"), ("text", "é")),
        (f"{TEXT}; charset=us-ascii", b"x", ("text", "x")),
        (f"{TEXT}; charset=utf8", "é".encode(), ("text", "é")),
        (f"{TEXT}; charset=", "é".encode(), ("text", "é")),
        (f"{JSON}; charset=utf-16", '{"a":"ü"}'.encode("utf-16-le"), ("json", {"a": "ü"})),
        ("Application/JSON", b"5", ("json", 5)),
        ("application/octet-stream; charset=nothing", b"\xff", ("binary", "/w==")),
        (None, b"\x00\x01", ("binary", "AAE=")),
        ("", b"\x00\x01", ("binary", "AAE=")),
    ],
)
async def test_bodies_become_utf8(localhub, connect, rest, content_type, body, frame):
    client, simple = await connect(localhub), await connect(localhub, protocol=None)
    answer = await rest("POST", "/:send", body, content_type=content_type)
    assert answer.status == 202, answer.text
    received = await client.receive()
    assert (received["dataType"], received["data"]) == frame
    raw = await simple.receive_text()
    assert isinstance(raw, bytes) == (frame[0] == "binary")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (f"{TEXT}; charset=nothing", b"x", 415),
        (f"{TEXT}; charset=utf-7", b"x", 415),
        (f"{TEXT}; charset=windows-1252", b"x", 415),
        # Names of Python's that are no charsets.
        (f"{TEXT}; charset=rot13", b"x", 415),
        (f"{TEXT}; charset=base64", b"eA==", 415),
        (f"{TEXT}; charset=zip", b"x", 415),
        (f"{TEXT}; charset=idna", b"x", 415),
        (f"{TEXT}; charset=unicode_escape", b"x", 415),
        (f"{TEXT}; charset=../../x", b"x", 415),
        (f"{TEXT}; charset={'x' * 3000}", b"x", 415),
        (f"{JSON}; charset=é", b"1", 415),
        (f"{TEXT}; charset=utf-16", b"x", 400),
        (f"{TEXT}; charset=us-ascii", b"\xff", 400),
        (f"{TEXT}; charset=utf-16", b"\x00\xd8", 400),
        (f"{TEXT}; charset=utf-8", b"\xff", 400),
        (f"{JSON}; charset=utf-16", b"{}", 400),
        ("text", b"x", 415),
        ("*/*", b"x", 415),
    ],
)
async def test_charsets_that_are_unknown_or_wrong(rest, content_type, body, status):
    answer = await rest("POST", "/:send", body, content_type=content_type)
    assert answer.status == status, answer.text


async def test_groups_in_another_charset(localhub, connect, rest):
    await connect(localhub, user_id="al")
    body = '{"groups":["grün"]}'.encode("utf-16-le")
    kind = "application/json; charset=utf-16"
    assert (await rest("POST", "/:addToGroups", body, content_type=kind)).status == 200
    assert localhub.control.connections()[0].groups == {"grün"}
    assert (await rest("POST", "/:addToGroups", body, content_type=None)).status == 415


LONG = "1" * 10_000


@pytest.mark.parametrize(
    "number", [LONG, f"-{LONG}", f"{LONG}.5", f"1e{LONG}", f"[1,{LONG},2]", f'{{"a":{LONG}}}']
)
async def test_numbers_of_any_length(localhub, connect, rest, number):
    raw = await connect(localhub, protocol=None, groups=["g"])
    body = number.encode()
    assert (await rest("POST", "/:send", body, content_type=JSON)).status == 202
    assert await raw.receive_text() == number
    client = await connect(localhub, roles=["webpubsub.sendToGroup"])
    await client.websocket.send(f'{{"type":"sendToGroup","group":"g","data":{number},"ackId":1}}')
    assert (await client.receive())["success"]
    assert await raw.receive_text() == number


@pytest.mark.parametrize("text", [f"{LONG}x", f"0{LONG}", f"{LONG},", f"[{LONG}", f"+{LONG}", ""])
def test_long_numbers_are_no_excuse(text):
    with pytest.raises(Exception, match="JSON"):
        check_json(text.encode())
    with pytest.raises(ValueError, match=r"."):
        read_json(text)


async def test_a_slash_in_an_id_stays_encoded(localhub, connect, rest):
    plain, encoded = [
        await connect(localhub, user_id=user, groups=[user])
        for user in ("tenant/alice", "tenant%2Falice")
    ]
    for path in ("users", "groups"):
        for segment in ("tenant%2Falice", "tenant%252Falice"):
            where = f"/{path}/{segment}/:send"
            assert (await rest("POST", where, b"x", content_type=TEXT)).status == 202
            assert (await encoded.receive())["data"] == "x"
            assert (await rest("HEAD", f"/{path}/{segment}")).status == 200
    await plain.quiet()
