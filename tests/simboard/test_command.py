"""The command `simboard`, as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

COMMAND = [sys.executable, "-m", "simboard.main"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and the serial port that it prints."""
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            match = re.fullmatch(r"Serial port: (/dev/\S+)\n", line)
            assert match, (line, process.stderr and process.stderr.read())
            yield process, match.group(1)
        finally:
            process.kill()


def say(port: serial.Serial, line: str, wanted: str) -> None:
    port.write(line.encode() + b"\r")
    assert port.read_until(wanted.encode()).endswith(wanted.encode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    flash = tmp_path / "flash.bin"
    with running("--board", "simulated", "--flash", str(flash)) as (process, path):
        with serial.Serial(path, timeout=10) as port:
            say(port, "print('he' + 'llo')", "hello\r\n")
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    assert flash.stat().st_size == 4 * 1024 * 1024


def test_radio_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    radio = tmp_path / "radio.json"
    radio.write_text('{"access_points": [{"ssid": "first"}]}')
    with (
        running("--radio", str(radio)) as (process, path),
        serial.Serial(path, timeout=10) as port,
    ):
        say(port, "import network; w = network.WLAN(); w.active(True); w.scan()", "b'first'")
        # What is typed ahead of the prompt may be lost: the interpreter empties its input there.
        assert port.read_until(b"\r\n>>> ").endswith(b"\r\n>>> ")
        radio.write_text('{"access_points": [{"ssid": "second"}]}')
        os.utime(radio, (1, 1))
        deadline = time.monotonic() + 10
        while True:
            port.write(b"w.scan()[0][0]\r")
            if b"b'second'" in port.read_until(b"\r\n>>> "):
                break
            assert time.monotonic() < deadline
        assert process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--board", "moon"], "simboard: unknown board 'moon': use one of "),
        (["--flash", "{tmp}/small"], "simboard: flash file {tmp}/small has 5 bytes"),
        (["--radio", "{tmp}/absent"], "simboard: radio file {tmp}/absent: No such file"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    (tmp_path / "small").write_bytes(b"small")
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    result = subprocess.run(
        [*COMMAND, *filled], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith(complaint.format(tmp=tmp_path))
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_no_micropython_is_said(tmp_path: Path) -> None:
    result = subprocess.run(
        COMMAND,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "MICROPYTHON": str(tmp_path / "absent")},
    )
    assert result.returncode == 1
    assert "is not a program that can be run" in result.stderr
    assert result.stderr.count("\n") == 1


def test_package_imports_where_there_are_no_terminals() -> None:
    """As on Windows; making a board says what is missing."""
    program = """
import sys
for name in ("pty", "tty", "termios", "fcntl"):
    sys.modules[name] = None
import simboard, simboard.main, simboard.timeserver, simboard.bootloader, simboard.shims
try:
    simboard.SimulatedBoard
except simboard.SimulatorError as error:
    print(error)
sys.exit(simboard.main.main([]))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    message = "simulated boards need Linux or macOS: use WSL, or a real board"
    assert result.stdout == message + "\n"
    assert result.stderr == f"simboard: {message}\n"
    assert result.returncode == 1


def test_the_port_is_on_the_network_too() -> None:
    import serial.rfc2217

    with running("--rfc2217", "0") as (process, _):
        assert process.stdout
        label, _, url = process.stdout.readline().strip().partition(": ")
        assert label == "Network port"
        with (
            pytest.warns(DeprecationWarning, match="is deprecated"),  # pyserial is older than that
            serial.serial_for_url(url, timeout=10) as port,
        ):
            say(port, "\r\x03print('he' + 'llo')", "hello\r\n")


def test_a_network_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        for wrong in (number, "99999"):
            done = subprocess.run(
                [*COMMAND, "--rfc2217", wrong], capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 1
            assert done.stderr.startswith(f"simboard: port {wrong} cannot be used (")
            assert done.stderr.endswith("): choose another one\n")
