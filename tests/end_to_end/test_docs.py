"""The documents keep their word: what they show is run, and what exists is in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcripts import Reader, is_possible, same

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))
# Ports that the documents name; a test takes free ones instead.
PORTS = (7080, 7081, 7443, 8080)
PAGES = ("client", "firmware", "hubtool", "localhub", "simboard")


@pytest.mark.skipif(not is_possible(), reason="the documents' commands need a POSIX shell")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page, tmp_path):
    document = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    reader = Reader(tmp_path, ROOT / "device", MICROPYTHON, PORTS)
    try:
        assert reader.follow(document, f"docs/{page}.md") > 3
    finally:
        reader.close()


def test_dots_stand_for_anything_and_nothing_else_does():
    assert same("a 1 b\n", "a ... b\n")
    assert same("a\nx\ny\nb\n", "a\n...\nb\n")
    assert same("a\nb\n", "a\n...\nb\n")
    assert not same("a\nb\n", "a ... b\n")
    assert not same("a.c\n", "abc\n")
    assert not same("", "a\n")
