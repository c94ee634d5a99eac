"""Each word is found where it is meant, and plain English passes."""

from __future__ import annotations

import pytest

from .words import words_in


@pytest.mark.parametrize(
    ("path", "text", "word"),
    [
        ("docs/a.md", "x\nTwo Rooms.", "Rooms"),
        ("docs/a.md", "x\nThe door.", "door"),
        ("a.py", "x = 1\nclass Peers: pass", "Peers"),
        ("a.py", "x = 1\nself._dry = 2", "_dry"),
        ("a.py", "x = 1\nclass Hub: pass", "Hub"),
        ("a.py", "x = 1\nclass Link: pass", "Link"),
        ("a.py", "x = 1\nwhole = 2", "whole"),
        ("a.py", "x = 1\ntold = 2", "told"),
        ("a.py", "x = 1\ndef f(told): pass", "told"),
        ("a.py", "x = 1\ndef whole(buffer, start): pass", "whole"),
        ("a.py", "x = 1\ndef words(error): pass", "words"),
    ],
)
def test_a_word_is_found(path: str, text: str, word: str) -> None:
    [found] = words_in(path, text)
    assert (found.path, found.line, found.word) == (path, 2, word)
    assert found.remedy


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("docs/a.md", "There is room for the whole frame, as was told in other words."),
        ("a.py", "# It is told.\ndef words(text): pass\nhole = is_room_for(2)"),
        ("host_tools/localhub/hub/hub.py", "class Hub: pass"),
    ],
)
def test_plain_english_passes(path: str, text: str) -> None:
    assert list(words_in(path, text)) == []
