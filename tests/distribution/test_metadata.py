"""What the distribution says of itself: the Pythons in it are those of the tools that check it."""

from __future__ import annotations

import tomllib
from importlib.metadata import metadata

from tests.support.interpreters import ROOT

PREFIX = "Programming Language :: Python :: 3."


def test_the_oldest_python_is_named_once_for_all() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    named = [
        line.removeprefix(PREFIX)
        for line in project["project"]["classifiers"]
        if line.startswith(PREFIX)
    ]
    assert "3." + min(named, key=int) == oldest
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert f"Python {oldest} or later" in (ROOT / "README.md").read_text("utf-8")
    assert metadata("micropython-webpubsub")["Requires-Python"] == f">={oldest}"
