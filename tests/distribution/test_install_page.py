"""docs/install.md shows what happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.interpreters import DEVICE, micropython
from tests.support.transcripts import Reader, is_possible

PAGE = DEVICE.parent / "docs" / "install.md"


@pytest.mark.slow
@pytest.mark.skipif(not is_possible(), reason="the page's commands need a POSIX shell")
def test_what_the_page_shows_is_what_happens(tmp_path: Path, free_port: Callable[[], int]) -> None:
    (tmp_path / "device").symlink_to(DEVICE)
    # MicroPython installs there, and must not find the checkout instead.
    library = tmp_path / "lib"
    reader = Reader(tmp_path, library, micropython(), free_port)
    try:
        assert reader.follow(PAGE.read_text(encoding="utf-8"), "docs/install.md") > 5
    finally:
        reader.close()
    assert (library / "webpubsub" / "client.py").is_file()
