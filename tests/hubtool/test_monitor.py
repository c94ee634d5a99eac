"""The console of a simulated board, through resets and pulled cables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubtool.board.deployment import prepare
from hubtool.board.files import BoardFiles
from hubtool.board.monitoring import Monitor
from hubtool.board.serial_link import SerialLink
from hubtool.errors import NoDevice
from hubtool.main import main
from simboard.board import SimulatedBoard

PATIENCE = 20.0
# What it prints is not in what is typed: a Ctrl-C before it runs would only clear the line.
BUSY = b"import time\rwhile True: print('tick', 3 - 2); time.sleep(0.2)\r\r"


class Screen:
    """Collects what a monitor shows, and waits for it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, data: bytes) -> None:
        self.text += data.decode(errors="replace")

    def until(self, wanted: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.text!r}"
            time.sleep(0.02)
        self.text = self.text.partition(wanted)[2]


@pytest.fixture
def port(board: SimulatedBoard, tmp_path: Path) -> Path:
    """A name for the board's port that can follow it, as udev's names do."""
    path = tmp_path / "board"
    path.symlink_to(board.port)
    return path


@pytest.fixture
def screen(port: Path) -> Iterator[tuple[Screen, Monitor]]:
    screen = Screen()
    monitor = Monitor(str(port), screen.write, lambda text: screen.write(text.encode()))
    monitor.open()
    reader = threading.Thread(target=monitor.read_for_ever)
    reader.start()
    yield screen, monitor
    monitor.stop()
    reader.join(PATIENCE)
    assert not reader.is_alive()


def test_keys_and_answers(screen: tuple[Screen, Monitor]) -> None:
    shown, monitor = screen
    monitor.send(b"print(6 * 7)\r")
    shown.until("42")
    monitor.send(BUSY)
    shown.until("tick 1")
    monitor.send(b"\x03")
    shown.until("KeyboardInterrupt")


def test_a_reset_is_outlived(screen: tuple[Screen, Monitor]) -> None:
    shown, monitor = screen
    monitor.send(b"import machine; machine.reset()\r")
    shown.until("rst:0x")
    shown.until(">>>")
    monitor.send(b"print('still ' + 'here')\r")
    shown.until("still here")


def test_a_pulled_cable_is_outlived(
    screen: tuple[Screen, Monitor], board: SimulatedBoard, port: Path
) -> None:
    shown, monitor = screen
    board.unplug()
    shown.until("connection lost")
    monitor.send(b"dropped")
    board.plug()
    port.unlink()
    port.symlink_to(board.port)
    shown.until("connected again")
    monitor.send(b"print('back ' + 'again')\r")
    shown.until("back again")


@pytest.fixture
def greeting(board: SimulatedBoard) -> SimulatedBoard:
    """A board that says something when it starts, and nothing more."""
    program = b"import time\nprint('hello', 6 * 7)\nwhile True: time.sleep(99)\n"
    with SerialLink.open(board.port) as link:
        BoardFiles(link).replace("/main.py", program)
        link.reset()
    board.wait_for("hello 42", PATIENCE)
    return board


def test_the_start_can_be_seen_again(
    greeting: SimulatedBoard, screen: tuple[Screen, Monitor]
) -> None:
    shown, monitor = screen
    for _ in range(2):
        monitor.reset()
        shown.until("hello 42")


def test_without_a_terminal(greeting: SimulatedBoard) -> None:
    for words, wanted in (
        ([], "nothing yet: a board that is well says little, and of a fault that lasts "),
        ([], "less and less. To see it start, run hubtool monitor --reset"),
        (["--reset"], "hello 42"),
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "hubtool", "monitor", "--port", greeting.port, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            # On a busy machine most of it is the time in which Python starts.
            limit = threading.Timer(90, process.kill)
            limit.start()
            assert process.stdout is not None
            seen = ""
            while wanted not in seen:
                data = process.stdout.readline().decode()
                assert data, seen
                seen += data
            process.terminate()
            limit.cancel()


def test_no_port(tmp_path: Path) -> None:
    with pytest.raises(NoDevice):
        Monitor(str(tmp_path / "nowhere"), print, print).open()
    assert main(["monitor", "--port", str(tmp_path / "nowhere")]) == 3


def test_the_command_on_a_terminal(board: SimulatedBoard) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hubtool", "monitor", "--port", board.port],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = Screen()

    def read() -> None:
        try:
            while data := os.read(ours, 1024):
                screen.write(data)
        except OSError:
            pass  # the other side has closed

    reader = threading.Thread(target=read)
    reader.start()
    try:
        screen.until("Ctrl-] ends")
        os.write(ours, BUSY)
        screen.until("tick 1")
        os.write(ours, b"\x03")
        screen.until("KeyboardInterrupt")
        os.write(ours, b"\x1d")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE)
        os.close(ours)


def test_tracebacks_are_shown_by_the_source(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        for item in prepare():
            if item.path.startswith("/lib/webpubsub/"):
                files.replace(item.path, item.data)
        files.replace("/main.py", b"from webpubsub import Backoff\nBackoff(2, 1)\n")
    for words, wanted in (
        ([], r'File "device/webpubsub/backoff.py", lines \d+-\d+, in Backoff.__init__\r'),
        (["--raw"], r'File "(?!device/)\w+", line 1, in __init__\r'),
    ):
        with subprocess.Popen(
            [sys.executable, "-m", "hubtool", "monitor", "--port", board.port, "--reset", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            # On a busy machine most of it is the time in which Python starts.
            limit = threading.Timer(90, process.kill)
            limit.start()
            assert process.stdout is not None
            seen = ""
            while "ValueError: first must be at most" not in seen:
                data = process.stdout.readline().decode()
                assert data, seen
                seen += data
            limit.cancel()
            process.terminate()
        assert re.search(wanted, seen), seen
