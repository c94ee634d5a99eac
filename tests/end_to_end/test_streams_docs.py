"""The page on streams and invocations keeps its word: its tests run, and its names exist."""

from __future__ import annotations

import pytest
from localhub.protocol.messages import StreamErrorName
from localhub.requests.streams import MAX_STREAM_ID, StreamLimits

from tests.support.interpreters import DEVICE, ROOT, micropython
from tests.support.transcripts import Reader, is_possible

PAGE = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not is_possible(), reason="the documents' commands need a POSIX shell")
def test_what_the_page_shows_is_what_happens(tmp_path, free_port):
    reader = Reader(tmp_path, DEVICE, micropython(), free_port)
    try:
        assert reader.follow(PAGE, "docs/streams.md") == 2
    finally:
        reader.close()


def test_the_page_names_every_error_and_limit():
    assert not [name.value for name in StreamErrorName if f"`{name.value}`" not in PAGE]
    limits = StreamLimits()
    assert f"| 1 to {MAX_STREAM_ID} characters |" in PAGE
    assert (
        f"`max_streams_per_connection`](localhub.md#configuration), {limits.open_streams} |"
        in PAGE
    )
    assert (
        f"`stream_idle_timeout_in_seconds`](localhub.md#configuration), {limits.idle_timeout:g} |"
        in PAGE
    )
