"""A refused or interrupted command leaves the board as it was, whenever it is broken off."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hubtool.board.deployment import prepare
from hubtool.board.files import BoardFiles
from hubtool.board.serial_link import SerialLink
from hubtool.errors import DeviceRefused
from hubtool.main import main
from micropython_webpubsub.assets import DeviceFile
from simboard.board import SimulatedBoard

PATIENCE = 30.0
# A board with a program that says so when it starts, and waits as firmware does.
MAIN = "print('the program runs')\nimport time\nwhile True:\n    time.sleep(0.1)\n"
RUNS = "the program runs"


@pytest.fixture
def running(board: SimulatedBoard) -> SimulatedBoard:
    """A board whose program runs."""
    with SerialLink.open(board.port) as link:
        BoardFiles(link).replace("/main.py", MAIN.encode())
        link.reset()
    board.wait_for(RUNS, PATIENCE)
    return board


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[DeviceFile]:
    """A distribution of one module, and a main.py that says that it runs."""
    (tmp_path / "one.py").write_text("VALUE = 1\n")
    (tmp_path / "main.py").write_text(MAIN)
    listed = [
        DeviceFile(tmp_path / "one.py", "/lib/webpubsub/one.py", True),
        DeviceFile(tmp_path / "main.py", "/main.py", False),
    ]
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: listed)
    return listed


def break_off(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], at: int) -> list[int]:
    """Raise in the middle of the exchange with this number, once; counts them."""
    real: Callable[..., Any] = SerialLink.run
    count = [0]

    def run(self: SerialLink, code: str, **options: Any) -> str:
        count[0] += 1
        if count[0] == at:
            # Code that runs on, as after a Ctrl-C while an answer is awaited.
            self._transport.exec_raw_no_follow("import time\ntime.sleep(30)")
            raise kind
        return str(real(self, code, **options))

    monkeypatch.setattr(SerialLink, "run", run)
    return count


def is_at_the_friendly_prompt(board: SimulatedBoard) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if board.console.rstrip("\r\n ").endswith("\n>>>"):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError, OSError])
@pytest.mark.parametrize("verb", ["deploy", "configure"])
def test_broken_off_at_any_exchange(
    verb: str,
    kind: type[BaseException],
    running: SimulatedBoard,
    sources: list[DeviceFile],
    settings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [verb, "--port", running.port, *([str(settings_path)] if verb == "configure" else [])]
    seen = set()
    for at in range(1, 200, 3):
        before = len(running.console)
        with monkeypatch.context() as patch:
            count = break_off(patch, kind, at)
            try:
                status = main(words)
                last = capsys.readouterr().err
            except kind as error:
                status = 1
                (last,) = error.__notes__
        if count[0] < at:
            break
        assert status == (130 if kind is KeyboardInterrupt else 1)
        assert "Traceback" not in last
        seen.add("nothing was written" in last)
        stands = "the board's program is stopped" in last
        assert stands or "the board was reset, and its program starts again" in last
        if stands:
            assert is_at_the_friendly_prompt(running), "never left in the raw REPL"
        else:
            deadline = time.monotonic() + PATIENCE
            while RUNS not in running.console[before:].rpartition("raw REPL")[2]:
                assert time.monotonic() < deadline, running.console[before:]
                time.sleep(0.02)
    else:
        pytest.fail("it never came to its end")
    assert status == 0
    assert len(seen) == 2, "before writing, and while writing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("times", [1, 5])
def test_signals_while_the_prompt_is_looked_for(
    number: signal.Signals, times: int, running: SimulatedBoard
) -> None:
    """Impatient people press Ctrl-C again and again."""
    before = len(running.console)
    process = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "deploy", "--port", running.port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while "raw REPL" not in running.console[before:] and time.monotonic() < deadline:
        time.sleep(0.005)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.15)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert error.startswith("hubtool: interrupted")
    assert "Traceback" not in error
    deadline = time.monotonic() + PATIENCE
    while RUNS not in running.console[before:].rpartition("raw REPL")[2]:
        assert time.monotonic() < deadline, running.console[before:]
        time.sleep(0.02)


def test_what_is_ignored_stays_ignored(running: SimulatedBoard) -> None:
    """`nohup hubtool deploy` outlives its terminal."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\n"
            "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
            "from hubtool.main import main\n"
            "import hubtool.commands.ports as ports\n"
            "ports.serial_ports = lambda: os.kill(os.getpid(), signal.SIGHUP) or []\n"
            "sys.exit(main(['ports']))",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_lets_go_late_runs_again(board: SimulatedBoard) -> None:
    """A board that heard nothing for too long, such as in a look-up of a name, is not left
    in the raw REPL when it does hear.
    """
    stubborn = (
        "import time\n"
        f"print('{RUNS}')\n"
        "start = time.ticks_ms()\n"
        "while time.ticks_diff(time.ticks_ms(), start) < 6000:\n"
        "    try:\n"
        "        time.sleep(0.05)\n"
        "    except KeyboardInterrupt:\n"
        "        pass\n"
    )
    with SerialLink.open(board.port) as link:
        BoardFiles(link).replace("/main.py", stubborn.encode())
        link.reset()
    board.wait_for(RUNS, PATIENCE)
    before = len(board.console)
    with pytest.raises(DeviceRefused):
        SerialLink.open(board.port, deadline=1.0)
    deadline = time.monotonic() + PATIENCE
    while RUNS not in board.console[before:]:
        assert time.monotonic() < deadline, board.console[before:]
        time.sleep(0.05)


def test_nothing_to_do_is_left_running(
    running: SimulatedBoard,
    sources: list[DeviceFile],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A deploy that finds all in place has changed nothing when it is interrupted."""
    assert prepare(files=sources)
    assert main(["deploy", "--port", running.port]) == 0
    real = SerialLink.reset
    tried = []

    def interrupt(self: SerialLink) -> None:
        if not tried:
            tried.append(True)
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(SerialLink, "reset", interrupt)
    assert main(["deploy", "--port", running.port]) == 130
    error = capsys.readouterr().err
    assert "everything was written; the board was reset, and its program starts again" in error


class Lines:
    """A port with a reset circuit, for esptool's part of a flash."""

    def __init__(self) -> None:
        self.pressed = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("kind", [KeyboardInterrupt, DeviceRefused("esptool: no")])
@pytest.mark.parametrize(
    ("command", "said", "pressed"),
    [
        ("flash-id", "nothing was written; the board was reset, and its program starts", 1),
        ("write-flash", "the flash is written in part, and the board does not start: run", 0),
        ("verify-flash", "everything was written; the board was reset, and its program", 1),
    ],
)
def test_a_flash_that_is_broken_off(
    command: str,
    said: str,
    pressed: int,
    kind: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = bytearray(60_000)
    data[0], data[0x7000:0x7002] = 0xE9, b"\xaa\x50"
    image = tmp_path / "firmware.bin"
    image.write_bytes(data)
    port = Lines()

    def run(line: list[str], *_: object) -> tuple[int, str]:
        if command in line:
            raise kind
        return 0, "Connected to ESP32 on x:\nDetected flash size: 4MB\n"

    def press(pressed: Lines) -> bool:
        pressed.pressed += 1
        return True

    monkeypatch.setattr("hubtool.board.flashing.run_child", run)
    monkeypatch.setattr("hubtool.board.flashing.press_reset", press)
    monkeypatch.setattr("hubtool.board.flashing.serial.serial_for_url", lambda *_, **__: port)
    status = main(["flash", str(image), "--port", "/dev/ttyUSB0", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == (130 if kind is KeyboardInterrupt else 4)
    assert document["ok"] is False
    if command == "verify-flash" and kind is not KeyboardInterrupt:
        said, pressed = "esptool: no", 0
    assert said in document["error"]
    assert port.pressed == pressed
