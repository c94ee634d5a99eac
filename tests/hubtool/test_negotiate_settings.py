"""A board that negotiates: its key and CA in the settings file, in the output, on the board."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.secrets import Secret
from hubtool.settings.configuration import Configuration, load_configuration
from hubtool.settings.record import SlotFiles, slot_files
from hubtool.settings.roots import azure_root, root_names
from hubtool.settings.summary import describe, notes

from tests.support.interpreters import micropython, micropython_environment

MakeJwt = Callable[..., str]

KEY = "k7-" + "s" * 40
AZURE = "https://contoso.webpubsub.azure.com"
FUNCTION = "https://contoso.azurewebsites.net/api/negotiate"
TEXT = """\
[device]
id = "CP-7"

[hub]
endpoint = "ENDPOINT"
name = "chargers"
negotiate = { url = "URL", key = { file = "cp-7.key" } }
"""


def written(
    folder: Path, url: str, endpoint: str = AZURE, more: str = "", tls: str = "", key: str = KEY
) -> Path:
    (folder / "cp-7.key").write_text(key + "\n", encoding="utf-8")
    text = TEXT.replace("ENDPOINT", endpoint).replace("URL", url).replace(" }\n", more + " }\n")
    (folder / "board.toml").write_text(text + tls, encoding="utf-8")
    return folder / "board.toml"


def ca_file(folder: Path, name: str) -> tuple[Path, bytes]:
    authority = trustme.CA(organization_name=name)
    path = folder / f"{name}.pem"
    authority.cert_pem.write_to_path(path)
    return path, load_der(path)


def load_der(path: Path) -> bytes:
    from hubtool.settings.roots import read_certificates

    (der,) = read_certificates(path)
    return der


def records(configuration: Configuration) -> tuple[dict[str, object], dict[str, object]]:
    files: SlotFiles = slot_files(configuration, 3)
    settings, secrets = (
        json.loads(content.split(b"\n")[0]) for content in (files.settings, files.secrets)
    )
    return settings, secrets


def test_url_and_key_are_in_different_records(tmp_path: Path) -> None:
    settings, secrets = records(load_configuration(written(tmp_path, FUNCTION)))
    hub = settings["hub"]
    assert isinstance(hub, dict)
    assert (hub["credential"], hub["negotiate"]) == ("negotiate", {"url": FUNCTION})
    assert "query" not in hub
    assert secrets["negotiate_key"] == KEY
    assert secrets["token"] == ""
    assert KEY not in json.dumps(settings)


def test_the_key_of_a_function_has_a_field_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, FUNCTION, more=', header = "x-functions-key"')
    hub = records(load_configuration(path))[0]["hub"]
    assert isinstance(hub, dict)
    assert hub["negotiate"] == {"url": FUNCTION, "header": "x-functions-key"}


def test_boards_without_a_key_have_the_records_that_they_had(
    tmp_path: Path, settings_path: Path
) -> None:
    settings, secrets = records(load_configuration(settings_path))
    assert "negotiate" not in json.dumps(settings)
    assert "negotiate_key" not in secrets


def test_the_firmware_reads_it(tmp_path: Path) -> None:
    files = slot_files(load_configuration(written(tmp_path, FUNCTION, "http://127.0.0.1:7080")), 1)
    (tmp_path / "hub").mkdir()
    for name in ("settings", "secrets", "ca"):
        (tmp_path / "hub" / f"{name}.a").write_bytes(getattr(files, name))
    script = (
        "from firmware import records\ns = records.load('hub')\n"
        "print(s.credential, s.negotiate['url'], s.negotiate_key, s.uses_tls, s.ca_size > 0)\n"
        "print(s)\n"
    )
    done = subprocess.run(
        [micropython(), "-c", script],
        env=micropython_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    # TLS, although the service is reached without.
    assert done.stdout.splitlines() == [
        f"negotiate {FUNCTION} {KEY} True True",
        "<Settings of CP-7>",
    ], done.stderr


def test_each_server_has_its_ca_on_the_board(tmp_path: Path) -> None:
    mine, der = ca_file(tmp_path, "mine")
    other, other_der = ca_file(tmp_path, "other")
    azure = tuple(map(azure_root, root_names("azure")))
    private, https = "wss://hub.example", "https://keys.example/negotiate"
    tls = f"[tls]\nca = '{mine}'\n"
    for url, endpoint, more, table, wanted in (
        # Functions and App Service have Azure's certificates, and each root goes there once.
        (FUNCTION, AZURE, "", "", azure),
        (https, AZURE, f", ca = '{other}'", "", (*azure, other_der)),
        (https, private, f", ca = ['{other}']", tls, (der, other_der)),
        # One CA for both, as with `hubtool serve --tls` and `hubtool negotiate --tls`.
        (https, private, "", tls, (der,)),
        (https, "http://127.0.0.1:7080", f", ca = '{other}'", "", (other_der,)),
        ("http://127.0.0.1:8081/negotiate", "http://127.0.0.1:7080", "", "", ()),
    ):
        found = load_configuration(written(tmp_path, url, endpoint, more, table))
        assert found.certificates == wanted, (url, endpoint)
        assert notes(found) == [], (url, endpoint)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://keys.example/negotiate", r"hub\.negotiate\.url: the key would go over an open"),
        ("wss://keys.example/negotiate", "write https://, the host and the path"),
        ("https://keys.example/#x", "write https://, the host and the path"),
        ("keys.example/negotiate", "an endpoint starts with https://"),
        ("https:///negotiate", "an endpoint is a scheme, a host"),
        ("https://a@keys.example/", "an endpoint is a scheme, a host"),
        ("https://keys.example/a b", "must be percent-encoded"),
        ("https://keys.example/ä", "must be percent-encoded"),
        (FUNCTION + "?code=abc", 'header = "x-functions-key"'),
        ("https://keys.example/negotiate", r"hub\.negotiate: the server .*name its CA there"),
    ],
)
def test_urls_that_are_refused(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(HubtoolError, match=rf"board\.toml:7: .*{said}"):
        load_configuration(written(tmp_path, url))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (', header = "x y"', "header"),
        (', name = "x"', "unknown key: known here: ca, header, key, url"),
        (" }\ntoken = { env = 'X'", "a device negotiates, or has a token or a query"),
        (" }\nquery = { id = 'X'", "a device negotiates, or has a token or a query"),
        (', ca = "nowhere.pem"', "nowhere.pem: cannot be read"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(HubtoolError, match=said):
        load_configuration(written(tmp_path, FUNCTION, more=more))


@pytest.mark.parametrize("key", ["with a blank", "ümlaut", "x" * 1025, "tab\tin"])
def test_keys_that_no_header_takes(tmp_path: Path, key: str) -> None:
    with pytest.raises(
        HubtoolError, match=r"board\.toml:7: hub\.negotiate\.key: a key is"
    ) as found:
        load_configuration(written(tmp_path, FUNCTION, key=key))
    assert key not in str(found.value)


def test_a_key_in_the_file_itself_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, FUNCTION)
    path.write_text(path.read_text().replace('{ file = "cp-7.key" }', f'"{KEY}"'))
    with pytest.raises(HubtoolError, match="a secret is not written into this file") as found:
        load_configuration(path)
    assert KEY not in str(found.value)


def test_many_boards_share_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, FUNCTION)
    path.write_text(path.read_text().replace("cp-7.key", "{id}.key"))
    (tmp_path / "CP-8.key").write_text("other-key-of-cp-8")
    found = load_configuration(path, device_id="CP-8")
    assert records(found)[1]["negotiate_key"] == "other-key-of-cp-8"


def test_a_client_access_url_takes_its_place(tmp_path: Path, make_jwt: MakeJwt) -> None:
    endpoint = "https://contoso.webpubsub.azure.com"
    token = make_jwt(aud=f"{endpoint}/client/hubs/chargers", sub="CP-7")
    url = Secret(f"wss://contoso.webpubsub.azure.com/client/hubs/chargers?access_token={token}")
    settings, secrets = records(load_configuration(written(tmp_path, FUNCTION), url))
    assert "negotiate" not in json.dumps([settings, secrets])
    assert secrets["token"] == token


def test_what_goes_on_the_board_is_told_without_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, FUNCTION + "?region=1")
    lines = dict(describe(load_configuration(path)))
    assert lines["credential"] == f"key (hidden) for {FUNCTION}"
    for options in ([], ["--json"]):
        assert main(["configure", str(path), "--dry-run", *options]) == 0
        shown = capsys.readouterr()
        assert KEY not in shown.out + shown.err
        assert "contoso.azurewebsites.net" in shown.out
