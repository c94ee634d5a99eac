"""No error of an interpreter reaches a person bare: one line says what is wrong and what to do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hubtool.board.board_errors import explanation
from hubtool.board.deployment import plan_deploy, prepare
from hubtool.board.files import BoardFiles
from hubtool.board.serial_link import BoardError, SerialLink
from hubtool.errors import DeviceRefused, ExitCode, HubtoolError
from hubtool.main import main
from hubtool.secrets import Secret
from hubtool.settings.configuration import load_configuration
from hubtool.tokens.access_token import read_token, read_url, split_endpoint
from simboard import Radio, SimulatedBoard, SimulatorError

OBSTACLES = {
    "open('/lib', 'w').close()": "/lib is a file on the board, and a folder must be there",
    "os.mkdir('/lib'); open('/lib/firmware', 'w').close()": "/lib/firmware is a file on",
    "os.mkdir('/main.py')": "/main.py is a folder on the board, and a file must be there",
    "os.mkdir('/app.py')": "/app.py is a folder on the board",
    "os.mkdir('/boot.py.tmp')": "/boot.py.tmp is a folder on the board",
    "os.mkdir('/lib'); os.mkdir('/lib/webpubsub'); os.mkdir('/lib/webpubsub/__init__.mpy')": (
        "/lib/webpubsub/__init__.mpy is a folder on the board"
    ),
    "f = open('/boot.py', 'w'); f.write('x = 1'); f.close(); os.mkdir('/boot.py.before')": (
        "/boot.py.before is a folder on the board"
    ),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("app") / "app.py"
    path.write_text("async def main(client, settings):\n    pass\n", "utf-8")
    return path


@pytest.mark.parametrize("code", OBSTACLES)
def test_what_is_in_the_way_is_found_before_anything_is_written(
    files: BoardFiles, app: Path, code: str
) -> None:
    files.link.run(f"import os\n{code}")
    with pytest.raises(DeviceRefused) as caught:
        plan_deploy(files, prepare(app))
    assert OBSTACLES[code] in str(caught.value)
    assert str(caught.value).endswith("remove it or give it another name, then try again")


def test_a_folder_that_is_not_in_the_way(files: BoardFiles, app: Path) -> None:
    code = "os.mkdir('/boot.py.before'); os.mkdir('/lib'); os.mkdir('/lib/webpubsub')"
    files.link.run(f"import os\n{code}; os.mkdir('/lib/webpubsub/mine')")
    assert plan_deploy(files, prepare(app)).pending


def test_a_file_in_place_of_the_settings(
    board: SimulatedBoard, settings_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SerialLink.open(board.port) as link:
        link.run("open('/hub', 'w').close()")
    code = main(["configure", "--json", "--port", board.port, str(settings_path)])
    assert code == ExitCode.REFUSED
    output, error = capsys.readouterr()
    assert "/hub is a file on the board, and a folder must be there" in error
    assert "nothing was written; the board was reset" in error
    assert error.count("\n") == 1
    assert json.loads(output)["ok"] is False


FILL = """
import os
f = open('/fill', 'wb')
piece = bytes(4096)
try:
    while os.statvfs('/')[3] > {free}:
        f.write(piece)
        f.flush()
finally:
    f.close()
"""


def test_a_full_file_system(board: SimulatedBoard, capsys: pytest.CaptureFixture[str]) -> None:
    with SerialLink.open(board.port, answer_timeout=120) as link:
        link.run(FILL.format(free=6))
    assert main(["deploy", "--port", board.port]) == ExitCode.REFUSED
    error = capsys.readouterr().err
    assert "its file system is full: remove files of yours, then try again" in error
    assert "OSError" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("last_line", "said"),
    [
        ("OSError: 20", "a file is there where a folder must be"),
        ("OSError: [Errno 20] ENOTDIR", "a file is there where a folder must be"),
        ("OSError: (28, 'x')", "its file system is full"),
        ("OSError: ENOSPC", "its file system is full"),
        ("OSError: 30", "its file system is read-only"),
        ("OSError: 36", "a name is longer than its file system takes"),
        ("OSError: 84", "its file system is damaged"),
        ("OSError: [Errno 19] ENODEV", "it has no file system"),
        ("OSError: 4711", "its file system refuses (error 4711)"),
        ("MemoryError: memory allocation failed, allocating 9 bytes", "its memory is full"),
        ("ValueError: incorrect padding", "what was sent arrived garbled"),
        ("SyntaxError: invalid syntax", "what was sent arrived garbled"),
        ("NameError: name 'hash_files' isn't defined", "it has been reset in the middle"),
        ("ImportError: no module named 'hashlib'", "its firmware lacks a module"),
        ("KeyboardInterrupt: ", "somebody pressed Ctrl-C"),
    ],
)
def test_what_a_board_raises(last_line: str, said: str) -> None:
    text = explanation(last_line)
    assert text.startswith(said)
    assert ", then try again" in text
    # A number says nothing to a person; what is a guess shows what it is made of.
    assert ("OSError" in text) is False
    assert text.endswith(f"(the board says {last_line})") is not last_line.startswith("OSError")


def test_what_is_not_known_is_passed_on(files: BoardFiles) -> None:
    assert explanation("RuntimeError: something new") == ""
    with pytest.raises(BoardError, match=r"testing: the board says ZeroDivisionError"):
        files.link.run("1 / 0", doing="testing")


@pytest.mark.parametrize(
    ("line", "number", "said"),
    [
        ("id = “cp-7”", 2, "write quotes as \" or '"),
        ("id = 'a'\nled = True", 3, "write true and false in small letters"),
        ("id = None", 2, "TOML has no None: leave the key out"),
        ('id = "C:\\Users"', 2, "write the text in '...'"),
        ("id = cp-7", 2, "a text stands in quotes"),
        ("id: 'cp-7'", 2, "a line is KEY = VALUE or [TABLE]"),
        ("id = 'a' kind = 'b'", 2, "each KEY = VALUE has a line of its own"),
        ("id = 'a'\nid = 'b'", 3, "a key is there twice"),
        ("id = 'a'\n[hub]\n[device]", 4, "the table [device] is there twice: make one of them"),
        ("id = 'a", 2, "is a quote missing?"),
        ("id = ['a'\nx = 1\ny = 2", 3, "is a bracket missing?"),
    ],
)
def test_what_is_not_toml(tmp_path: Path, line: str, number: int, said: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(f"[device]\n{line}\n", "utf-8")
    with pytest.raises(HubtoolError) as caught:
        load_configuration(path)
    assert str(caught.value).startswith(f"{path}:{number}: not TOML: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("https://exa mple.com", "'exa mple.com' is no host name"),
        ("https://bücher.example", "write 'xn--bcher-kva.example'"),
        ("https://[::1", "an endpoint is a scheme, a host"),
        ("https://h:0", "an endpoint is a scheme, a host"),
        ("https://h:99999", "an endpoint is a scheme, a host"),
        ("https://a\u2100b", "an endpoint is a scheme, a host"),
    ],
)
def test_hosts_that_are_none(endpoint: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        split_endpoint(endpoint)


@pytest.mark.parametrize(
    "host", ["localhost", "a.b-c.example", "192.0.2.1", "[::1]", "[fe80::1%en0]"]
)
def test_hosts(host: str) -> None:
    assert split_endpoint(f"https://{host}:7443").port == 7443


@pytest.mark.parametrize("url", ["wss://[x/client/hubs/h", "wss://a\u2100b/client/hubs/h"])
def test_urls_that_python_does_not_split(url: str) -> None:
    with pytest.raises(HubtoolError, match="no client access URL"):
        read_url(Secret(url))


@pytest.mark.parametrize("claims", [{"aud": None}, {"aud": 7}, {"exp": 1e300}, {"exp": "soon"}])
def test_claims_of_another_kind(make_jwt: Callable[..., str], claims: dict[str, object]) -> None:
    head, _, signature = make_jwt().split(".")
    body = json.dumps(claims).encode()
    encoded = base64.urlsafe_b64encode(body).decode().rstrip("=")
    token = f"{head}.{encoded}.{signature}"
    with pytest.raises(HubtoolError, match="make one with `hubtool token`"):
        read_token(Secret(token))


@pytest.mark.parametrize("ca", ['"~nosuch-user/ca.pem"', r'"a\u0000b"'])
def test_paths_that_are_none(settings_path: Path, ca: str) -> None:
    text = settings_path.read_text("utf-8") + f"\n[tls]\nca = {ca}\n"
    settings_path.write_text(text, "utf-8")
    with pytest.raises(HubtoolError, match=r"board\.toml:26: tls\.ca: .*(cannot be read|no path)"):
        load_configuration(settings_path)


def test_a_secret_that_is_no_text(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_WIFI_PASSWORD", "\udcffhunter22")
    assert main(["configure", "--dry-run", str(settings_path)]) == 1
    error = capsys.readouterr().err
    assert (
        "wifi.password: Wi-Fi password: what the environment variable holds is not text" in error
    )
    assert "hunter" not in error


@pytest.mark.parametrize("table", ["device = 1\n", "hub = 1\n"])
def test_a_value_in_place_of_a_table_that_the_command_line_changes(
    tmp_path: Path, make_jwt: Callable[..., str], table: str
) -> None:
    path = tmp_path / "board.toml"
    path.write_text(table, "utf-8")
    url = Secret(f"ws://127.0.0.1:7080/client/hubs/chargers?access_token={make_jwt()}")
    with pytest.raises(HubtoolError, match=r":1: (device|hub): must be a table"):
        load_configuration(path, url, "cp-1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("5", "must be a table"),
        ('{"access_points": 5}', "access_points: must be a list"),
        ('{"access_points": ["a"]}', r"access_points\[0\]: must be a table"),
        ('{"access_points": [{"ssd": "a"}]}', r"access_points\[0\]\.ss"),
        ('{"access_points": [{"ssid": 5}]}', r"access_points\[0\]\.ssid: must be a text"),
        ('{"connect_seconds": "long"}', "connect_seconds: must be a number"),
        ('{"acces_points": []}', "acces_points: unknown key"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_radio_files(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "radio.json"
    path.write_text(content)
    with pytest.raises(SimulatorError, match=said) as caught:
        Radio().load(path)
    for word in ("argument", "object", "attribute", "Input", "valid "):
        assert word not in str(caught.value)
