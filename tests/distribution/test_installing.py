"""What an error says to install is installed where the reader stands."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from micropython_webpubsub.installing import install_extra, install_package

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("extra", ["flash", "sim"])
def test_the_command_works_here(extra: str, tmp_path: Path) -> None:
    words = shlex.split(install_extra(extra))
    assert words[0] == sys.executable, "not a pip that belongs to another Python"
    # Nothing is fetched: what is asked for must be found in what is installed.
    done = subprocess.run(
        [*words, "--dry-run", "--no-index", "--disable-pip-version-check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"micropython-webpubsub[{extra}]" in done.stdout
    assert "does not provide the extra" not in done.stderr


def test_sources_that_are_only_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("micropython_webpubsub.installing.version", missing)
    words = shlex.split(install_extra("flash"))
    assert words[-2:] == ["-e", f"{ROOT}[flash]"]
    assert (ROOT / "pyproject.toml").exists()


def test_environments_without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "pip" else real(name)
    )
    words = shlex.split(install_package("pytest-asyncio"))
    assert words == ["uv", "pip", "install", "--python", sys.executable, "pytest-asyncio"]


def test_a_shell_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micropython_webpubsub.installing.os.name", "nt")
    assert install_extra("flash").endswith('-m pip install "micropython-webpubsub[flash]"')


def test_simboard_needs_its_extra_only() -> None:
    """What `simboard --rfc2217` loads comes with the extra `sim`."""
    wanted = importlib.metadata.requires("micropython-webpubsub") or []
    assert any(
        text.startswith("esp32-mock-bootloader") and "extra == 'sim'" in text.replace('"', "'")
        for text in wanted
    )
