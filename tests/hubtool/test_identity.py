"""A batch of boards has an identity for each: one that is shared, or nobody's, is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hubtool.errors import HubtoolError
from hubtool.main import main
from hubtool.secrets import Secret
from hubtool.servers.handler_table import load_handler_table
from hubtool.servers.negotiate_table import DeviceKeys, load_negotiate_table
from hubtool.settings.configuration import load_configuration
from hubtool.settings.summary import describe

MakeJwt = Callable[..., str]
ANONYMOUS = 'query = { id = "CP-7" }'


def with_line(path: Path, line: str) -> Path:
    """The settings file with another line in place of the query."""
    text = path.read_text("utf-8")
    assert ANONYMOUS in text
    path.write_text(text.replace(ANONYMOUS, line), "utf-8")
    return path


def test_a_token_of_another_device_is_refused(
    settings_path: Path, make_jwt: MakeJwt, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_line(settings_path, 'token = { env = "TEST_TOKEN" }')
    monkeypatch.setenv("TEST_TOKEN", make_jwt(sub="CP-7"))
    assert load_configuration(settings_path).settings.device.id == "CP-7"
    with pytest.raises(HubtoolError) as caught:
        load_configuration(settings_path, device_id="CP-8")
    text = str(caught.value)
    assert text.startswith(f"{settings_path}:8: hub.token: the token is for user 'CP-7', but ")
    assert "--user-id CP-8" in text
    assert "{id}" in text
    # Without a user it is nobody's, and the hub tells the boards apart by their connections.
    monkeypatch.setenv("TEST_TOKEN", make_jwt())
    assert load_configuration(settings_path, device_id="CP-8").token is not None


def test_a_url_of_another_device_is_refused(settings_path: Path, make_jwt: MakeJwt) -> None:
    token = make_jwt("https://contoso.webpubsub.azure.com/client/hubs/h", sub="CP-9")
    url = Secret(f"wss://contoso.webpubsub.azure.com/client/hubs/h?access_token={token}")
    with pytest.raises(HubtoolError, match="for user 'CP-9', but the device is 'CP-7'"):
        load_configuration(settings_path, url)
    with pytest.raises(HubtoolError, match="for user 'CP-9', but the device is 'named'"):
        load_configuration(None, url, "named")


@pytest.mark.parametrize("device", ["cp-1", "cp-2", "Säule 3"])
def test_places_of_secrets_name_the_device(
    settings_path: Path, make_jwt: MakeJwt, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    folder = settings_path.parent / "keys"
    folder.mkdir()
    (folder / f"{device}.txt").write_text(make_jwt(sub=device), "utf-8")
    monkeypatch.setenv(f"WIFI_{device}", f"password of {len(device)}")
    with_line(settings_path, 'token = { file = "keys/{id}.txt" }')
    text = settings_path.read_text("utf-8").replace("TEST_WIFI_PASSWORD", "WIFI_{id}")
    settings_path.write_text(text, "utf-8")
    configuration = load_configuration(settings_path, device_id=device)
    assert configuration.token is not None
    assert configuration.token.user_id == device
    password = configuration.secrets.wifi_password.get_secret_value()
    assert password == f"password of {len(device)}"
    monkeypatch.setenv("WIFI_CP-9", "password of 9")
    with pytest.raises(HubtoolError, match=r"keys/CP-9\.txt: No such file"):
        load_configuration(settings_path, device_id="CP-9")


def test_an_id_does_not_lead_out_of_its_folder(
    settings_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_line(settings_path, 'token = { file = "keys/{id}.txt" }')
    with pytest.raises(HubtoolError, match="an id with a slash in it"):
        load_configuration(settings_path, device_id="../cp-1")


def test_a_query_that_tells_who_it_is(settings_path: Path) -> None:
    with pytest.raises(
        HubtoolError, match=r":8: hub\.query: id is 'CP-7', but the device is"
    ) as e:
        load_configuration(settings_path, device_id="CP-8")
    assert "write id = '{id}'" in str(e.value)
    with_line(settings_path, 'query = { id = "{id}", site = "7" }')
    configuration = load_configuration(settings_path, device_id="CP-8")
    assert configuration.settings.hub.query == {"id": "CP-8", "site": "7"}
    assert ("credential", "anonymous, query id=CP-8&site=7") in describe(configuration)
    assert load_configuration(settings_path).settings.hub.query["id"] == "CP-7"


@pytest.mark.parametrize(
    "words",
    [
        ["configure", "--dry-run", "--id", "", "FILE"],
        ["configure", "--dry-run", "--id", "  ", "FILE"],
        ["configure", "--dry-run", "--id=", "FILE"],
        ["configure", "--dry-run", "--id", "\t", "FILE"],
        ["configure", "--dry-run", "--url-env", "", "FILE"],
        ["configure", "--dry-run", ""],
        ["configure", "--port", "", "FILE"],
        ["configure", "-p", " ", "FILE"],
        ["deploy", "--dry-run", "--port", ""],
        ["deploy", "--dry-run", "--app", ""],
        ["flash", "--port=", "FILE"],
        ["monitor", "--port", ""],
        ["token", "chargers", "--lifetime", "1h", "--user-id", "", "--connection-string-env", "C"],
        ["token", "chargers", "--lifetime", "1h", "--group", "", "--connection-string-env", "C"],
        ["token", "chargers", "--lifetime", "1h", "--connection-string-env", ""],
        ["token", "chargers", "--lifetime", "", "--connection-string-env", "C"],
    ],
)
def test_what_an_unset_variable_leaves_is_refused(
    settings_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings_path.write_text(settings_path.read_text("utf-8").replace("CP-7", "cp-7"), "utf-8")
    words = [str(settings_path) if word == "FILE" else word for word in words]
    assert main(words) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.count("\n") == 1
    assert error.endswith("is empty: is the variable that it comes from set?\n")


@pytest.mark.parametrize("device", ["", "  ", "cp-1\r", "cp\x07", "\u200b", "cp\ud800"])
def test_ids_that_are_nobody_or_do_not_show(settings_path: Path, device: str) -> None:
    with pytest.raises(HubtoolError, match=r"^--id: .*(blank|do not show)"):
        load_configuration(settings_path, device_id=device)


CONNECTION_STRING = f"Endpoint=http://127.0.0.1:1;AccessKey={'k' * 40};Version=1.0;"


@pytest.mark.parametrize("user", ["cp-1\r", "cp\x00"])
def test_tokens_for_nobody(
    user: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_CS", CONNECTION_STRING)
    words = ["token", "chargers", "--user-id", user, "--lifetime", "1h"]
    assert main([*words, "--connection-string-env", "TEST_CS"]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert "do not show" in error


def test_users_of_tables_are_somebody(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text("[[handler.devices]]\nmatch = { query.id = '*' }\nuser_id = ' '\n")
    with pytest.raises(HubtoolError, match=r":3: .*user_id: an id is not blank"):
        load_handler_table(path)
    path.write_text(
        "[negotiate]\nhub = 'h'\nconnection_string = { env = 'C' }\n"
        "[[negotiate.devices]]\nid = 'a'\nkey = { env = 'K' }\nuser_id = ''\n"
    )
    with pytest.raises(HubtoolError, match=r":7: .*user_id: an id is not blank"):
        load_negotiate_table(path)


def test_keys_of_a_table_name_their_device(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    entry = "[[negotiate.devices]]\nid = '{}'\nkey = {{ file = '{{id}}.key' }}\n"
    path.write_text(
        "[negotiate]\nhub = 'h'\nconnection_string = { file = '{id}' }\n"
        + "".join(entry.format(name) for name in ("a", "b"))
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.key").write_text(f"0123456789abcdef-{name}\n")
    table = load_negotiate_table(path)
    assert table is not None
    keys = DeviceKeys(table, tmp_path)
    for name, other in (("a", "b"), ("b", "a")):
        assert keys.find(name, Secret(f"0123456789abcdef-{name}")) is not None
        assert keys.find(name, Secret(f"0123456789abcdef-{other}")) is None
    assert table.connection_string is not None
    with pytest.raises(HubtoolError, match="this is not of one device"):
        table.connection_string.resolve("connection string", tmp_path)
