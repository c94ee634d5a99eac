"""Hub settings: refused on the laptop, or written so that a board never has half of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hubtool.board.files import BoardFiles
from hubtool.board.serial_link import SerialLink
from hubtool.errors import DeviceRefused, HubtoolError
from hubtool.main import main
from hubtool.secrets import Secret
from hubtool.settings.configuration import load_configuration
from hubtool.settings.plan import plan_configure
from hubtool.settings.record import LARGEST_RECORD, record
from hubtool.settings.roots import AZURE_ROOTS, azure_root
from hubtool.settings.summary import describe, notes
from hubtool.steps import Quiet, run_plan
from micropython_webpubsub.assets import client_folder, firmware_folder
from simboard.board import SimulatedBoard

MakeJwt = Callable[..., str]

# What the firmware itself makes of the settings: its own module decides.
_ASK_FIRMWARE = """
import sys
sys.path.insert(0, '/lib')
from firmware import settings
try:
    s = settings.load()
    print(repr((s.generation, s.device_id, s.token, s.ca_size, s.notice)))
except settings.SettingsError as e:
    print(repr(str(e)))
"""


def with_firmware(files: BoardFiles) -> None:
    """Put the firmware's reader of settings on a board."""
    for name in ("__init__.py", "records.py", "settings.py", "runtime.py"):
        files.replace(f"/lib/firmware/{name}", (firmware_folder() / name).read_bytes())
    for name in ("__init__.py", "compat.py", "memory.py"):
        files.replace(f"/lib/webpubsub/{name}", (client_folder() / name).read_bytes())


def configure(files: BoardFiles, path: Path) -> list[str]:
    """Write settings and tell what was done."""
    results = run_plan(plan_configure(files, load_configuration(path)), Quiet())
    return [result.name for result in results if result.status == "done"]


def changed(path: Path, old: str, new: str) -> Path:
    """The settings file with one change."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"http://127', '"127', 6, r"hub\.endpoint: an endpoint starts with https://"),
        ("http://127.0.0.1", "http://127.0.0.1/x", 6, "an endpoint ends after the host"),
        ('"chargers"', '"cha rgers!"', 7, r"hub\.name: .*it has ' ' '!'.*use 1 to 128 letters"),
        ('"chargers"', '"7chargers"', 7, "does not begin with a letter"),
        ('name = "chargers"', 'anonymous = true\nname = "chargers"', 7, "without 'token'"),
        ("interval = 5", "intervall = 5", 16, "unknown key: did you mean 'interval'"),
        ("interval = 5", "interval = 0.01", 16, "greater than or equal to 0.1"),
        ("[telemetry]", "[telemetri]", 14, "unknown key: did you mean 'telemetry'"),
        ('kind = "charging-point"', "nonsense = 1", 3, "known here: id, kind"),
        ('id = "CP-7"\nkind', "kind", 1, r"device\.id: this key is missing"),
        ('id = "CP-7"\nkind', 'id = ""\nkind', 2, r"device\.id"),
        ('{ id = "CP-7" }', '{ hub = "x" }', 8, "'hub' belongs to the service"),
        ('ssid = "depot"', f'ssid = "{"x" * 33}"', 10, "1 to 32 bytes"),
        (
            '{ env = "TEST_WIFI_PASSWORD" }',
            '"hunter2hunter2"',
            12,
            "is not written into this file",
        ),
        ('{ env = "TEST_WIFI_PASSWORD" }', '{ env = "A", file = "b" }', 12, "give one place"),
        ('{ env = "TEST_WIFI_PASSWORD" }', '{ env = "NOT_SET_X" }', 12, "NOT_SET_X is not set"),
        ('{ env = "TEST_WIFI_PASSWORD" }', '{ file = "nowhere" }', 12, "nowhere: No such file"),
        ('{ env = "TEST_WIFI_PASSWORD" }', "{ prompt = true }", 12, "no terminal to ask on"),
        ('password = { env = "TEST_WIFI_PASSWORD" }', "", 10, "open = true"),
        ('"127.0.0.1:1123"', '"http://pool"', 23, "no NTP server"),
        ('"http://127.0.0.1:7080"', '"https://localhost:1"', 6, "name its CA under"),
        ('id = "CP-7"\nkind', "id = 7\nkind", 2, "must be a text: write it in quotes"),
        ('kind = "charging-point"', "led = 99", 3, "must be less than or equal to 54"),
        ("[clock]", '[tls]\nca = "missing.pem"\n[clock]', 23, r"missing\.pem: cannot be read"),
        ("[device]", "[device", 1, "not TOML"),
    ],
)
def test_bad_input_names_line_and_remedy(
    settings_path: Path, old: str, new: str, line: int, said: str
) -> None:
    with pytest.raises(HubtoolError, match=said) as caught:
        load_configuration(changed(settings_path, old, new))
    text = str(caught.value)
    assert text.startswith(f"{settings_path}:{line}: ") or "not TOML" in text
    assert "hunter2" not in text
    assert "\n" not in text


def test_a_table_is_not_a_value(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    hub = '[hub]\nendpoint = "http://127.0.0.1"\nname = "h"\n'
    path.write_text(f'clock = 1\n[device]\nid = "x"\n{hub}')
    with pytest.raises(HubtoolError, match=r":1: clock: must be a table, such as \[clock\]"):
        load_configuration(path)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("seven77", "7 characters: WPA takes 8 to 63"),
        ("x" * 65, "65 characters"),
        ("g" * 64, "hexadecimal"),
        ("pässword", "printable ASCII"),
    ],
)
def test_wifi_passwords_are_checked(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, said: str
) -> None:
    monkeypatch.setenv("TEST_WIFI_PASSWORD", password)
    with pytest.raises(HubtoolError, match=said) as caught:
        load_configuration(settings_path)
    assert f"{settings_path}:12: wifi.password:" in str(caught.value)
    assert password not in str(caught.value)


def with_token(path: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_TOKEN", token)
    return changed(path, 'query = { id = "CP-7" }', 'token = { env = "TEST_TOKEN" }')


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"expires": 1700000000}, "expired on 2023-11-14 22:13 UTC: make a new one"),
        ({"audience": "http://127.0.0.1:7080/client/hubs/other"}, "not for http.*/hubs/chargers"),
        ({"audience": "https://contoso.webpubsub.azure.com/client/hubs/chargers"}, "is for https"),
        ({"audience": ""}, "is for"),
    ],
)
def test_tokens_are_checked(
    settings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_jwt: MakeJwt,
    claims: dict[str, Any],
    said: str,
) -> None:
    token = make_jwt(**claims)
    with pytest.raises(HubtoolError, match=said) as caught:
        load_configuration(with_token(settings_path, token, monkeypatch))
    assert f"{settings_path}:8: hub.token:" in str(caught.value)
    assert token not in str(caught.value)


def test_what_is_no_token(settings_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubtoolError, match="no Client Access Token") as caught:
        load_configuration(with_token(settings_path, "hunter2.hunter2.hunter2", monkeypatch))
    assert "hunter2" not in str(caught.value)


def test_a_token_does_not_travel_in_the_clear(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch, make_jwt: MakeJwt
) -> None:
    token = make_jwt("http://192.168.1.2/client/hubs/chargers")
    changed(settings_path, "127.0.0.1:7080", "192.168.1.2")
    with pytest.raises(HubtoolError, match="must not travel unencrypted"):
        load_configuration(with_token(settings_path, token, monkeypatch))


def test_records_are_those_of_the_contract(files: BoardFiles, settings_path: Path) -> None:
    with_firmware(files)
    assert configure(files, settings_path) == [
        "/hub/settings.a",
        "/hub/secrets.a",
        "/hub/ca.a",
        "/hub/settings.a",
    ]
    line, digest, rest = files.read("/hub/settings.a").split(b"\n")
    assert rest == b""
    assert record(json.loads(line)) == line + b"\n" + digest + b"\n"
    assert json.loads(line)["hub"] == {
        "endpoint": "http://127.0.0.1:7080",
        "name": "chargers",
        "credential": "anonymous",
        "protocol": "json.reliable.webpubsub.azure.v1",
        "query": {"id": "CP-7"},
    }
    assert b"correct horse" not in line
    assert files.link.evaluate(_ASK_FIRMWARE, doing="asking") == (1, "CP-7", "", 0, None)


def test_slots_alternate_and_equal_settings_are_left(
    files: BoardFiles, settings_path: Path
) -> None:
    with_firmware(files)
    configure(files, settings_path)
    assert configure(files, settings_path) == []
    changed(settings_path, "interval = 5", "interval = 6")
    assert "/hub/settings.b" in configure(files, settings_path)
    changed(settings_path, "interval = 6", "interval = 7")
    assert "/hub/settings.a" in configure(files, settings_path)
    assert files.link.evaluate(_ASK_FIRMWARE, doing="asking")[0] == 3


def test_a_damaged_slot_is_the_one_that_is_written(files: BoardFiles, settings_path: Path) -> None:
    with_firmware(files)
    configure(files, settings_path)
    changed(settings_path, "interval = 5", "interval = 6")
    configure(files, settings_path)
    files.write("/hub/secrets.b", b"damaged")
    changed(settings_path, "interval = 6", "interval = 7")
    assert "/hub/settings.b" in configure(files, settings_path)
    assert files.link.evaluate(_ASK_FIRMWARE, doing="asking") == (2, "CP-7", "", 0, None)


def test_refused_settings_leave_the_old_ones(
    board: SimulatedBoard, settings_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        with_firmware(files)
        configure(files, settings_path)
    before = board.flash.read_bytes()
    changed(settings_path, "interval", "intervall")
    assert main(["configure", str(settings_path), "--port", board.port]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"hubtool: {settings_path}:16: telemetry.intervall: unknown key")
    assert error.count("\n") == 1
    assert board.flash.read_bytes() == before


def test_unplugged_at_every_step_leaves_old_or_new(
    board: SimulatedBoard,
    settings_path: Path,
    pull_after: Callable[[SimulatedBoard, SerialLink, int], None],
) -> None:
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        with_firmware(files)
        configure(files, settings_path)
    seen = set()
    for steps_before in range(60):
        wanted = f"CP-{steps_before}x"
        load = settings_path.read_text(encoding="utf-8").splitlines()
        load[1] = f'id = "{wanted}"'
        settings_path.write_text("\n".join(load), encoding="utf-8")
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            generation, before = files.link.evaluate(_ASK_FIRMWARE, doing="asking")[:2]
            plan = plan_configure(files, load_configuration(settings_path))
            pull_after(board, link, steps_before)
            try:
                run_plan(plan, Quiet())
            except DeviceRefused as error:
                assert "lost the board" in str(error)  # noqa: PT017
            else:
                break
        board.plug()
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            found = files.link.evaluate(_ASK_FIRMWARE, doing="asking")
            assert found[:2] in {(generation, before), (generation + 1, wanted)}
            seen.add(found[1] == wanted)
    else:
        pytest.fail("the run never completed")
    assert steps_before > 10
    assert seen == {False, True}, "both old and new settings were met"


def test_power_cut_at_every_flash_write_leaves_old_or_new(
    board: SimulatedBoard, settings_path: Path
) -> None:
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        with_firmware(files)
        configure(files, settings_path)
    seen = set()
    for write in range(1, 200):
        wanted = f"CP-{write}y"
        load = settings_path.read_text(encoding="utf-8").splitlines()
        load[1] = f'id = "{wanted}"'
        settings_path.write_text("\n".join(load), encoding="utf-8")
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            generation, before = files.link.evaluate(_ASK_FIRMWARE, doing="asking")[:2]
            plan = plan_configure(files, load_configuration(settings_path))
            # From here on a board that is slow counts as one whose power was cut.
            link.answer_timeout = 0.3
            board.cut_power_at_write(write, torn=write % 2 == 0)
            try:
                run_plan(plan, Quiet())
            except HubtoolError:
                pass
            else:
                break
        with SerialLink.open(board.port) as link:
            found = link.evaluate(_ASK_FIRMWARE, doing="asking")
            assert found[:2] in {(generation, before), (generation + 1, wanted)}
            seen.add(found[1] == wanted)
    else:
        pytest.fail("the run never completed")
    assert write > 5
    assert False in seen


def test_a_private_ca_travels_in_der(files: BoardFiles, settings_path: Path) -> None:
    with_firmware(files)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(settings_path.parent / "ca.pem"))
    changed(settings_path, "http://127.0.0.1:7080", "wss://localhost:7443")
    changed(settings_path, "[clock]", '[tls]\nca = ["ca.pem"]\n[clock]')
    configure(files, settings_path)
    data = files.read("/hub/ca.a")
    assert x509.load_der_x509_certificate(data).issuer.rfc4514_string()
    assert files.link.evaluate(_ASK_FIRMWARE, doing="asking")[3] == len(data)


RSA_ROOTS = "DigiCert Global Root G2, Microsoft RSA Root Certificate Authority 2017"


def test_azure_endpoints_get_the_roots_of_its_rsa_chains(settings_path: Path) -> None:
    changed(settings_path, "http://127.0.0.1:7080", "https://contoso.webpubsub.azure.com")
    configuration = load_configuration(settings_path)
    assert len(configuration.ca) == 914 + 1452
    assert ("CA", f"{RSA_ROOTS} (2 certificates, 2,366 bytes)") in describe(configuration)
    assert notes(configuration) == []


@pytest.mark.parametrize(
    ("ca", "size", "said"),
    [
        ('"azure"', 914 + 1452, ""),
        ('"azure-all"', 914 + 1452 + 579 + 605, "4 CA certificates go onto the board"),
        ('"DigiCert Global Root G2"', 914, ""),
        ('["azure", "DigiCert Global Root G3"]', 914 + 1452 + 579, "leave tls.ca out for the 2"),
        # Twice the same is once.
        ('["azure", "DigiCert Global Root G2"]', 914 + 1452, ""),
    ],
)
def test_which_roots_is_for_the_user_to_say(
    settings_path: Path, ca: str, size: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(settings_path, "http://127.0.0.1:7080", "https://contoso.webpubsub.azure.com")
    changed(settings_path, "[clock]", f"[tls]\nca = {ca}\n[clock]")
    assert len(load_configuration(settings_path).ca) == size
    assert main(["configure", str(settings_path), "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert f"{size:,} bytes)" in printed.out
    assert (said in printed.err) if said else not printed.err


def test_a_bundle_of_cas_gets_a_word(
    settings_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = b"".join(trustme.CA().cert_pem.bytes() for _ in range(3))
    (settings_path.parent / "ca.pem").write_bytes(bundle)
    changed(settings_path, "http://127.0.0.1:7080", "wss://localhost:7443")
    changed(settings_path, "[clock]", '[tls]\nca = "ca.pem"\n[clock]')
    assert main(["configure", str(settings_path), "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "ca.pem (3 certificates, " in printed.out
    assert "name only the CA at the end of the endpoint's chain under tls.ca" in printed.err
    # A second endpoint that it may be moved to may have another one.
    allowed = 'endpoints_allowed = ["wss://contoso.webpubsub.azure.com"]\nname = "chargers"'
    changed(settings_path, 'name = "chargers"', allowed)
    assert notes(load_configuration(settings_path)) == []


def test_roots_are_those_whose_fingerprints_are_known() -> None:
    for name, fingerprint in AZURE_ROOTS.items():
        found = x509.load_der_x509_certificate(azure_root(name))
        assert found.fingerprint(hashes.SHA256()).hex() == fingerprint
        assert f"CN={name}" in found.subject.rfc4514_string()
        assert found.subject == found.issuer


def test_a_root_that_certifi_lost_is_told(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtool.settings.roots.bundled", dict)
    azure_root.cache_clear()
    changed(settings_path, "http://127.0.0.1:7080", "https://contoso.webpubsub.azure.com")
    with pytest.raises(HubtoolError, match="the certifi package lacks DigiCert Global Root G2"):
        load_configuration(settings_path)


def test_a_private_key_is_no_ca(settings_path: Path) -> None:
    authority = trustme.CA()
    authority.private_key_pem.write_to_path(str(settings_path.parent / "ca.pem"))
    changed(settings_path, "[clock]", '[tls]\nca = ["ca.pem"]\n[clock]')
    with pytest.raises(HubtoolError, match="holds a private key"):
        load_configuration(settings_path)


def test_a_whole_url_takes_the_place_of_hub_and_token(
    settings_path: Path, make_jwt: MakeJwt
) -> None:
    token = make_jwt("https://contoso.webpubsub.azure.com/client/hubs/depot", sub="CP-7")
    url = Secret(f"wss://contoso.webpubsub.azure.com/client/hubs/depot?access_token={token}")
    configuration = load_configuration(settings_path, url)
    assert configuration.settings.hub.name == "depot"
    assert configuration.settings.device.id == "CP-7"
    assert configuration.secrets.token.get_secret_value() == token
    alone = load_configuration(None, url)
    assert alone.settings.device.id == "CP-7"
    assert load_configuration(None, url, "CP-7").settings.device.id == "CP-7"


@pytest.mark.parametrize("url", ["https://contoso.webpubsub.azure.com", "wss://h/x?a=b", "junk"])
def test_what_is_no_client_access_url(url: str) -> None:
    with pytest.raises(HubtoolError, match="no client access URL"):
        load_configuration(None, Secret(url))


def test_an_anonymous_url_needs_a_name() -> None:
    url = Secret("ws://127.0.0.1:7080/client/hubs/depot?id=CP-3")
    with pytest.raises(HubtoolError, match="--id"):
        load_configuration(None, url)
    assert load_configuration(None, url, "CP-3").settings.hub.query == {"id": "CP-3"}


def test_settings_beyond_what_the_firmware_reads(files: BoardFiles, settings_path: Path) -> None:
    users = ", ".join(f'"user-{number:06}"' for number in range(LARGEST_RECORD // 12))
    changed(settings_path, '"operator"', users)
    with pytest.raises(HubtoolError, match="limited to 16,384 bytes"):
        configure(files, settings_path)


def test_dry_run_shows_no_secret(
    settings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make_jwt: MakeJwt,
) -> None:
    token = make_jwt(sub="CP-7")
    with_token(settings_path, token, monkeypatch)
    assert main(["configure", str(settings_path), "--dry-run"]) == 0
    assert main(["configure", str(settings_path), "--dry-run", "--json"]) == 0
    output = "".join(capsys.readouterr())
    assert "expires 2096" in output
    for secret in (token, token.split(".")[2], "correct horse"):
        assert secret not in output


def test_secrets_do_not_show_anywhere(
    board: SimulatedBoard,
    settings_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make_jwt: MakeJwt,
) -> None:
    token = make_jwt(sub="CP-7")
    with_token(settings_path, token, monkeypatch)
    assert main(["configure", str(settings_path), "--port", board.port]) == 0
    configuration = load_configuration(settings_path)
    output = "".join(capsys.readouterr()) + repr(configuration) + str(configuration)
    # The raw REPL does not echo, so a console log holds none either.
    output += board.console
    for secret in (token, token.split(".")[2], "correct horse"):
        assert secret not in output


def test_line_numbers_do_not_depend_on_how_a_key_is_written(
    tmp_path: Path, settings_path: Path
) -> None:
    path = tmp_path / "b.toml"
    path.write_text(
        '# comment\ndevice.id = "x"\nhub = { endpoint = "http://127.0.0.1", name = "h" }\n'
        'commands.users = [\n  "a",\n  "",\n]\n'
    )
    with pytest.raises(HubtoolError, match=r"b\.toml:4: commands\.users\.1: "):
        load_configuration(path)
    path.write_text(settings_path.read_text().replace("chargers", "-"))
    with pytest.raises(HubtoolError, match=r"b\.toml:7: hub\.name"):
        load_configuration(path)
