"""Boards at the far end of a network: every verb over RFC 2217, with DTR and RTS that work.

The verbs run as processes of their own: pyserial's client warns of a deprecated call.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simboard.board import SimulatedBoard
from simboard.serial_server import SerialServer

PATIENCE = 30.0


@pytest.fixture
def server(board: SimulatedBoard) -> Iterator[SerialServer]:
    """The board's port on the network."""
    with SerialServer(board) as server:
        yield server


# pyserial looks every 50 ms whether an answer has come, and esptool asks for hundreds.
_LOOK_OFTEN = """
import time, types
import serial.rfc2217
serial.rfc2217.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 25))
"""


@pytest.fixture
def hubtool(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one command."""
    (tmp_path / "sitecustomize.py").write_text(_LOOK_OFTEN)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hubtool", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


Hubtool = Callable[..., subprocess.CompletedProcess[str]]


def test_deploy_and_configure(
    board: SimulatedBoard,
    server: SerialServer,
    settings_path: Path,
    tmp_path: Path,
    hubtool: Hubtool,
) -> None:
    app = tmp_path / "app.py"
    app.write_text("async def main(client, settings):\n    pass\n")
    done = hubtool("deploy", "--port", server.url, "--app", str(app))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Board reset.\n")
    done = hubtool("configure", "--port", server.url, "--json", str(settings_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
    board.wait_for("[board] CP-7, settings generation 1", PATIENCE)


def test_flash(
    board: SimulatedBoard, server: SerialServer, tmp_path: Path, hubtool: Hubtool
) -> None:
    data = bytearray(0x7100)
    data[0] = 0xE9
    data[0x7000:0x7002] = b"\xaa\x50"
    data[0x20:0x30] = os.urandom(16)
    image = tmp_path / "firmware.bin"
    image.write_bytes(data)
    done = hubtool("flash", str(image), "--port", server.url, "--board", "simulated")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verify: equal; board reset" in done.stdout
    assert board.flash.read_bytes()[0x1000:][: len(data)] == data
    # The lines led into the boot loader, and out of it again.
    deadline = time.monotonic() + PATIENCE
    while "reset_button" not in board.restarts and time.monotonic() < deadline:
        time.sleep(0.05)
    assert board.restarts[-1] == "reset_button"
    board.wait_for("SPI_FAST_FLASH_BOOT", PATIENCE)
    board.wait_for(">>>", PATIENCE)


def test_monitor_resets_by_the_lines(board: SimulatedBoard, server: SerialServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "hubtool", "monitor", "--reset", "--port", server.url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        limit = threading.Timer(PATIENCE, process.kill)
        limit.start()
        assert process.stdout is not None
        seen = ""
        while ">>>" not in seen:
            data = os.read(process.stdout.fileno(), 1024).decode()
            assert data, seen
            seen += data
        limit.cancel()
        process.terminate()
    assert "rst:0x" in seen
    assert board.restarts == ["reset_button"]


def test_a_port_that_is_taken(server: SerialServer, hubtool: Hubtool) -> None:
    host, _, port = server.url.removeprefix("rfc2217://").partition(":")
    with socket.create_connection((host, int(port)), 5) as first:
        first.recv(1)
        done = hubtool("deploy", "--port", server.url)
        assert done.returncode == 4
        assert done.stderr.startswith(f"hubtool: {server.url}: no answer in RFC 2217: another")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rfc2217://127.0.0.1:1", "cannot be reached: is the server of this port running"),
        ("rfc2217://no-such-host.invalid:4000", "cannot be reached"),
        ("rfc2217://127.0.0.1", "not a complete address: write rfc2217://HOST:PORT"),
        ("rfc2217://", "not a complete address"),
        ("telnet://127.0.0.1:23", "no such kind of port: use rfc2217://HOST:PORT"),
    ],
)
@pytest.mark.parametrize("verb", ["deploy", "monitor"])
def test_addresses_that_lead_nowhere(verb: str, url: str, said: str, hubtool: Hubtool) -> None:
    done = hubtool(verb, "--port", url)
    assert done.returncode == 3, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
