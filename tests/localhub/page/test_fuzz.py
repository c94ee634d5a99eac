"""Whatever arrives at the page's commands and feed, the service answers in one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

patient = settings(
    deadline=None,
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAMES = ["hub", "to", "target", "data_type", "data", "connection_id", "reason", "x"]
WORDS = ["chargers", "all", "group", "user", "connection", "text", "json", "binary"]
WORDS += ["", "a\nb", "\ud800"]
values = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=20), st.none(), st.integers(), st.lists(st.text())
)
objects = st.dictionaries(st.sampled_from(NAMES), values).map(json.dumps).map(str.encode)
commands = st.fixed_dictionaries(
    {name: st.sampled_from(WORDS) for name in ("hub", "to", "target", "data_type", "data")}
)
bodies = st.one_of(st.binary(max_size=100), objects, commands.map(json.dumps).map(str.encode))
ENCODINGS = [None, None, "gzip", "deflate", "br", "x"]


@patient
@given(
    path=st.sampled_from(["/page/publish", "/page/disconnect"]),
    body=bodies,
    encoding=st.sampled_from(ENCODINGS),
)
async def test_bodies(localhub, page, path, body, encoding):
    localhub.control.hub("chargers")
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    status, answer, response = await page.ask("POST", path, data=body, headers=headers)
    assert status in (200, 400, 404, 413)
    assert response.content_type in ("application/json", "text/plain")
    if response.content_type == "application/json":
        text = answer.get("error") or answer["message"]
        assert text
        assert "\n" not in text


@patient
@given(
    host=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    origin=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
)
async def test_hosts_and_origins(page, host, origin):
    headers = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
    status, _, _ = await page.ask("POST", "/page/publish", data=b"{}", headers=headers)
    assert status in (400, 403)


@pytest.mark.parametrize("frame", [b"\xff\xfe", b"", b"{}" * 10_000])
async def test_binary_and_long_frames_to_the_feed(localhub, page, frame):
    async with page.feed() as feed:
        await feed.state()
        await feed.socket.send_bytes(frame)
    async with page.feed() as feed:
        await feed.state()
