"""Builds are kept: what comes from the cache is what would be made, or it is made anew."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hubtool.device_build import Build, BuildMap, Options, build, cache
from micropython_webpubsub.assets import DeviceFile

SOURCE = '"""A module."""\n\n\ndef double(number):\n    """Twice."""\n    return number * 2\n'


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module to build, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "some.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each build that was made."""
    found: list[str] = []
    save = cache.save

    def counted(name: str, files: Mapping[str, bytes], build_map: BuildMap) -> None:
        found.append(name)
        save(name, files, build_map)

    monkeypatch.setattr(cache, "save", counted)
    return found


def built(source: Path, **options: bool) -> Build:
    return build([DeviceFile(source, "/lib/some/thing.py", True)], Options(**options))


def kept() -> list[Path]:
    return sorted(cache.folder().iterdir())


def test_the_second_one_is_the_first(source: Path, made: list[str]) -> None:
    first, second = built(source), built(source)
    assert len(made) == 1
    assert first.files == second.files
    assert first.map is not None
    assert second.map is not None
    assert first.map == second.map
    assert first.map.stamp == second.map.stamp


def test_whatever_it_depends_on_makes_another_one(
    source: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built(source)
    built(source, lines=True)
    source.write_text(SOURCE.replace("2", "3"))
    third = built(source)
    names = source.with_name("names.txt")
    names.write_text("adjust\n")
    build([DeviceFile(source, "/lib/some/thing.py", True)], Options(names=names))
    monkeypatch.setattr(cache, "version", lambda _: "another compiler")
    built(source)
    assert len(made) == len(kept()) == 5
    assert built(source).files == third.files


@pytest.mark.parametrize("damage", ["cut", "other", "text", "no map"])
def test_what_is_damaged_is_made_anew(source: Path, made: list[str], damage: str) -> None:
    good = built(source)
    (path,) = kept()
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "other":
        at = data.index(good.files["some/thing.mpy"])
        data[at + 10] ^= 1
    elif damage == "text":
        data = bytearray(b"<html>")
    else:
        data = data.replace(b"map.json", b"map.nose")
    path.write_bytes(data)
    assert built(source).files == good.files
    assert len(made) == 2
    assert built(source).files == good.files
    assert len(made) == 2


def test_a_place_that_cannot_be_written_is_no_failure(
    source: Path, made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert built(source).files == built(source).files
    assert len(made) == 2


def test_old_ones_go(source: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    built(source)
    (first,) = kept()
    os.utime(first, (1, 1))
    built(source)  # a use makes it young
    built(source, lines=True)
    (second,) = set(kept()) - {first}
    os.utime(second, (1, 1))
    built(source, texts=False)
    assert first in kept()
    assert len(kept()) == 2
    assert len(made) == 3
