"""Loads by name are seen, and a contract over them breaks when one goes upwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph
from importlinter import configuration

from . import contracts
from .contracts import DeviceForbidden, DeviceLayers
from .loads import Load, UnknownLoad, loads, loads_of

MODULES = frozenset({"firmware.node", "firmware.report", "webpubsub.client", "webpubsub.url"})
configuration.configure()  # as its command line does first
SESSION = {"root_packages": ["firmware"]}


def found(module: str, source: str) -> list[str]:
    """What a source loads."""
    return [load.imported for load in loads_of(module, Path("x.py"), source, MODULES)]


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("firmware.node", 'once("firmware.report").make()', ["firmware.report"]),
        ("firmware.node", 'class A:\n    joining = "webpubsub.url"', ["webpubsub.url"]),
        ("firmware.node", '"""As `once("firmware.report")` does."""', []),
        ("firmware.node", 'once("firmware.build").DATE', []),
        ("firmware.node", '__import__("app")', []),
    ],
)
def test_what_a_source_loads(module: str, source: str, expected: list[str]) -> None:
    assert found(module, source) == expected


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('once("firmware.reprot")', "x.py:1: there is no module firmware.reprot"),
        ('once("firmware." + name)', "x.py:1: once('firmware.' + name): write the name"),
        ("__import__(name)", "x.py:1: __import__(name): write the name"),
    ],
)
def test_a_name_that_cannot_be_followed(source: str, said: str) -> None:
    with pytest.raises(UnknownLoad) as caught:
        found("firmware.node", source)
    assert said in str(caught.value)


def test_the_device_code_is_read() -> None:
    pairs = {(load.importer, load.imported) for load in loads()}
    assert ("firmware.node", "firmware.report") in pairs
    assert ("firmware.station", "firmware.wifi_joining") in pairs
    assert ("webpubsub.keeper", "webpubsub.reconnecting") in pairs


def graph() -> ImportGraph:
    """`node` imports nothing, `console` nothing either."""
    made = ImportGraph()
    for module in ("firmware", "firmware.node", "firmware.console"):
        made.add_module(module)
    return made


@pytest.mark.parametrize(
    ("importer", "imported", "kept"),
    [("firmware.node", "firmware.console", True), ("firmware.console", "firmware.node", False)],
)
def test_a_load_counts_as_an_import(
    importer: str, imported: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "loads", lambda: [Load(importer, imported, 7, "once(...)")])
    layers: dict[str, Any] = {"layers": ["node", "console"], "containers": ["firmware"]}
    assert DeviceLayers("x", SESSION, layers).check(graph(), verbose=False).kept == kept
    names = {"source_modules": ["firmware.console"], "forbidden_modules": ["firmware.node"]}
    assert DeviceForbidden("x", SESSION, names).check(graph(), verbose=False).kept == kept
