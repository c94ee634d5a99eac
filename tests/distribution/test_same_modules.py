"""mip, freezing, bytecode and `hubtool deploy` install the same modules, of the same version."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
import webpubsub
from hubtool.board.deployment import prepare
from hubtool.device_build import prepare_sources
from hubtool.device_build.flat import output
from micropython_webpubsub.assets import device_files

DEVICE = Path(__file__).parents[2] / "device"
# CPython's side of stream.py, and what runs before there is a firmware to speak of.
NOT_ON_BOARDS = {"webpubsub/stream_cpython"}
NOT_FROZEN = {"boot"}
STARTERS = {"firmware/boot": "boot", "firmware/main": "main"}


class Manifest:
    """What MicroPython's tools/manifestfile.py makes of a manifest, without writing an image."""

    def __init__(self, path: Path, **given: object) -> None:
        self.files: list[str] = []
        self.version = ""
        self._options = given
        names = {
            "metadata": self._metadata,
            "options": SimpleNamespace(defaults=self._defaults),
            "package": self._package,
            "module": self._module,
        }
        self._names = names
        before = Path.cwd()
        # The build runs it so, and relative paths depend on it.
        os.chdir(path.parent)
        try:
            exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
        finally:
            os.chdir(before)

    def _metadata(self, *, description: str, version: str, license: str) -> None:
        assert description
        assert license
        self.version = version

    def _defaults(self, **values: object) -> None:
        self._names["options"].__dict__.update({**values, **self._options})

    def _package(self, name: str, *, files: Iterable[str], opt: int) -> None:
        for file in files:
            self._add(Path(name, file), f"{name}/{file}", opt)

    def _module(self, name: str, *, base_path: str, opt: int) -> None:
        self._add(Path(base_path, name), name, opt)

    def _add(self, source: Path, target: str, opt: int) -> None:
        assert source.is_file()
        assert opt in range(4)
        self.files.append(target)


def modules(paths: Iterable[str]) -> set[str]:
    """Paths on a board or in a package, without what differs by the way they came."""
    listed = [str(PurePosixPath(path.removeprefix("/lib")).with_suffix("")) for path in paths]
    names = [path.lstrip("/") for path in listed]
    assert len(names) == len(set(names)), "a module is named twice"
    return set(names)


def built_modules() -> set[str]:
    """The modules of the `.mpy` build, whatever their files are called there."""
    code = {
        f"/lib/{output(new)}": f"/lib/{name.replace('.', '/')}.mpy"
        for name, new in prepare_sources(device_files()).modules_as.items()
    }
    paths = {item.path for item in prepare() if not item.about_code}
    assert set(code) <= paths
    return modules({code.get(path, path) for path in paths})


def in_folder(device: Path, package: str) -> set[str]:
    """The modules that lie in a package, folders within folders included."""
    found = [path.relative_to(device).as_posix() for path in (device / package).rglob("*.py")]
    return {STARTERS.get(name, name) for name in modules(found) - NOT_ON_BOARDS}


def mip_package(device: Path) -> dict[str, object]:
    package = json.loads((device / "package.json").read_text(encoding="utf-8"))
    assert isinstance(package, dict)
    return package


def client_lists(device: Path) -> dict[str, set[str]]:
    """What programs import: the modules that exist, and those that each list names."""
    deployed = [file.target for file in device_files()]
    packages = ("webpubsub/", "chargepoint/")
    return {
        "the folders": in_folder(device, "webpubsub") | in_folder(device, "chargepoint"),
        "device/package.json": modules(target for target, _ in mip_package(device)["urls"]),  # type: ignore[attr-defined]
        "device/manifest.py": modules(Manifest(device / "manifest.py").files),
        "device_files()": {name for name in modules(deployed) if name.startswith(packages)},
        ".mpy build": {name for name in built_modules() if name.startswith(packages)},
    }


def differences(lists: dict[str, set[str]]) -> list[str]:
    """What to repair: one line for each module that a list lacks."""
    everything = set().union(*lists.values())
    return [
        f"{list_name} lacks {module}"
        for list_name, named in lists.items()
        for module in sorted(everything - named)
    ]


def test_every_way_installs_the_same_client() -> None:
    lists = client_lists(DEVICE)
    assert len(lists["the folders"]) > 20
    assert differences(lists) == []


def test_every_way_installs_the_same_firmware() -> None:
    exists = {
        name
        for package in ("webpubsub", "chargepoint", "firmware")
        for name in in_folder(DEVICE, package)
    }
    assert {"firmware/node", "boot", "main"} < exists
    assert modules(file.target for file in device_files()) == exists
    # The day of the deploy is made there; elsewhere the firmware does without.
    assert built_modules() == exists | {"firmware/build"}
    frozen = Manifest(DEVICE / "manifest.py", firmware=True)
    assert modules(frozen.files) == exists - NOT_FROZEN


def test_bytecode_is_made_of_all_that_is_imported_by_name() -> None:
    code = [item.path for item in prepare() if not item.about_code]
    as_source = {path for path in code if not path.endswith(".mpy")}
    assert as_source == {"/boot.py", "/main.py"}


def test_all_versions_are_equal() -> None:
    versions = {
        "webpubsub.__version__": webpubsub.__version__,
        "device/package.json": mip_package(DEVICE)["version"],
        "device/manifest.py": Manifest(DEVICE / "manifest.py").version,
    }
    assert set(versions.values()) == {webpubsub.__version__}, versions


def test_mip_finds_each_file_beside_the_list_and_nothing_else_is_needed() -> None:
    package = mip_package(DEVICE)
    assert package["deps"] == []
    for target, url in package["urls"]:  # type: ignore[attr-defined]
        # Relative: the same list serves a checkout, a mirror, a branch and a release.
        assert url == target
        assert (DEVICE / url).is_file()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device folder to break; `hubtool deploy` would take its files from there."""
    device = tmp_path / "device"
    shutil.copytree(DEVICE, device, ignore=shutil.ignore_patterns("__pycache__"))
    assets = "micropython_webpubsub.assets"
    monkeypatch.setattr(f"{assets}.client_folder", lambda: device / "webpubsub")
    monkeypatch.setattr(f"{assets}.chargepoint_folder", lambda: device / "chargepoint")
    monkeypatch.setattr(f"{assets}.firmware_folder", lambda: device / "firmware")
    assert differences(client_lists(device)) == []
    return device


def test_a_module_that_a_list_forgot_is_found(copy: Path) -> None:
    (copy / "webpubsub" / "added.py").write_text("x = 1\n", encoding="utf-8")
    assert differences(client_lists(copy)) == ["device/package.json lacks webpubsub/added"]


def test_a_module_in_a_folder_of_its_own_is_found(copy: Path) -> None:
    folder = copy / "webpubsub" / "deep"
    folder.mkdir()
    (folder / "added.py").write_text("x = 1\n", encoding="utf-8")
    assert differences(client_lists(copy)) == [
        f"{name} lacks webpubsub/deep/added"
        for name in ("device/package.json", "device/manifest.py", "device_files()", ".mpy build")
    ]


def test_a_module_that_went_away_is_found(copy: Path) -> None:
    (copy / "webpubsub" / "url.py").unlink()
    assert differences(client_lists(copy)) == [
        f"{name} lacks webpubsub/url"
        for name in ("the folders", "device/manifest.py", "device_files()", ".mpy build")
    ]
