"""Boards and settings files for the tests of hubtool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from hubtool.board.files import BoardFiles
from hubtool.board.serial_link import SerialLink
from simboard.board import SimulatedBoard

ACCESS_KEY = "k" * 20 + "0123456789abcdefghij"
ENDPOINT = "http://127.0.0.1:7080"


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What hubtool keeps on this computer is kept elsewhere: tests do not see each other's."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    """A fresh simulated board."""
    with SimulatedBoard() as board:
        yield board


@pytest.fixture
def files(board: SimulatedBoard) -> Iterator[BoardFiles]:
    """The files of a fresh board, over its serial port."""
    with SerialLink.open(board.port) as link:
        yield BoardFiles(link)


def _make_jwt(
    audience: str = f"{ENDPOINT}/client/hubs/chargers", expires: float = 4e9, **claims: object
) -> str:
    """A Client Access Token, signed with ACCESS_KEY."""
    return jwt.encode({"aud": audience, "exp": int(expires), **claims}, ACCESS_KEY, "HS256")


@pytest.fixture
def make_jwt() -> Callable[..., str]:
    """Makes Client Access Tokens: `make_jwt(audience, expires, **claims)`."""
    return _make_jwt


def _pull_after(board: SimulatedBoard, link: SerialLink, runs: int) -> None:
    real, left = link.run, runs

    def run(code: str, **options: Any) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            board.unplug()
        return real(code, **options)

    link.run = run  # type: ignore[method-assign]


@pytest.fixture
def pull_after() -> Callable[[SimulatedBoard, SerialLink, int], None]:
    """Pulls a board's cable at the n-th exchange from now: `pull_after(board, link, n)`."""
    return _pull_after


def _hubtool(
    *words: str, encoding: str = "utf-8", **options: Any
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "hubtool", *words]
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run(
        command, capture_output=True, env=environment, timeout=120, check=False, **options
    )


@pytest.fixture
def hubtool() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs the command in a process of its own: `hubtool(*words, encoding, input)`."""
    return _hubtool


SETTINGS = """\
[device]
id = "CP-7"
kind = "charging-point"

[hub]
endpoint = "http://127.0.0.1:7080"
name = "chargers"
query = { id = "CP-7" }

[wifi]
ssid = "depot"
password = { env = "TEST_WIFI_PASSWORD" }

[telemetry]
group = "telemetry"
interval = 5

[commands]
users = ["operator"]
reply_group = "replies"

[clock]
ntp = ["127.0.0.1:1123"]
"""


@pytest.fixture
def settings_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that is right, and the variable it names."""
    monkeypatch.setenv("TEST_WIFI_PASSWORD", "correct horse")
    path = tmp_path / "board.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.fixture
def pseudo_terminal() -> Iterator[str]:
    """A serial port with nobody on the other side."""
    import pty
    import tty

    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.fixture(autouse=True)
def heard_signals() -> Iterator[None]:
    """Commands hear Ctrl-C and a lost terminal, also where the tests run in the background.

    A program inherits what is ignored: by `nohup`, or by `&` in a script.
    """
    before = {
        number: signal.signal(number, usual)
        for number, usual in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGHUP, signal.SIG_DFL),
        )
        if signal.getsignal(number) == signal.SIG_IGN
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
