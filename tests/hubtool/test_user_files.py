"""Files as people write and save them: byte order marks, other encodings, lines, words."""

from __future__ import annotations

import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from hubtool.board.deployment import prepare
from hubtool.device_build.build_map import BuildMap, MapError, read_map
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.servers.handler_table import load_handler_table
from hubtool.servers.negotiate_table import load_negotiate_table
from hubtool.settings.configuration import load_configuration
from hubtool.settings.roots import read_certificates
from hypothesis import given
from hypothesis import strategies as st
from localhub import Config, ConfigError
from micropython_webpubsub.boards import BoardError, load_board
from micropython_webpubsub.text_files import NotUtf8, decode_text
from micropython_webpubsub.toml_lines import line_of, lines_of
from simboard import Radio, SimulatorError

Command = Callable[..., "subprocess.CompletedProcess[bytes]"]

BOM = b"\xef\xbb\xbf"
MAP = BuildMap(lines=False, names={"a": "b"}, files={}, functions={}, texts={1: "Säule"})


@pytest.mark.parametrize("data", [b"a\nb", BOM + b"a\r\nb", b"a\rb"])
def test_text_in_utf8(data: bytes) -> None:
    assert decode_text(data) == "a\nb"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_refused_by_its_name(encoding: str) -> None:
    with pytest.raises(NotUtf8, match="UTF-16, not in UTF-8: save it as UTF-8"):
        decode_text("device = 1\n".encode(encoding))
    with pytest.raises(NotUtf8, match="UTF-32"):
        decode_text("device = 1\n".encode("utf-32"))


def test_the_line_that_is_not_utf8_is_named() -> None:
    with pytest.raises(NotUtf8, match=r"\(line 2\): save it as UTF-8"):
        decode_text("a = 1\nname = 'Büro'\n".encode("latin-1"))


@given(st.text(max_size=40))
def test_every_text_in_utf8_comes_through(text: str) -> None:
    clean = "".join(mark for mark in text if mark not in "\r\x00").lstrip("\ufeff")
    assert decode_text(clean.encode("utf-8", "ignore")) == clean.encode("utf-8", "ignore").decode()


@pytest.mark.parametrize("start", [b"", BOM])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_settings_with_a_byte_order_mark(
    settings_path: Path, start: bytes, line_end: bytes
) -> None:
    settings_path.write_bytes(start + settings_path.read_bytes().replace(b"\n", line_end))
    assert load_configuration(settings_path).settings.device.id == "CP-7"


def test_settings_in_utf16(settings_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings_path.write_bytes(settings_path.read_text("utf-8").encode("utf-16"))
    assert main(["configure", "--dry-run", str(settings_path)]) == 1
    error = capsys.readouterr().err
    assert error == f"hubtool: {settings_path}: text in UTF-16, not in UTF-8: save it as UTF-8\n"


@pytest.mark.parametrize("start", [b"", BOM])
def test_a_program_and_what_goes_onto_the_board(tmp_path: Path, start: bytes) -> None:
    app = tmp_path / "app.py"
    app.write_bytes(start + "async def main(client, settings):\n    print('Säule')\n".encode())
    payload = next(item for item in prepare(app) if item.path == "/app.py")
    assert payload.data == app.read_bytes().removeprefix(BOM)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("pass\n".encode("utf-16"), "text in UTF-16, not in UTF-8: save it as UTF-8"),
        ("pass\n# Säule\n".encode("latin-1"), r"not text in UTF-8 \(line 2\): save it"),
        (BOM + b"pass\nif\n", r"app\.py:2: SyntaxError"),
    ],
)
def test_programs_that_no_board_reads(tmp_path: Path, data: bytes, said: str) -> None:
    app = tmp_path / "app.py"
    app.write_bytes(data)
    with pytest.raises(HubtoolError, match=said):
        prepare(app)


def test_certificates_as_windows_saves_them(tmp_path: Path) -> None:
    path, pem = tmp_path / "ca.pem", trustme.CA().cert_pem.bytes()
    path.write_bytes(pem)
    plain = read_certificates(path)
    path.write_bytes(BOM + pem.replace(b"\n", b"\r\n"))
    assert read_certificates(path) == plain
    path.write_bytes(pem.decode().encode("utf-16"))
    with pytest.raises(HubtoolError, match=r"ca\.pem: text in UTF-16"):
        read_certificates(path)


@pytest.mark.parametrize("start", [b"", BOM])
def test_other_files_of_people(tmp_path: Path, start: bytes) -> None:
    board = (Path(__file__).parents[2] / "boards" / "simulated.toml").read_bytes()
    (tmp_path / "simulated.toml").write_bytes(start + board)
    assert load_board(tmp_path / "simulated.toml").id == "simulated"
    (tmp_path / "radio.json").write_bytes(start + b'{"access_points": [{"ssid": "a"}]}')
    radio = Radio()
    radio.load(tmp_path / "radio.json")
    radio.set_active(0, True)
    assert [found[0] for found in radio.scan()] == ["a"]
    (tmp_path / "hub.toml").write_bytes(start + b'[service]\nhost = "::1"\n')
    assert Config.load(tmp_path / "hub.toml").service.host == "::1"
    (tmp_path / "map.json").write_bytes(start + MAP.to_json().encode())
    assert read_map(tmp_path / "map.json") == MAP


def test_other_files_of_people_in_utf16(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes("id = 'x'\n".encode("utf-16"))
    for read in (load_board, Config.load, Radio().load, read_map):
        with pytest.raises(
            (BoardError, ConfigError, SimulatorError, MapError), match="UTF-16, not in UTF-8"
        ):
            read(path)


def test_a_log_with_a_mark_and_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(BOM + b"[hub] ready\r\n\xff\xfe\x80 noise\n")
    assert main(["explain", str(log)]) == 0
    assert capsys.readouterr().out == "[hub] ready\n\ufffd\ufffd\ufffd noise\n"
    log.write_bytes("[hub] ready\n".encode("utf-16"))
    assert main(["explain", str(log)]) == 1
    assert (
        capsys.readouterr().err
        == f"hubtool: {log}: text in UTF-16, not in UTF-8: save it as UTF-8\n"
    )


def test_a_log_with_noise_by_standard_input(hubtool: Command) -> None:
    done = hubtool("explain", input=BOM + b"[hub] ready\n\xff\x80 noise\n", encoding="cp1252")
    assert done.returncode == 0
    assert b"[hub] ready" in done.stdout
    assert b"noise" in done.stdout
    assert done.stderr == b""


DOCUMENT = '''\
# a = 1
title = "x # [not.a.table]"
"quoted.key".'other' = """
[neither]
this = 1"""""
[[rules]]
id = 1
match = { query.id = "CP-*", list = [ 1, { a = 1 },
  { b = [[], [ "]" ]] } ] }
when = 1979-05-27 07:32:00  # a date

[rules.more]
x = \'\'\'
y = 2
\'\'\'
[[rules]]
id = 2
  [[rules.inner]]
  k = -1.5e3
  [[rules.inner]]
  k = true
[ after . "the end" ]
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("title",), 2),
        (("quoted.key", "other"), 3),
        (("rules", 0, "id"), 7),
        (("rules", 0, "match", "query", "id"), 8),
        (("rules", 0, "match", "list", 1, "a"), 8),
        (("rules", 0, "match", "list", 2, "b"), 9),
        (("rules", 0, "when"), 10),
        (("rules", 0, "more", "x"), 13),
        (("rules", 0, "more", "absent"), 12),
        (("rules", 1), 16),
        (("rules", 1, "id"), 17),
        (("rules", 1, "inner", 0, "k"), 19),
        (("rules", 1, "inner", 1, "k"), 21),
        (("after", "the end"), 22),
        (("nowhere",), 1),
    ],
)
def test_lines_of_keys(location: tuple[int | str, ...], line: int) -> None:
    tomllib.loads(DOCUMENT)
    assert line_of(lines_of(DOCUMENT), location) == line


def _paths(content: Any, above: tuple[int | str, ...] = ()) -> set[tuple[int | str, ...]]:
    found: set[tuple[int | str, ...]] = set()
    if isinstance(content, dict):
        for key, value in content.items():
            found |= {(*above, key)} | _paths(value, (*above, key))
    if isinstance(content, list):
        for number, value in enumerate(content):
            if isinstance(value, dict):
                found |= {(*above, number)} | _paths(value, (*above, number))
            else:
                found |= _paths(value, (*above, number))
    return found


@pytest.mark.parametrize("name", ["pyproject.toml", "boards/esp32_generic.toml"])
def test_no_key_of_a_large_file_is_missed(name: str) -> None:
    text = (Path(__file__).parents[2] / name).read_text("utf-8")
    assert set(lines_of(text)) == _paths(tomllib.loads(text))
    assert set(lines_of(DOCUMENT)) == _paths(tomllib.loads(DOCUMENT))


RULE = '[[handler.devices]]\nmatch = {{ query.id = "CP-{}" }}\nuser_id = "CP-{}"\n'


def test_a_mistake_among_thousands_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    rules = "".join(RULE.format(number, number) for number in range(4000))
    path.write_text(f'{rules}[[handler.devices]]\nmatch = {{ query.id = "x" }}\nroless = []\n')
    started = time.process_time()
    with pytest.raises(HubtoolError, match=rf"{path.name}:12003: .*roless: unknown key"):
        load_handler_table(path)
    # Looking for the line by trying out how much of the file parses took 60 s for 1,000 rules.
    assert time.process_time() - started < 10


DEVICE = '[[negotiate.devices]]\nid = "CP-{}"\nkey = {{ file = "k" }}\n'
TABLE = '[negotiate]\nhub = "h"\nconnection_string = { env = "C" }\n'


def test_a_device_that_is_there_twice_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    devices = "".join(DEVICE.format(number) for number in (*range(3000), 1234))
    path.write_text(TABLE + devices)
    started = time.process_time()
    with pytest.raises(HubtoolError, match=r"hub\.toml:9005: .*'CP-1234' is there twice"):
        load_negotiate_table(path)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("interval = 5", 'interval = "often"', 16, "must be a number, without quotes"),
        ("interval = 5", "interval = []", 16, "must be a number"),
        ('kind = "charging-point"', 'led = "two"', 3, "must be a whole number, without quotes"),
        ('kind = "charging-point"', "led = 1.5", 3, "must be a whole number"),
        ('users = ["operator"]', "users = 7", 19, "must be a list"),
        ('users = ["operator"]', "users = [7]", 19, "must be a text"),
        ('users = ["operator"]', 'users = [""]', 19, "must not be empty"),
        ('ssid = "depot"', 'ssid = "depot"\nopen = "perhaps"', 12, "must be true or false"),
        ('kind = "charging-point"', 'kind = """\n"""\nid2 = 1', 5, "unknown key"),
        ('query = { id = "CP-7" }', 'query = "id"', 8, "must be a table"),
        ('query = { id = "CP-7" }', 'protocol = "mqtt"', 8, "must be 'json.reliable"),
        ('{ env = "TEST_WIFI_PASSWORD" }', '{ evn = "A" }', 12, "did you mean 'env'"),
        ('"127.0.0.1:1123"', "1", 23, "must be a text"),
        ("[clock]", "[ethernet]\nphy = 'lan'\n[clock]", 23, "such as 'LAN8720'"),
        ("[clock]", "[log]\nlevel = 'loud'\n[clock]", 23, "must be 'quiet', 'info' or 'debug'"),
        ('id = "CP-7"\nkind', 'id = "CP-7\nkind', 2, "not TOML"),
    ],
)
def test_errors_are_in_the_words_of_the_file(
    settings_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = settings_path.read_text("utf-8")
    assert old in text
    settings_path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(HubtoolError) as caught:
        load_configuration(settings_path)
    assert str(caught.value).startswith(f"{settings_path}:{line}: ")
    assert said in str(caught.value)
    for word in ("Input", "valid", "pars", "String", "Tuple", "characters after"):
        assert word not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("match = { query.id = 7 }", "2: handler.devices.0.match.query.id: must be a text"),
        ("match = { query.id = { evn = 'A' } }", "match.query.id.evn: unknown key: did you mean"),
        ("match = 7", "handler.devices.0.match: must be a table"),
        ("match = { query.id = 'a' }\nroles = 'b'", "3: handler.devices.0.roles: must be a list"),
    ],
)
def test_a_rule_is_told_by_its_own_keys(tmp_path: Path, rule: str, said: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f"[[handler.devices]]\n{rule}\n")
    with pytest.raises(HubtoolError) as caught:
        load_handler_table(path)
    assert said in str(caught.value)


def test_nesting_without_end(settings_path: Path) -> None:
    settings_path.write_text("x = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(HubtoolError, match="too deep"):
        load_configuration(settings_path)
