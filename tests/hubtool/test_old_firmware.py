"""Firmware from before 1.25, which does not tell its build: which board it is, or a question.

The simulated board answers as those versions do: `sys.implementation` there is what boot.py
leaves, for its `sys` is a module in Python.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hubtool.board.choice import find_board
from hubtool.board.deployment import (
    build_payload,
    check_firmware,
    fit_to_board,
    memory_names,
    plan_deploy,
    prepare,
)
from hubtool.board.files import BoardFiles, Identity
from hubtool.board.serial_link import SerialLink
from hubtool.errors import DeviceRefused, HubtoolError
from hubtool.main import main
from hubtool.steps import Quiet, run_plan
from micropython_webpubsub.assets import DeviceFile, boards_folder
from micropython_webpubsub.boards import load_board
from simboard.board import SimulatedBoard

GENERIC = "Generic ESP32 module with ESP32"
# What v1.24.0 has there, seen on ESP32_GENERIC: no `_build`, which came with 1.25.
PRETEND = """
import sys
class implementation:
    name = "micropython"
    version = {version!r}
    _machine = {machine!r}
    _mpy = sys.implementation._mpy
sys.implementation = implementation
"""
STARTS = "print('the program', 'runs')\n"


def pretend(board: SimulatedBoard, version: tuple[int, int, int], machine: str) -> None:
    """Have a board answer as another one, and give it a program that says when it starts."""
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        said = PRETEND.format(version=(*version, ""), machine=machine)
        files.replace("/boot.py", said.encode())
        files.replace("/main.py", STARTS.encode())


@pytest.fixture
def sources(tmp_path: Path) -> list[DeviceFile]:
    """A distribution of one module."""
    (tmp_path / "frames.py").write_text("VALUE = 41\n")
    return [DeviceFile(tmp_path / "frames.py", "/lib/webpubsub/frames.py", True)]


def identity_of(version: tuple[int, ...], machine: str) -> Identity:
    """What a board without `_build` says."""
    return Identity(version, 6, "", "esp32", machine)


@pytest.mark.parametrize("version", [(1, 23, 0), (1, 24, 0), (1, 24, 1)])
def test_a_board_is_told_by_its_machine(
    board: SimulatedBoard,
    sources: list[DeviceFile],
    version: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    pretend(board, version, GENERIC)
    assert main(["deploy", "--port", board.port]) == 0, capsys.readouterr().err
    assert "/lib/webpubsub/frames.mpy:" in capsys.readouterr().out
    board.wait_for("the program runs", 10)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        # Variants of the same board: other flash layout, PSRAM. A guess would do harm.
        ("Generic ESP32 module with SPIRAM with ESP32", "no board file knows 'Generic ESP32 mod"),
        ("Generic ESP32 module with OTA with ESP32", r"with --board \(esp32_generic\)"),
        ("Generic ESP32 module with ESP32-D2WD", r"with --board \(esp32_generic\)"),
        # No board file for that chip: all there are.
        ("LOLIN_S2_MINI with ESP32-S2FN4R2", r"with --board \(esp32_generic, simulated\)"),
        ("", r"with --board \(esp32_generic, simulated\)"),
    ],
)
def test_what_is_not_certain_is_asked(machine: str, said: str) -> None:
    with pytest.raises(HubtoolError, match=said) as caught:
        find_board(identity_of((1, 24, 1), machine))
    assert str(caught.value).startswith("MicroPython 1.24.1 does not tell its build (1.25 does)")


def test_several_files_for_one_machine_are_the_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (boards_folder() / "esp32_generic.toml").read_text("utf-8")
    for name in ("depot", "gate"):
        (tmp_path / f"{name}.toml").write_text(text.replace("esp32_generic", name), "utf-8")
    monkeypatch.setattr("micropython_webpubsub.boards.boards_folder", lambda: tmp_path)
    with pytest.raises(HubtoolError, match=r"several board files fit .*--board \(depot, gate\)"):
        find_board(identity_of((1, 23, 0), GENERIC))


@pytest.mark.parametrize("machine", [GENERIC, "LOLIN_S2_MINI with ESP32-S2FN4R2"])
def test_what_is_older_than_any_that_works_is_refused(machine: str) -> None:
    identity = identity_of((1, 22, 2), machine)

    def refuse() -> None:
        check_firmware(identity, find_board(identity), ())

    with pytest.raises(DeviceRefused, match=r"1\.22\.2 is too old, 1\.23 or later is needed"):
        refuse()


@pytest.mark.parametrize(
    ("version", "machine", "options", "code", "said"),
    [
        ((1, 22, 2), GENERIC, [], 4, "1.22.2 is too old, 1.23 or later is needed"),
        ((1, 24, 0), "Some board with ESP32", [], 1, "--board (esp32_generic)"),
    ],
)
def test_a_board_that_is_refused_goes_on_running(
    board: SimulatedBoard,
    version: tuple[int, int, int],
    machine: str,
    options: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pretend(board, version, machine)
    flash = board.flash.read_bytes()
    assert main(["deploy", "--port", board.port, *options]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "nothing was written; the board was reset, and its program starts again" in error
    assert error.count("\n") == 1
    board.wait_for("the program runs", 10)
    assert board.flash.read_bytes() == flash


def test_what_can_be_checked_before_does_not_stop_the_board(
    board: SimulatedBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(board, (1, 24, 0), GENERIC)
    restarts = board.restarts
    assert main(["deploy", "--port", board.port, "--board", "nosuch"]) == 1
    error = capsys.readouterr().err
    assert "unknown board 'nosuch'" in error
    assert error.endswith("; the board's program was not stopped\n")
    assert board.restarts == restarts


def test_a_refusal_with_no_reset_says_that_the_board_stands(
    board: SimulatedBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(board, (1, 22, 2), GENERIC)
    assert main(["deploy", "--port", board.port, "--no-reset", "--json"]) == 4
    printed = capsys.readouterr()
    assert "the board stays at its prompt" in json.loads(printed.out)["error"]
    with SerialLink.open(board.port) as link:
        assert link.run("print(1)").strip() == "1"


def test_settings_that_do_not_fit_do_not_stop_the_board(
    board: SimulatedBoard,
    settings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pretend(board, (1, 24, 0), GENERIC)
    restarts = board.restarts
    monkeypatch.setattr("hubtool.settings.plan.LARGEST_RECORD", 100)
    assert main(["configure", "--port", board.port, str(settings_path)]) == 1
    assert "limited to 100 bytes each" in capsys.readouterr().err
    assert board.restarts == restarts


def test_the_sizes_of_the_board_go_along(
    files: BoardFiles,
    sources: list[DeviceFile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    chosen = load_board("esp32_generic")
    assert chosen.memory is not None

    def deploy() -> list[str]:
        fitted = fit_to_board(files, prepare(), chosen)
        return [
            result.name
            for result in run_plan(plan_deploy(files, fitted), Quiet())
            if result.status == "done"
        ]

    def sizes() -> dict[str, int]:
        found: dict[str, int] = files.link.evaluate(
            "import sys; sys.modules.pop('firmware.build', None)\nimport firmware.build as b\n"
            "print(repr({n: getattr(b, n) for n in dir(b) if n.isupper() and n != 'DATE'}))",
            doing="asking",
        )
        return found

    assert "/lib/firmware/build.mpy" in deploy()
    assert sizes() == {"GROWTH": 44000, "BALLAST": 6144}
    assert deploy() == [], "the day alone is no reason to write"
    smaller = chosen.memory.model_copy(update={"growth": 32000})
    chosen = chosen.model_copy(update={"memory": smaller})
    files.link.evaluate("sys.modules.pop('firmware.build', None)\nprint(1)", doing="forgetting")
    assert deploy() == ["/lib/firmware/build.mpy"], "other sizes are a reason"
    assert sizes()["GROWTH"] == 32000


def test_a_board_without_sizes_gets_the_date_only(files: BoardFiles) -> None:
    assert memory_names(load_board("simulated").memory) == {}
    run_plan(
        plan_deploy(files, fit_to_board(files, (build_payload(),), load_board("simulated"))),
        Quiet(),
    )
    assert files.link.evaluate(
        "import firmware.build as b\nprint(repr([n for n in dir(b) if n.isupper()]))", doing=""
    ) == ["DATE"]


def test_an_interrupted_look_leaves_the_board_running(
    board: SimulatedBoard,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pretend(board, (1, 24, 0), GENERIC)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BoardFiles, "identity", interrupt)
    assert main(["deploy", "--port", board.port]) == 130
    assert "its program starts again" in capsys.readouterr().err
    board.wait_for("the program runs", 10)


def test_interrupted_writing_says_that_the_program_is_stopped(
    board: SimulatedBoard,
    sources: list[DeviceFile],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    pretend(board, (1, 24, 0), GENERIC)
    write: Callable[..., None] = BoardFiles.rename

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BoardFiles, "rename", interrupt)
    assert main(["deploy", "--port", board.port]) == 130
    assert "some of its files may be new: run the same command" in capsys.readouterr().err
    monkeypatch.setattr(BoardFiles, "rename", write)
    assert main(["deploy", "--port", board.port]) == 0
    board.wait_for("the program runs", 10)
