"""Secrets that were given in the wrong place are not printed back."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hubtool.errors import HubtoolError
from hubtool.hiding import concealed, is_path, is_variable_name
from hubtool.main import main
from hubtool.secrets import Secret, SecretSource
from hubtool.settings.configuration import load_configuration
from hubtool.settings.summary import describe
from hubtool.tokens.maker import parse_connection_string

KEY = "Qm9vYmFyQm9vYmFyQm9vYmFyQm9vYmFyQm9v+/a="
CONNECTION_STRING = f"Endpoint=http://127.0.0.1:7390;AccessKey={KEY};Version=1.0;"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJodHRwIn0.c2lnbmF0dXJlLW9mLWE"
URL = f"wss://host.example/client/hubs/chargers?access_token={TOKEN}"
PASSWORD = "correcthorse"


@pytest.mark.parametrize(
    ("words", "secret"),
    [
        (["token", "h", "--lifetime", "1h", "--connection-string-env", CONNECTION_STRING], KEY),
        (["token", "h", "--lifetime", "1h", "--connection-string-file", CONNECTION_STRING], KEY),
        (["token", "h", "--connection-string", CONNECTION_STRING], KEY),
        (["token", "h", "--lifetime", "1h", f"--connection-string={CONNECTION_STRING}"], KEY),
        (["token", "h", "--lifetime", "1h", "--entra", "--endpoint", CONNECTION_STRING], KEY),
        (["token", CONNECTION_STRING, "--lifetime", "1h"], KEY),
        ([CONNECTION_STRING], KEY),
        (["configure", URL], TOKEN),
        (["configure", "--url", URL], TOKEN),
        (["configure", f"--url={URL}"], TOKEN),
        (["configure", "board.toml", "--url", URL], TOKEN),
        (["configure", "board.toml", "--token", TOKEN], TOKEN),
        (["configure", "--json", "--dry-run", "--url-env", URL], TOKEN),
        (["configure", "--json", "--dry-run", "--url-file", URL], TOKEN),
        (["configure", "--dry-run", "--url-env", TOKEN], TOKEN),
        (["configure", "--dry-run", "--url-file", TOKEN], TOKEN),
        (["configure", "board.toml", "--password", PASSWORD], PASSWORD),
        (["configure", "board.toml", f"--password={PASSWORD}"], PASSWORD),
        (["configure", "--dry-run", "--url-file", f"~{PASSWORD}"], PASSWORD),
        (["monitor", "--port", URL], TOKEN),
        (["deploy", "--app", URL], TOKEN),
        (["flash", URL], TOKEN),
        (["serve", "--config", CONNECTION_STRING], KEY),
        (["serve", "--port", CONNECTION_STRING], KEY),
    ],
)
def test_a_secret_on_the_command_line_is_not_said(
    words: list[str], secret: str, settings_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(settings_path.parent)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with contextlib.suppress(SystemExit):  # argparse, for wrong usage
        assert main(words) in (1, 3)
    output, error = capsys.readouterr()
    assert error
    assert secret not in output + error


@pytest.mark.parametrize(
    "place",
    [
        {"env": PASSWORD},
        {"env": KEY},
        {"env": "5F0D4C7A91B2E83C66D7"},
        {"env": "5F0D4C7A91B2E83C66D7_9A"},
        {"env": "A" * 20},
        {"file": PASSWORD},
        {"file": KEY},
        {"file": TOKEN},
        {"file": f"~{PASSWORD}"},
        {"file": f"{PASSWORD}\0"},
    ],
)
def test_a_secret_in_its_own_place_is_not_said(place: dict[str, str], tmp_path: Path) -> None:
    source = SecretSource(**place)
    with pytest.raises(HubtoolError, match="not shown") as caught:
        source.resolve("Wi-Fi password", tmp_path)
    (given,) = place.values()
    assert given not in str(caught.value)
    assert given not in str(source)


def test_names_that_are_none_of_a_secret_are_said(tmp_path: Path) -> None:
    for name in ("WIFI_PASSWORD", "TOKEN", "KEY_2", "_KEY"):
        with pytest.raises(HubtoolError, match=f"variable {name} is not set"):
            SecretSource(env=name).resolve("x", tmp_path)
    (tmp_path / "keys").mkdir()
    for file in ("wifi.txt", "/run/secrets/wifi.key", str(tmp_path / "keys" / "depotkeys")):
        with pytest.raises(HubtoolError, match=f"cannot read .*{file}: No such file"):
            SecretSource(file=file).resolve("x", tmp_path)
    assert is_variable_name("CONNECTION_STRING")
    assert not is_variable_name("wifi_password"), "POSIX: capitals"
    assert is_path("folder/wifi.txt")


@pytest.mark.parametrize(
    "text",
    [
        f"Endpoint={KEY};AccessKey=https://host;",
        f"Endpoint=https://host {KEY};AccessKey=x;",
        f"Endpoint=https://[{KEY};AccessKey=x;",
        f"Endpoint=https://host;{KEY}",
        f"https://host;AccessKey {KEY}",
    ],
)
def test_a_connection_string_that_is_mixed_up_is_not_quoted(text: str) -> None:
    with pytest.raises(HubtoolError, match=r"it looks like|copy the whole line") as caught:
        parse_connection_string(Secret(text))
    assert KEY.rstrip("=") not in str(caught.value)


def test_an_empty_name_is_no_name(capsys: pytest.CaptureFixture[str], settings_path: Path) -> None:
    # As from a shell's "$URL" that is not set: the file's own credential is not what was meant.
    assert main(["configure", "--dry-run", "--url-env", "", str(settings_path)]) == 1
    assert "--url-env is empty" in capsys.readouterr().err
    with pytest.raises(HubtoolError, match="the name of the variable is empty"):
        SecretSource(env="").resolve("x", settings_path.parent)


def test_a_key_in_the_query_is_hidden(settings_path: Path) -> None:
    text = settings_path.read_text().replace(
        'query = { id = "CP-7" }', f'query = {{ id = "CP-7", key = "{PASSWORD}" }}'
    )
    settings_path.write_text(text)
    shown = dict(describe(load_configuration(settings_path)))
    assert shown["credential"] == "anonymous, query id=CP-7&key=(hidden)"


def test_what_a_secret_looks_like_is_taken_out() -> None:
    assert concealed(f"{CONNECTION_STRING}: no") == (
        "Endpoint=http://127.0.0.1:7390;AccessKey=...;Version=1.0;: no"
    )
    assert concealed("at http://me:geheim@host/x") == "at http://...@host/x"
    assert concealed(f"a {TOKEN}.") == "a (not shown)."
    remedy = "it looks like Endpoint=https://...;AccessKey=...;Version=1.0;"
    assert concealed(remedy) == remedy


@pytest.mark.parametrize("option", ["--port", "--board", "--app"])
def test_an_option_given_twice_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["deploy", option, "a", option, "b"])
    assert caught.value.code == 2
    assert f"{option}: given several times" in capsys.readouterr().err
