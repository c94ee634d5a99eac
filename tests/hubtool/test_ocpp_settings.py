"""The table [ocpp] of a settings file: what is checked, and what goes onto a board."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trustme
from hubtool.errors import HubtoolError
from hubtool.settings.configuration import load_configuration
from hubtool.settings.record import slot_files
from hubtool.settings.summary import describe

KEY = "a secret of 20 bytes"
POINT = 'vendor = "Ours"\nmodel = "Box"\n'


def written(folder: Path, table: str, *, hub: str = "", more: str = POINT, tls: str = "") -> Path:
    """A settings file with a table [ocpp]."""
    path = folder / "settings.toml"
    path.write_text(
        f'[device]\nid = "CP-7"\n{hub}\n[ocpp]\n{table}\n{more}\n[wifi]\nssid = "x"\nopen = true\n'
        f"{tls}",
        "utf-8",
    )
    return path


def records(path: Path, device_id: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both records of a slot."""
    files = slot_files(load_configuration(path, device_id=device_id), 1)
    return tuple(json.loads(data.split(b"\n")[0]) for data in (files.settings, files.secrets))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("HEXADECIMAL", bytes(range(20)).hex())


def test_a_charging_point_without_a_hub(tmp_path: Path, keys: None) -> None:
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    path = written(
        tmp_path, 'url = "wss://csms.example/ocpp/"\nkey = { env = "KEY" }\nca = "ca.pem"'
    )
    settings, secrets = records(path)
    assert "hub" not in settings
    assert settings["ocpp"] == {
        "url": "wss://csms.example/ocpp",
        "identity": "CP-7",
        "connectors": 1,
        "vendor": "Ours",
        "model": "Box",
        "security_profile": 2,
        "generation": 1,
    }
    assert bytes.fromhex(secrets["ocpp_key"]) == KEY.encode()
    shown = dict(describe(load_configuration(path)))
    assert shown["OCPP 1.6"] == "CP-7 at wss://csms.example/ocpp"
    assert shown["security"] == "profile 2 (key hidden)"
    assert "hub" not in shown
    assert KEY not in str(shown) + repr(load_configuration(path))


def test_through_a_hub_and_beside_one(tmp_path: Path, keys: None) -> None:
    table = (
        'endpoint = "wss://contoso.webpubsub.azure.com"\nhub = "ocpp"\nconnectors = 2\n'
        'identity = "box 7"\nserial_number = "S1"\nafter_power_cut = "resume"\n'
        'features = ["smart-charging", "local-list"]'
    )
    hub = '[hub]\nendpoint = "wss://contoso.webpubsub.azure.com"\nname = "chargers"'
    settings, secrets = records(written(tmp_path, table, hub=hub))
    assert settings["hub"]["name"] == "chargers"
    assert settings["ocpp"] == {
        "endpoint": "wss://contoso.webpubsub.azure.com",
        "hub": "ocpp",
        "identity": "box 7",
        "connectors": 2,
        "vendor": "Ours",
        "model": "Box",
        "serial_number": "S1",
        "security_profile": 0,
        "generation": 1,
        "features": ["smart-charging", "local-list"],
        "resumes": True,
    }
    assert "ocpp_key" not in secrets


def test_a_key_of_bytes(tmp_path: Path, keys: None) -> None:
    table = 'url = "ws://127.0.0.1:9000"\nkey = { env = "HEXADECIMAL" }\nkey_format = "hex"'
    settings, secrets = records(written(tmp_path, table))
    assert bytes.fromhex(secrets["ocpp_key"]) == bytes(range(20))
    assert settings["ocpp"]["security_profile"] == 1


def test_a_client_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("CP-8")
    own.cert_chain_pems[0].write_to_path(tmp_path / "CP-8.pem")
    own.private_key_pem.write_to_path(tmp_path / "CP-8.key")
    table = (
        'url = "wss://csms.example"\nca = "ca.pem"\ncertificate = "{id}.pem"\n'
        'certificate_key = { file = "{id}.key" }'
    )
    path = written(tmp_path, table)
    settings, secrets = records(path, "CP-8")
    assert settings["ocpp"]["security_profile"] == 3
    assert settings["ocpp"]["identity"] == "CP-8"
    for name in ("ocpp_certificate", "ocpp_certificate_key"):
        assert base64.b64decode(secrets[name])[0] == 0x30
        assert secrets[name] not in repr(load_configuration(path, device_id="CP-8"))
    authority.issue_cert("CP-9").private_key_pem.write_to_path(tmp_path / "CP-8.key")
    with pytest.raises(HubtoolError, match=r"does not belong to the private key"):
        records(path, "CP-8")
    (tmp_path / "CP-8.key").write_text("no key")
    with pytest.raises(HubtoolError, match=r"ocpp.certificate: the private key is not PEM"):
        records(path, "CP-8")


@pytest.mark.parametrize(
    ("table", "more", "complaint"),
    [
        ("", POINT, r"ocpp: give url, the address"),
        ('url = "ws://127.0.0.1"\nhub = "ocpp"', POINT, r"give url"),
        ('endpoint = "ws://127.0.0.1"', POINT, r"give url"),
        ('url = "ws://127.0.0.1/?id=7"', POINT, r"5: ocpp.url: .*scheme, host and path only"),
        ('url = "ws://127.0.0.1/a b"', POINT, r"percent-encoded"),
        ('url = "127.0.0.1"', POINT, r"ocpp.url: "),
        ('url = "ws://127.0.0.1"\nidentity = "a:b"', POINT, r"6: ocpp.identity: a colon"),
        ('url = "ws://127.0.0.1"\nconnectors = 9', POINT, r"less than or equal to 8"),
        ('url = "ws://127.0.0.1"\nconnectors = true', POINT, r"ocpp.connectors: .*whole number"),
        ('url = "ws://127.0.0.1"\nconnectors = "2"', POINT, r"ocpp.connectors: .*whole number"),
        ('url = "ws://127.0.0.1"', 'vendor = "Ours"', r"ocpp.model: this key is missing"),
        ('url = "ws://127.0.0.1"\nkey = "x"', POINT, r"ocpp.key: a secret is not written"),
        ('url = "ws://127.0.0.1"\nkey = { env = "SHORT" }', POINT, r"has 16 to 40 bytes"),
        (
            'url = "ws://127.0.0.1"\nkey = { env = "KEY" }\nkey_format = "hex"',
            POINT,
            r"ocpp.key: this key is not hexadecimal",
        ),
        ('url = "ws://csms.example"\nkey = { env = "KEY" }', POINT, r"over an open line"),
        ('url = "ws://csms.example"\nsecurity_profile = 2', POINT, r"use wss://"),
        ('url = "wss://csms.example"\nsecurity_profile = 1', POINT, r"leave it out, or write 2"),
        ('url = "wss://csms.example"\nsecurity_profile = 2', POINT, r"needs a key"),
        ('url = "wss://csms.example"\nsecurity_profile = 3', POINT, r"needs a client certificate"),
        ('url = "wss://csms.example"\ncertificate = "a.pem"', POINT, r"give both"),
        ('url = "wss://csms.example"', POINT, r"ocpp: this server is not Azure's: name its CA"),
        ('url = "ws://127.0.0.1"\nfeatures = ["more"]', POINT, r"ocpp.features.0: must be"),
        ('url = "ws://127.0.0.1"\nkeys = 1', POINT, r"ocpp.keys: unknown key: did you mean 'key'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: None,
    table: str,
    more: str,
    complaint: str,
) -> None:
    monkeypatch.setenv("SHORT", "tooshort")
    with pytest.raises(HubtoolError, match=complaint) as caught:
        load_configuration(written(tmp_path, table, more=more))
    assert KEY not in str(caught.value)
    assert "tooshort" not in str(caught.value)


def test_the_key_may_go_over_an_open_line_if_that_is_said(tmp_path: Path, keys: None) -> None:
    table = 'url = "ws://10.0.0.2"\nkey = { env = "KEY" }\nsecurity_profile = 1'
    assert records(written(tmp_path, table))[0]["ocpp"]["security_profile"] == 1


def test_neither_hub_nor_charging_point(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[device]\nid = "a"\n', "utf-8")
    with pytest.raises(HubtoolError, match=r"nowhere to connect to: add \[hub\]"):
        load_configuration(path)
