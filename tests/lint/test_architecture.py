"""docs/architecture.md is right: its picture of the packages, and the ways through them."""

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
_PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
WAYS = {row["way"]: re.findall(r"`([\w.]+)`", row["names"]) for row in _ROW.finditer(_PAGE)}
# The boxes of a package in the picture, from the top down: each names modules of one layer.
PICTURE = {
    package: [names.split(", ") for names in re.findall(r'\["([\w, ]+)"\]', boxes)]
    for package, boxes in re.findall(r'subgraph (\w+)\["\w+: [^"]+"\]\n(.*)\n', _PAGE)
}


@cache
def graph() -> ImportGraph:
    """Every import of what is delivered, and every load by name."""
    packages = ("chargepoint", "hubtool", "localhub", "simboard", "webpubsub")
    made = grimp.build_graph("firmware", *packages, cache_dir=None)
    add_loads(made)
    # These load their public names when they are used, which is no way back up.
    for package in ("chargepoint", "firmware", "webpubsub"):
        for imported in made.find_modules_directly_imported_by(package):
            made.remove_import(importer=package, imported=imported)
    # Which kind of node a board is, its settings say.
    made.remove_import(importer="firmware.charge_wiring", imported="firmware.charging")
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


def test_the_picture_shows_all_packages() -> None:
    assert list(PICTURE) == [
        "hubtool",
        "localhub",
        "simboard",
        "firmware",
        "chargepoint",
        "webpubsub",
    ]
    between = re.findall(r"^    (\w+) --> (\w+)$", _PAGE, re.MULTILINE)
    assert between
    for upper, lower in between:
        assert graph().find_shortest_chains(upper, lower), (upper, lower)
        assert not graph().find_shortest_chains(lower, upper), (lower, upper)


@pytest.mark.parametrize("package", PICTURE)
def test_no_box_of_the_picture_imports_one_above_it(package: str) -> None:
    boxes = [[f"{package}.{name}" for name in box] for box in PICTURE[package]]
    assert [name for box in boxes for name in box if name not in graph().modules] == []
    for above, upper in enumerate(boxes):
        for lower in boxes[above + 1 :]:
            for importer in lower:
                for imported in upper:
                    chains = graph().find_shortest_chains(importer, imported)
                    assert not chains, f"upwards: {chains}"


@pytest.mark.parametrize("package", PICTURE)
def test_each_box_of_the_picture_is_imported_from_above(package: str) -> None:
    boxes = [[f"{package}.{name}" for name in box] for box in PICTURE[package]]
    for below, lower in enumerate(boxes[1:], 1):
        above = [name for box in boxes[:below] for name in box]
        assert any(graph().find_shortest_chains(a, b) for a in above for b in lower), lower
