"""The gateway's page, its settings, and its core."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hubtool.errors import HubtoolError
from hubtool.servers.gateway_core import Routes, encoded
from hubtool.servers.handler import running
from hubtool.servers.handler_table import HandlerTable

from tests.support.gateway import (
    KEY,
)
from tests.support.interpreters import DEVICE, ROOT, micropython
from tests.support.transcripts import Reader, is_possible

# -- the page --------------------------------------------------------------------------------


@pytest.mark.skipif(not is_possible(), reason="the page's commands need a POSIX shell")
def test_what_the_page_shows_is_what_happens(tmp_path: Path, free_port: Callable[[], int]) -> None:
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    reader = Reader(tmp_path, DEVICE, micropython(), free_port)
    try:
        assert reader.follow(page, "docs/gateway.md") > 3
    finally:
        reader.close()


# -- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"central_system": "https://c.example/"}, "ws:// or wss://"),
        ({"central_system": "wss:///x"}, "ws:// or wss://"),
        ({"central_system": "wss://c.example/{query.nobody}"}, "not among the matched names"),
        ({"central_system": "wss://c.example/{query.id"}, "write a name in braces"),
        ({"central_system": "wss://{query.id}/x"}, "must not choose the host"),
        ({"central_system": "wss://u:p@c.example/"}, "no credentials in a URL"),
        ({"central_system": "wss://c.example/#x"}, "no '#'"),
        ({"central_system": "wss://c.example:99999/"}, "port"),
        ({"user_id": None}, "needs a user_id"),
        ({"central_user": "x"}, "needs a central_key"),
        ({"central_key": "written-here"}, "not written into this file"),
        ({"central_authorization": "cookie"}, "no value of a device"),
        ({"central_system": None, "central_key": {"env": "X"}}, "need a central_system"),
        ({"central_system": "ws://c.example/", "central_ca": "ca.pem"}, "for wss"),
    ],
)
def test_a_wrong_rule_is_refused(changes: dict[str, Any], text: str) -> None:
    rule = {
        "match": {"query": {"id": "*"}},
        "user_id": "{query.id}",
        "central_system": "wss://c.example/{query.id}",
    } | changes
    with pytest.raises(ValueError, match=text.replace("(", r"\(")) as caught:
        HandlerTable.model_validate({"connection_string": {"env": "X"}, "devices": [rule]})
    assert "written-here" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "rule", "text"),
    [
        ({"connection_string": {"env": "TEST_NOWHERE"}}, {}, "TEST_NOWHERE is not set"),
        ({}, {"central_key": {"env": "TEST_NOWHERE"}}, "TEST_NOWHERE is not set"),
        ({}, {"central_ca": "nowhere.pem"}, "nowhere.pem cannot be read"),
        ({}, {"central_ca": "empty.pem"}, "no certificates"),
        ({"connection_string": {"env": "TEST_BROKEN"}}, {}, "the connection string has"),
    ],
)
async def test_what_is_missing_is_said_at_the_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: dict[str, Any],
    rule: dict[str, Any],
    text: str,
) -> None:
    monkeypatch.setenv("TEST_SERVICE", f"Endpoint=http://127.0.0.1:1;AccessKey={KEY};")
    monkeypatch.setenv("TEST_BROKEN", "nonsense")
    (tmp_path / "empty.pem").write_text("-")
    parsed = HandlerTable.model_validate(
        {
            "connection_string": {"env": "TEST_SERVICE"},
            "devices": [
                {
                    "match": {"query": {"id": "*"}},
                    "user_id": "u",
                    "central_system": "wss://c.example/",
                }
                | rule
            ],
        }
        | table
    )
    with pytest.raises(HubtoolError, match=text):
        async with running(parsed, folder=tmp_path, port=0):
            pass


def test_a_central_system_needs_the_service() -> None:
    rule = {"match": {"query": {"id": "*"}}, "user_id": "u", "central_system": "wss://c.example"}
    with pytest.raises(ValueError, match=r"needs handler\.connection_string"):
        HandlerTable.model_validate({"devices": [rule]})


# -- the core --------------------------------------------------------------------------------


def test_the_newest_takes_the_place_of_the_older() -> None:
    routes = Routes(1)
    assert routes.enter("a", "CP") is None
    assert not routes.has_room("other")
    assert routes.has_room("CP")
    assert routes.enter("b", "CP") == "a"
    # The late end of the older one does not take the newer one's place away.
    assert not routes.leave("a")
    assert "b" in routes
    routes.handed_over("b", "3")
    assert routes.is_repeat("b", "3")
    assert not routes.is_repeat("b", "4")
    assert routes.leave("b")
    assert routes.has_room("other")
    assert not routes.is_repeat("b", "3")


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
def test_what_cannot_stand_in_a_path(value: str) -> None:
    with pytest.raises(ValueError, match=r"path|surrogate"):
        encoded(value)
