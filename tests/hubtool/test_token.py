"""Client Access Tokens from a connection string."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import sys
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.tokens.maker import parse_lifetime

KEY = "A" * 43 + "="
CONNECTION_STRING = f"Endpoint=https://contoso.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
AUDIENCE = "https://contoso.webpubsub.azure.com/client/hubs/chargers"
FROM_ENV = ["--connection-string-env", "TEST_CONNECTION_STRING"]


@pytest.fixture(autouse=True)
def connection_string(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CONNECTION_STRING", CONNECTION_STRING)


def test_the_token_alone_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--user-id", "CP-7", "--role", "webpubsub.sendToGroup.telemetry"]
    arguments += ["--group", "commands", "--lifetime", "90d"]
    assert main(["token", "chargers", *FROM_ENV, *arguments]) == 0
    output, error = capsys.readouterr()
    claims = jwt.decode(output.strip(), KEY, algorithms=["HS256"], audience=AUDIENCE)
    assert claims["sub"] == "CP-7"
    assert claims["role"] == ["webpubsub.sendToGroup.telemetry"]
    assert claims["webpubsub.group"] == ["commands"]
    assert claims["exp"] - claims["iat"] == 90 * 24 * 3600
    assert "expires 20" in error
    assert KEY not in output + error


def test_the_whole_url(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "chargers", *FROM_ENV, "--lifetime", "1h", "--url"]) == 0
    url = capsys.readouterr().out
    assert url.startswith("wss://contoso.webpubsub.azure.com/client/hubs/chargers?access_token=ey")


def test_output_goes_to_a_file_for_nobody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    assert main(["token", "chargers", *FROM_ENV, "--lifetime", "1h", "--output", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert jwt.decode(path.read_text().strip(), options={"verify_signature": False})
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    assert main(["token", "chargers", *FROM_ENV, "--lifetime", "1h", "--output", str(path)]) == 1
    assert "No space left on device: name another file" in capsys.readouterr().err
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="needs links and pipes in the file system")
def test_output_through_a_link_and_into_a_pipe(tmp_path: Path) -> None:
    path, link, pipe = tmp_path / "token", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(path)
    common = ["token", "chargers", *FROM_ENV, "--lifetime", "1h", "--output"]
    assert main([*common, str(link)]) == 0
    assert link.is_symlink()
    assert path.read_text().startswith("ey")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main([*common, str(pipe)]) == 0
        assert os.read(reader, 100).startswith(b"ey")
    finally:
        os.close(reader)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "chargers", *FROM_ENV, "--lifetime", "1h", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"token", "expires"}


def test_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "connection"
    path.write_text(CONNECTION_STRING + "\n")
    assert main(["token", "h", "--connection-string-file", str(path), "--lifetime", "5m"]) == 0
    assert capsys.readouterr().out.startswith("ey")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lifetime_and_connection_string_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("12h\n"))
    monkeypatch.setattr("getpass.getpass", lambda _prompt: CONNECTION_STRING)
    assert main(["token", "chargers"]) == 0
    output, error = capsys.readouterr()
    claims = jwt.decode(output.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 12 * 3600
    assert "Lifetime" in error


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["chargers"], None, "--lifetime"),
        (["chargers", "--lifetime", "soon"], None, "'soon' is no lifetime: write 60m, 12h or 90d"),
        (["chargers", "--lifetime", "0m"], None, "no lifetime"),
        (["chargers", "--lifetime", "9999d"], None, "from 1m to 3650d"),
        (["char gers", "--lifetime", "1h"], None, "no hub name"),
        (["h", "--lifetime", "1h", "--role", "sendToGroup"], None, "is no role"),
        (["h", "--lifetime", "1h"], "", "TEST_CONNECTION_STRING is not set"),
        (["h", "--lifetime", "1h"], f"Endpoint=https://x;{KEY[:-1]}", "a part without '='"),
        (["h", "--lifetime", "1h"], f"AccessKey={KEY}", "has no endpoint"),
        (["h", "--lifetime", "1h"], "Endpoint=https://x;", "has no accesskey"),
        (["h", "--lifetime", "1h"], f"Endpoint=x.com;AccessKey={KEY}", "starts with https://"),
    ],
)
def test_bad_input_is_one_line_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    if environment is not None:
        monkeypatch.setenv("TEST_CONNECTION_STRING", environment)
    assert main(["token", *arguments, *FROM_ENV]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert said in error
    assert error.count("\n") == 1
    assert KEY[:-1] not in error


def test_a_prompt_needs_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(CONNECTION_STRING))
    assert main(["token", "chargers", "--lifetime", "1h"]) == 1
    assert "no terminal to ask on" in capsys.readouterr().err


def test_the_key_cannot_be_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["token", "chargers", "--connection-string", CONNECTION_STRING])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("text", "minutes"), [("60m", 60), ("12h", 720), ("90d", 129600), (" 1D ", 1440)]
)
def test_lifetimes(text: str, minutes: int) -> None:
    assert parse_lifetime(text) == timedelta(minutes=minutes)
    with pytest.raises(HubtoolError):
        parse_lifetime(text.strip()[:-1])


def test_a_key_that_was_cut_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHORT", "Endpoint=http://127.0.0.1;AccessKey=abcde;Version=1.0;")
    words = ["token", "chargers", "--lifetime", "1h", "--connection-string-env", "SHORT"]
    assert main(words) == 0
    output, error = capsys.readouterr()
    assert output.count("\n") == 1
    first, second = error.splitlines()
    assert first.startswith("hubtool: the AccessKey has fewer than 32 characters: was it copied")
    assert second.startswith("hubtool: expires")
    assert "abcde" not in error
