"""The ways through the packages that docs/architecture.md names are there, and go downwards."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import grimp
import pytest
from grimp import ImportGraph

from .contracts import add_loads
from .sources import ROOT

_ROW = re.compile(r"^\| (?P<way>[^|]+) \| (?P<names>`[\w.]+`(?: → `[\w.]+`)+) \|$", re.MULTILINE)
WAYS = {
    row["way"]: re.findall(r"`([\w.]+)`", row["names"])
    for row in _ROW.finditer((ROOT / "docs" / "architecture.md").read_text("utf-8"))
}


@cache
def graph() -> ImportGraph:
    """Every import of what is delivered, and every load by name."""
    made = grimp.build_graph("firmware", "hubtool", "localhub", "webpubsub", cache_dir=None)
    add_loads(made)
    # These load their public names when they are used, which is no way back up.
    for package in ("firmware", "webpubsub"):
        for imported in made.find_modules_directly_imported_by(package):
            made.remove_import(importer=package, imported=imported)
    return made


def test_the_ways_are_those_that_were_asked_for() -> None:
    assert list(WAYS) == [
        "a message in",
        "a message out",
        "a settings file, read",
        "and written to a board",
        "a REST call to a client's socket",
    ]


@pytest.mark.parametrize("way", WAYS)
def test_each_name_imports_the_next_one_and_not_back(way: str) -> None:
    names = WAYS[way]
    assert [name for name in names if name not in graph().modules] == []
    found = graph()
    for upper, lower in pairwise(names):
        assert found.direct_import_exists(importer=upper, imported=lower), f"{upper}, {lower}"
        chain = found.find_shortest_chain(importer=lower, imported=upper)
        assert chain is None, f"back again by {chain}"
