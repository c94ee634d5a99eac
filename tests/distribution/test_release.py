"""What `make release` refuses; that it builds and installs is in test_wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import release
from .release import ROOT, ReleaseError, check_changelog, check_files, main, version_of

CHANGELOG = """# Changelog

Words.

## 1.2.0 (2026-01-31)
- A change.

## 1.1.0 (2025-12-01)
- Another one.
"""


def test_a_changelog_that_fits() -> None:
    check_changelog(CHANGELOG, "1.2.0")
    check_changelog(CHANGELOG.replace("2026-01-31", "unreleased"), "1.2.0", unreleased=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Changelog\n", "no heading such as"),
        (CHANGELOG.replace("1.2.0", "1.1.9"), "the newest entry is 1.1.9, but the version is"),
        (CHANGELOG.replace("2026-01-31", "unreleased"), "write the date in its place"),
        (CHANGELOG.replace("2026-01-31", "31.1.2026"), "31.1.2026 is no date"),
        (CHANGELOG.replace("- A change.\n", ""), "has no line that begins with -"),
    ],
)
def test_a_changelog_that_does_not(text: str, said: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        check_changelog(text, "1.2.0")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that name the version, as they are, but for another version."""
    for name in ("webpubsub/__init__.py", "package.json", "manifest.py"):
        text = (ROOT / "device" / name).read_text("utf-8")
        file = tmp_path / "device" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text.replace(version_of(ROOT), "1.2.0"), "utf-8")
    return tmp_path


def test_the_version_is_one(checkout: Path) -> None:
    assert version_of(checkout) == "1.2.0"


@pytest.mark.parametrize("name", ["package.json", "manifest.py"])
@pytest.mark.parametrize(("wrong", "said"), [("1.1.0", "1.1.0"), ('"', "missing")])
def test_the_version_is_not_one(checkout: Path, name: str, wrong: str, said: str) -> None:
    file = checkout / "device" / name
    file.write_text(file.read_text("utf-8").replace("1.2.0", wrong), "utf-8")
    with pytest.raises(ReleaseError) as caught:
        version_of(checkout)
    assert f"{name}: the version is {said}, but webpubsub.__version__ is 1.2.0" in str(
        caught.value
    )


def test_there_is_no_version(checkout: Path) -> None:
    (checkout / "device/webpubsub/__init__.py").write_text("", "utf-8")
    with pytest.raises(ReleaseError, match="no line __version__"):
        version_of(checkout)


def test_this_changelog_fits_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    check_changelog(text, version_of(ROOT), unreleased=True)


def test_twine_has_the_last_word(tmp_path: Path) -> None:
    wheel = tmp_path / "micropython_webpubsub-1.2.0-py3-none-any.whl"
    wheel.write_bytes(b"no zip file")
    with pytest.raises(ReleaseError, match="twine finds a fault: "):
        check_files([wheel])


def test_a_fault_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ReleaseError("CHANGELOG.md: say what changed")

    monkeypatch.setattr(release, "check_changelog", refuse)
    assert main([]) == 1
    reported = capsys.readouterr()
    assert reported.err == "make release: CHANGELOG.md: say what changed\n"
    assert reported.out == ""
