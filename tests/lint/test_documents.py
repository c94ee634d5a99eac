"""What the documents for those who carry on name is there."""

from __future__ import annotations

import re

import pytest

from .sources import ROOT

_PATH = re.compile(r"`([\w.]+(?:/[\w.-]+)+/?|[\w.-]+\.(?:toml|md))`")
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"`make ([a-z-]+)`")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_each_file_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = {*_PATH.findall(text), *_LINK.findall(text)}
    assert len(named) > 5
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_each_target_that_is_named_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = set(_TARGET.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert {"test", "test-fast", "lint", "release", "coverage"} <= named <= set(targets)
