"""Exit 0 means done: output that ends early, a full disk behind it, one document that is true."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hubtool.board.files import BoardFiles
from hubtool.board.serial_link import SerialLink
from hubtool.console import print_json, tell_about
from hubtool.main import main
from simboard.board import SimulatedBoard

PATIENCE = 60.0
HUBTOOL = [sys.executable, "-m", "hubtool"]
NO_READER, FULL = "no reader", "/dev/full"


def run(words: list[str], output: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run hubtool with standard output that cannot be written."""
    if output == FULL:
        descriptor = os.open(FULL, os.O_WRONLY)
    else:
        reading, descriptor = os.pipe()
        os.close(reading)
    try:
        return subprocess.run(
            [*HUBTOOL, *words],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            **options,
        )
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("output", [NO_READER, FULL])
def test_a_job_goes_on_without_a_reader(
    output: str, board: SimulatedBoard, settings_path: Path
) -> None:
    done = run(["configure", "--port", board.port, str(settings_path)], output)
    if output == NO_READER:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1, "a log that is wanted is not there"
        assert "standard output cannot be written: No space left on device" in done.stderr
        assert done.stderr.count("\n") == 1
    with SerialLink.open(board.port) as link:
        assert "settings.a" in BoardFiles(link).names("/hub")


@pytest.mark.parametrize("output", [NO_READER, FULL])
@pytest.mark.parametrize(
    "words",
    [
        ["ports"],
        ["ports", "--json"],
        ["token", "chargers", "--lifetime", "1h", "--connection-string-env", "CS"],
        ["configure", "--dry-run", "board.toml"],
        ["configure", "--dry-run", "--json", "board.toml"],
        ["explain", "board.toml"],
        ["--help"],
    ],
)
def test_what_was_asked_for_and_is_lost_is_no_success(
    words: list[str], output: str, settings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CS", f"Endpoint=http://127.0.0.1;AccessKey={'k' * 40};Version=1.0;")
    done = run(words, output, cwd=settings_path.parent)
    assert done.returncode == 1
    assert "standard output" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["configure --dry-run board.toml", "ports", "--help"])
def test_closed_standard_streams(words: str, settings_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m hubtool {words} <&- >&-', sys.executable],
        cwd=settings_path.parent,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr == "hubtool: standard output was closed before everything was said\n"
    done = subprocess.run(
        [*HUBTOOL, "configure", "--json", "nowhere.toml"],
        stdout=subprocess.PIPE,
        stderr=os.open(FULL, os.O_WRONLY),
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False, "the document comes all the same"


@pytest.mark.parametrize("output", [NO_READER, FULL])
def test_a_monitor_without_a_reader_ends(output: str, board: SimulatedBoard) -> None:
    done = run(["monitor", "--port", board.port, "--reset"], output)
    assert "Traceback" not in done.stderr
    # `hubtool monitor | grep -q ready` is done when grep is.
    assert done.returncode == (0 if output == NO_READER else 1)
    assert ("standard output" in done.stderr) == (output == FULL)


def test_a_monitor_with_keys_ends_without_a_reader(
    board: SimulatedBoard, pseudo_terminal: str
) -> None:
    """It waits for a key then, and nobody presses one."""
    keyboard = os.open(pseudo_terminal, os.O_RDWR)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*HUBTOOL, "monitor", "--port", board.port],
        stdin=keyboard,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    os.close(keyboard)
    assert b"Ctrl-] ends" in os.read(reading, 1000)
    os.close(reading)
    before = board.restarts
    board.reset()
    _, error = process.communicate(timeout=PATIENCE)
    assert (process.returncode, error) == (0, "")
    board.wait_for(">>>", PATIENCE)
    assert board.restarts == [*before, "reset_button"], "no Ctrl-C of ours went to the board"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_has_one_document_that_is_true(
    number: signal.Signals, board: SimulatedBoard
) -> None:
    process = subprocess.Popen(
        [*HUBTOOL, "deploy", "--json", "--port", board.port],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # After the first answers of the board, in the middle of writing.
    deadline = time.monotonic() + PATIENCE
    while board.console.count("\x04\x04>") < 40 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    output, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    document = json.loads(output)
    assert document["ok"] is False
    assert document["error"].startswith("interrupted; ")
    assert "run the same command again" in document["error"]
    assert document["steps"][-1]["status"] == "failed"
    assert error == f"hubtool: {document['error']}\n"


def test_the_document_is_of_this_command_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted() -> list[Any]:
        tell_about(port="/dev/ttyUSB7")
        print_json({"ok": True, "title": "old"})
        return []

    monkeypatch.setattr("hubtool.commands.ports.serial_ports", noted)
    assert main(["ports"]) == 0
    assert main(["flash", "--json", "nowhere.bin"]) == 1
    document = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert sorted(document) == ["error", "ok"]


def test_a_fault_of_our_own_is_told_in_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[Any]:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr("hubtool.commands.ports.serial_ports", fail)
    with pytest.raises(ZeroDivisionError):
        main(["ports", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert "hunter2" not in document["error"]
