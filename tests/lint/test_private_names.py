"""A private name of another module is found, however it is reached."""

from __future__ import annotations

import pytest

from .private_names import reaches_in


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = 1\nfrom a.b import c, _d", "_d"),
        ("x = 1\nfrom .b import _d as d", "_d"),
        ('x = 1\nmonkeypatch.setattr(demo, "_GRACE", 0)', "_GRACE"),
        ('x = 1\nmonkeypatch.setattr("a.b._c", 0)', "a.b._c"),
    ],
)
def test_a_reach_is_found(source: str, name: str) -> None:
    [found] = reaches_in("tests/a.py", source)
    assert (found.line, found.name) == (2, name)


@pytest.mark.parametrize(
    "source",
    [
        "from a import b\nfrom __future__ import annotations\nimport _thread",
        'monkeypatch.setattr(a, "b", "_c")\nmonkeypatch.setattr("a.b", 0)',
        'getattr(sys.implementation, "_build", "")',
    ],
)
def test_what_is_nobodys_is_left_alone(source: str) -> None:
    assert list(reaches_in("tests/a.py", source)) == []
