"""docs/page.md says what there is."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from localhub.page import feed, preview, recorder, state

TEXT = (Path(__file__).parents[3] / "docs" / "page.md").read_text(encoding="utf-8")
STATIC = resources.files("localhub.page").joinpath("static")


def script(name: str) -> str:
    return STATIC.joinpath(name).read_text(encoding="utf-8")


def test_every_key_is_documented():
    keys = re.findall(r'^  "?(.)"?: \[', script("main.js"), re.MULTILINE)
    assert len(keys) >= 9
    for key in keys:
        assert f"`{key}`" in TEXT, key


def test_every_kind_of_message_is_documented():
    source = Path(recorder.__file__).read_text(encoding="utf-8")
    kinds = set(re.findall(r'_of\(\w+, "(\w+)"', source)) | {
        "group",
        "server",
        "failed",
        "refused",
    }
    assert len(kinds) == 10
    for kind in kinds:
        assert f"`{kind}`" in TEXT, kind


def test_the_limits_are_those_of_the_code():
    messages = script("messages.js")
    kept, drawn = (int(re.search(rf"{name} = (\d+)", messages)[1]) for name in ("KEPT", "DRAWN"))
    assert f"Up to {recorder.MAX_WAITING / feed.ROWS_EVERY:,.0f} messages a second" in TEXT
    assert f"the newest {kept:,} and draws {drawn}" in TEXT
    assert f"first {preview.MAX_TEXT} characters are shown, or {preview.MAX_BINARY} bytes" in TEXT
    assert f"up to {state.MAX_CONNECTIONS} are listed" in TEXT
    assert f"At most {feed.Feeds.MAX} pages" in TEXT


def test_nothing_is_loaded_from_elsewhere_and_nothing_becomes_html():
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(", text), file.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        )
        assert not re.search(r"\son\w+=|style=", text), file.name
