"""`make firmware`: what it prepares for MicroPython's own build, checked as far as can be here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from esp_idf_defs import PartitionTable
from hubtool.errors import HubtoolError
from hubtool.firmware_project import __main__ as command
from hubtool.firmware_project.checkout import check_checkout
from hubtool.firmware_project.layout import PAGE, to_csv, with_romfs
from hubtool.firmware_project.project import IMAGE, find_board, write_project
from micropython_webpubsub.assets import boards_folder, device_files
from micropython_webpubsub.boards import Board, Partition, load_board

ROOT = Path(__file__).parent.parent.parent
BOARD = load_board("esp32_generic")
# What manifests of ESP32 boards ask of micropython-lib.
LIBRARY = ["aioespnow", "bundle-networking", "dht", "ds18x20", "neopixel", "onewire", "upysh"]
LIBRARY += ["umqtt.robust", "umqtt.simple"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for ESP32_GENERIC."""
    folder = tmp_path_factory.mktemp("firmware") / "esp32"
    write_project(BOARD, folder)
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MicroPython's source as far as manifests need it, with its libraries stood in for."""
    named = os.environ.get("MICROPYTHON_SOURCE")
    chip = Path(os.environ.get("SIMBOARD_CHIP") or ROOT / ".chip")
    found = [Path(named)] if named else sorted(chip.glob("src/micropython-*"))
    found = [path for path in found if (path / "tools" / "manifestfile.py").is_file()]
    if not found:
        pytest.skip("no source of MicroPython: set MICROPYTHON_SOURCE, or run make chip")
    copy = tmp_path_factory.mktemp("source")
    for part in ("py/mpconfig.h", "tools", "extmod/asyncio", "ports/esp32/boards"):
        target = copy / part
        target.parent.mkdir(parents=True, exist_ok=True)
        source = found[-1] / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    shutil.copytree(found[-1] / "ports/esp32/modules", copy / "ports/esp32/modules")
    for name in LIBRARY:
        package = copy / "lib" / "micropython-lib" / "micropython" / name
        package.mkdir(parents=True)
        (package / "manifest.py").write_text('metadata(version="0.0.0")\n')
    return copy


def test_the_partition_table_is_one_for_esp_idf(project: Path) -> None:
    table = PartitionTable.from_csv((project / "board" / "partitions.csv").read_text())
    table.verify()
    table.verify_size_fits(BOARD.flash.size)
    assert table.flash_size() == BOARD.flash.size, "nothing is left over"
    romfs, program = table["romfs"], table["factory"]
    assert (romfs.offset % PAGE, romfs.size % PAGE) == (0, 0), "flash is mapped in pages"
    assert romfs.offset == program.offset + program.size
    assert table["vfs"].offset == BOARD.filesystem.offset, "boards keep their files"
    assert romfs.size >= (project / IMAGE).stat().st_size
    assert (romfs.offset, romfs.size) == (0x1D0000, 0x30000)
    assert table.to_binary()


def test_the_image_and_the_modules_are_those_of_a_deploy(project: Path) -> None:
    names = {
        str(path.relative_to(project / "modules")) for path in (project / "modules").rglob("*.py")
    }
    wanted = {file.target.removeprefix("/lib").lstrip("/") for file in device_files()}
    assert names == (wanted - {"boot.py"}) | {"firmware/build.py"}
    assert "GROWTH = 44000\n" in (project / "modules" / "firmware" / "build.py").read_text()
    image = (project / IMAGE).read_bytes()
    assert image[:3] == b"\xd2\xcd\x31", "the mark of a ROMFS"
    assert b"websocket.mpy" in image


def test_a_larger_image_gets_a_larger_partition() -> None:
    parts = {part.name: part for part in with_romfs(BOARD, 0x20001)}
    assert (parts["romfs"].offset, parts["romfs"].size) == (0x1D0000, 0x30000)
    assert parts["factory"].end == parts["romfs"].offset
    with pytest.raises(HubtoolError, match=r"leaves \d.* for the program: freeze the code"):
        with_romfs(BOARD, 0x100000)


def test_layouts_without_room_are_refused() -> None:
    ota = tuple(
        Partition(name=name, offset=offset, size=0xF0000)
        for name, offset in (("ota_0", 0x10000), ("ota_1", 0x100000))
    )
    two = BOARD.model_copy(update={"partitions": ota})
    with pytest.raises(HubtoolError, match="a layout with 2 programs has no room"):
        with_romfs(two, 1)
    overlapping = (Partition(name="factory", offset=0x10000, size=0x200000),)
    with pytest.raises(HubtoolError, match="factory and vfs overlap"):
        to_csv(BOARD, overlapping)
    odd = (Partition(name="coredump", offset=0x10000, size=0x10000),)
    with pytest.raises(HubtoolError, match="partition 'coredump': not known here"):
        to_csv(BOARD, odd)


def test_micropythons_own_build_takes_the_manifests(project: Path, checkout: Path) -> None:
    found = check_checkout(checkout, BOARD, project)
    assert "has ESP32_GENERIC" in found[0]
    frozen, romfs = (int(line.split(": ")[1].split()[0]) for line in found[1:])
    # The stock firmware's in both; the ROMFS image has all but main.py.
    code = sum(1 for file in device_files() if file.compiled) + 1
    assert frozen - romfs == code


def test_the_manifests_freeze_our_modules(project: Path, checkout: Path) -> None:
    listed = subprocess.run(
        [
            sys.executable,
            str(checkout / "tools" / "manifestfile.py"),
            *("--freeze", "--port", str(checkout / "ports" / "esp32")),
            str(project / "board" / "manifest.py"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    for name in (
        "webpubsub/client.py",
        "chargepoint/core.py",
        "firmware/node.py",
        "firmware/build.py",
        "main.py",
    ):
        assert f"target_path='{name}'" in listed
    assert "target_path='_boot.py'" in listed, "the stock firmware's own"


def test_a_checkout_that_cannot_do_it_is_told(
    project: Path, checkout: Path, tmp_path: Path
) -> None:
    with pytest.raises(HubtoolError, match="no checkout of MicroPython"):
        check_checkout(tmp_path, BOARD, project)
    old = tmp_path / "old"
    shutil.copytree(checkout, old)
    header = old / "py" / "mpconfig.h"
    text = header.read_text()
    header.write_text(text.replace("VERSION_MINOR 2", "VERSION_MINOR 1"))
    with pytest.raises(HubtoolError, match=r"MicroPython 1\.1\d: check out v1\.25\.0 or later"):
        check_checkout(old, BOARD, project)
    header.write_text(text)
    firmware = BOARD.firmware.model_copy(update={"board": "ESP32_MOON"})
    moon = BOARD.model_copy(update={"firmware": firmware})
    with pytest.raises(HubtoolError, match="has no board ESP32_MOON"):
        check_checkout(old, moon, project)
    shutil.rmtree(old / "lib")
    with pytest.raises(HubtoolError, match="lib/micropython-lib is missing: run `git submodule"):
        check_checkout(old, BOARD, project)


@pytest.mark.parametrize("variant", ["FROZEN", "ROMFS"])
def test_cmake_takes_the_board(
    project: Path, checkout: Path, tmp_path: Path, variant: str
) -> None:
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is missing (Debian: apt-get install cmake)")
    (tmp_path / "show.cmake").write_text(
        f"include({project}/board/mpconfigboard.cmake)\n"
        f"include({project}/board/mpconfigvariant_{variant}.cmake)\n"
        'message("manifest=${MICROPY_FROZEN_MANIFEST}")\n'
        "foreach(file ${SDKCONFIG_DEFAULTS})\n"
        "    file(READ ${file} text)\n"
        '    message("${text}")\n'
        "endforeach()\n"
        'message("define=${MICROPY_DEF_BOARD}")\n'
    )
    # As MicroPython's build does: the paths of its own files are relative to ports/esp32.
    done = subprocess.run(
        [cmake, f"-DCMAKE_BINARY_DIR={tmp_path}", "-P", str(tmp_path / "show.cmake")],
        cwd=checkout / "ports" / "esp32",
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stderr
    assert done.returncode == 0, said
    assert "CONFIG_FREERTOS" in said, "the stock board's settings are there"
    in_place = variant == "ROMFS"
    assert f"manifest={project}/board/manifest{'_romfs' * in_place}.py" in said
    assert ("MICROPY_VFS_ROM=1" in said) == in_place
    table = f'CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="{project}/board/partitions.csv"'
    assert (table in said) == in_place
    if in_place:
        last = said.rindex("CONFIG_PARTITION_TABLE_CUSTOM_FILENAME")
        assert said.rindex(table) == last, "the last one counts"


def build(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run build.sh."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [str(project / "build.sh"), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_script_calls_the_container(project: Path, checkout: Path, tmp_path: Path) -> None:
    source = tmp_path / "micropython"
    lock = source / "ports" / "esp32" / "lockfiles" / "dependencies.lock.esp32"
    lock.parent.mkdir(parents=True)
    (source / "ports" / "esp32" / "Makefile").touch()
    lock.write_text("  idf:\n    source:\n      type: idf\n    version: 5.4.2\n")
    built = source / "ports" / "esp32" / "build-ESP32_GENERIC-ROMFS"
    tool = tmp_path / "container"
    # Stands in for Docker: shows what it is asked, and leaves what the build would.
    tool.write_text(f'#!/bin/sh\necho "$@"\nmkdir -p {built}\necho image > {built}/firmware.bin\n')
    tool.chmod(0o755)
    done = build(project, "ROMFS", str(source), CONTAINER=str(tool))
    assert done.returncode == 0, done.stderr
    asked = done.stdout
    assert "espressif/idf:v5.4.2 sh -c make -C mpy-cross && " in asked
    wanted = "BOARD=ESP32_GENERIC BOARD_DIR=/device/board BOARD_VARIANT=ROMFS"
    assert f"make -C ports/esp32 {wanted} submodules && make -C ports/esp32 {wanted} all" in asked
    assert f"-v {source}:/micropython -v {project}:/device" in asked
    assert f"hubtool flash --board esp32_generic {project}/firmware-ROMFS.bin" in asked
    assert f"mpremote romfs deploy {project}/{IMAGE}" in asked
    assert (project / "firmware-ROMFS.bin").read_text() == "image\n"
    lock.unlink()
    done = build(project, "ROMFS", str(source), CONTAINER=str(tool))
    assert done.returncode == 2
    assert "names no version of the ESP-IDF: set IDF" in done.stderr
    done = build(project, "ROMFS", str(source), CONTAINER=str(tool), IDF="v5.3")
    assert "espressif/idf:v5.3 " in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say FROZEN or ROMFS"),
        (("ROM", "."), "say FROZEN or ROMFS"),
        (("FROZEN", "nowhere"), "'nowhere' is no checkout of MicroPython: git clone"),
    ],
)
def test_the_script_says_what_is_missing(project: Path, words: tuple[str, ...], said: str) -> None:
    done = build(project, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The command behind `make firmware`."""
    monkeypatch.setattr("sys.argv", ["make firmware", *words])
    return command.main()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert run("ESP32_GENERIC", str(folder), monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "of 196,608 bytes, at 0x1d0000" in printed
    assert "build.sh FROZEN /path/of/micropython" in printed
    assert "@@" not in "".join(
        path.read_text() for path in folder.rglob("*") if path.is_file() and path.name != IMAGE
    )
    (folder / "modules" / "webpubsub" / "retired.py").touch()
    assert run("esp32_generic", str(folder), monkeypatch=monkeypatch) == 0
    assert not (folder / "modules" / "webpubsub" / "retired.py").exists(), "made anew"


@pytest.mark.parametrize(
    ("board", "said"),
    [
        ("ESP32_MOON", "unknown board 'ESP32_MOON': use BOARD= with one of ESP32_GENERIC"),
        ("simulated", "images are prepared for ESP32 chips only"),
        ("nowhere.toml", "no such board file"),
    ],
)
def test_wrong_boards_get_one_line(
    board: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(board, str(tmp_path / "out"), monkeypatch=monkeypatch) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "mine").touch()
    assert run("ESP32_GENERIC", str(tmp_path), monkeypatch=monkeypatch) == 1
    assert "holds something else: name another folder" in capsys.readouterr().err
    assert (tmp_path / "board" / "mine").exists()


def test_a_variant_takes_the_stock_boards_settings(tmp_path: Path) -> None:
    text = (boards_folder() / "esp32_generic.toml").read_text("utf-8")
    path = tmp_path / "wrover.toml"
    path.write_text(
        text.replace('"esp32_generic"', '"wrover"').replace(
            'board = "ESP32_GENERIC"', 'board = "ESP32_GENERIC"\nvariant = "SPIRAM"'
        ),
        "utf-8",
    )
    board: Board = find_board(str(path))
    write_project(board, tmp_path / "out")
    wrapper = (tmp_path / "out" / "board" / "mpconfigboard.cmake").read_text()
    assert "include(${STOCK}/mpconfigvariant_SPIRAM.cmake)" in wrapper
