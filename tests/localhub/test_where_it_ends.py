"""The page that compares this service with Azure names tests that exist, and says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from localhub.config import HubSettings, Service, ServiceLimits
from localhub.hub.connection import Limits
from localhub.transport.websocket import WebSocketSettings

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/where-it-ends.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_a_test_that_the_page_names_exists(path, name):
    text = (ROOT / path).read_text("utf-8")
    assert f"def {name}(" in text if name else "def test_" in text


def test_each_line_of_what_is_the_same_names_a_test():
    for heading in ("The same", "Stricter"):
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
        assert len(rows) > 8
        for row in rows:
            assert "`tests/" in row, row


def test_the_figures_are_those_of_the_code():
    limits = ServiceLimits()
    for figure in (limits.connections, limits.groups_per_connection, Limits().buffer_messages):
        assert f"{figure:,}" in PAGE
    assert Limits().buffer_bytes == 16 * 1024 * 1024
    assert Limits().retention == Service().session_retention_in_seconds == 30
    assert WebSocketSettings().max_unsent == 2 * 1024 * 1024
    assert WebSocketSettings().max_message == 1024 * 1024
    assert HubSettings(name="a").web_socket_keep_alive_interval_in_seconds == 20


def test_the_configuration_that_it_speaks_of_exists():
    keys = {*Service.model_fields, *HubSettings.model_fields, *ServiceLimits.model_fields}
    for name in (
        "disable_local_auth",
        "disable_aad_auth",
        "forward_basic_authorization",
        "limits",
    ):
        assert name in keys
        assert f"`{name}" in PAGE
