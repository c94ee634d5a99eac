"""Consoles that lack characters, prompts, and passwords with white space."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.secrets import from_environment, from_file, space_note
from hubtool.settings.configuration import load_configuration

Command = Callable[..., "subprocess.CompletedProcess[bytes]"]
BOM = b"\xef\xbb\xbf"
SSID = "Café 📶"


@pytest.fixture
def with_emoji(settings_path: Path) -> str:
    """A settings file with a name of a network that few code pages have."""
    text = settings_path.read_text("utf-8").replace('"depot"', f'"{SSID}"')
    settings_path.write_text(text, "utf-8")
    return str(settings_path)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp437", "ascii", "cp932", "utf-16-le"])
def test_a_console_that_lacks_characters(hubtool: Command, with_emoji: str, encoding: str) -> None:
    done = hubtool("configure", "--dry-run", with_emoji, encoding=encoding)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    lines = done.stdout.decode(encoding)
    shown = SSID.encode(encoding, "backslashreplace").decode(encoding)
    assert f"Wi-Fi:      {shown} (password hidden)" in lines
    done = hubtool("configure", "--dry-run", "--json", with_emoji, encoding=encoding)
    document = json.loads(done.stdout.decode(encoding))
    assert document["settings"]["Wi-Fi"] == f"{SSID} (password hidden)"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_errors_on_a_console_that_lacks_characters(
    hubtool: Command, tmp_path: Path, encoding: str
) -> None:
    name = str(tmp_path / "📶.toml")
    done = hubtool("configure", "--dry-run", "--json", name, encoding=encoding)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"\\U0001f4f6.toml: cannot be read" in done.stderr
    assert json.loads(done.stdout)["error"].startswith(f"{name}: cannot be read")


def test_a_path_that_is_no_text(hubtool: Command, tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff.toml")
    done = hubtool("configure", "--dry-run", "--json", name)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"].startswith(f"{name}: cannot be read")


def typed(words: list[str], keys: bytes, prompt: bytes) -> tuple[int, str]:
    """Run hubtool on a terminal and press keys when it asks; its exit code and what it shows."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "hubtool", *words])
    shown, pressed, deadline = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
            if prompt in shown and not pressed:
                pressed = True
                time.sleep(0.2)  # getpass empties what was typed before it asked
                os.write(terminal, keys)
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            if time.monotonic() >= deadline:
                os.kill(child, 9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode(errors="replace")


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (b"\x04", "wifi.password: Wi-Fi password: nothing was typed"),
        (b"\n", "nothing was typed"),
        (b"   \n", "nothing was typed"),
        (b"\xff\xfe1234567\n", "what was typed is not text: use a file in UTF-8"),
    ],
)
def test_a_prompt_without_an_answer(settings_path: Path, keys: bytes, said: str) -> None:
    text = settings_path.read_text("utf-8").replace('env = "TEST_WIFI_PASSWORD"', "prompt = true")
    settings_path.write_text(text, "utf-8")
    words = ["configure", "--dry-run", str(settings_path)]
    code, shown = typed(words, keys, b"Wi-Fi password (not shown): ")
    assert code == 1
    assert "Traceback" not in shown
    assert said in shown.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_ctrl_d_where_a_lifetime_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "k" * 40
    monkeypatch.setenv("TEST_CS", f"Endpoint=http://127.0.0.1:1;AccessKey={key};Version=1.0;")
    words = ["token", "chargers", "--connection-string-env", "TEST_CS"]
    code, shown = typed(words, b"\x04", b"Lifetime of the token")
    assert code == 1
    assert "Traceback" not in shown
    assert "nothing was typed" in shown.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"trailing1 ", "trailing1 "),
        (b"trailing1 \n", "trailing1 "),
        (b" leading1\r\n", " leading1"),
        (b"\ttabbed1\n\n", "\ttabbed1"),
        (BOM + b"in between 1\r\n", "in between 1"),
        (BOM + b"plain123", "plain123"),
    ],
)
def test_white_space_is_part_of_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, password: str
) -> None:
    path = tmp_path / "wifi.txt"
    path.write_bytes(content)
    assert from_file(path, "password", exact=True).get_secret_value() == password
    # A token has none in it: what a shell or an editor adds goes.
    assert from_file(path, "token").get_secret_value() == password.strip()
    monkeypatch.setenv("TEST_SECRET", content.removeprefix(BOM).decode())
    assert from_environment("TEST_SECRET", "p", exact=True).get_secret_value() == password
    note = space_note("password", from_file(path, "password", exact=True))
    assert (note is None) is (password == password.strip())
    assert note is None or ("begins" if password[0] in " \t" else "ends") in note


def test_white_space_in_a_password_gets_a_word(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_WIFI_PASSWORD", "trailing1 ")
    secrets = load_configuration(settings_path).secrets
    assert secrets.wifi_password.get_secret_value() == "trailing1 "
    assert main(["configure", "--dry-run", str(settings_path)]) == 0
    error = capsys.readouterr().err
    assert error == (
        "hubtool: the Wi-Fi password ends with white space, and that is taken for a part of it\n"
    )


@pytest.mark.parametrize("content", [b"", b" ", b"\r\n", b" \t\n", BOM])
@pytest.mark.parametrize("exact", [True, False])
def test_a_blank_file_is_no_secret(tmp_path: Path, content: bytes, exact: bool) -> None:
    path = tmp_path / "wifi.txt"
    path.write_bytes(content)
    with pytest.raises(HubtoolError, match=r"password: .*wifi\.txt is empty"):
        from_file(path, "password", exact=exact)


def test_a_secret_in_utf16(tmp_path: Path) -> None:
    path = tmp_path / "wifi.txt"
    path.write_bytes("correct horse\r\n".encode("utf-16"))
    with pytest.raises(HubtoolError, match=r"wifi\.txt: text in UTF-16, not in UTF-8") as caught:
        from_file(path, "password")
    assert "horse" not in str(caught.value)
