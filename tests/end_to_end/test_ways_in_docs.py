"""The pages on Entra ID and negotiation keep their word: their transcripts are followed."""

from __future__ import annotations

import pytest
from localhub.entra.roles import BUILT_IN
from localhub.rest.table import OPERATIONS

from tests.support.interpreters import DEVICE, ROOT, micropython
from tests.support.transcripts import Reader, is_possible

DOCS = ROOT / "docs"


@pytest.mark.skipif(not is_possible(), reason="the documents' commands need a POSIX shell")
@pytest.mark.parametrize("page", ["entra", "negotiate"])
def test_what_a_page_shows_is_what_happens(page, tmp_path, free_port):
    document = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    reader = Reader(tmp_path, DEVICE, micropython(), free_port)
    try:
        assert reader.follow(document, f"docs/{page}.md") > 4
    finally:
        reader.close()


def test_the_page_names_every_data_action_and_role():
    text = (DOCS / "entra.md").read_text(encoding="utf-8")
    for operation in OPERATIONS:
        assert operation.data_action is None or f"`{operation.data_action}`" in text
    for role in BUILT_IN:
        assert role.name in text
        assert role.id in text or not role.data_actions
