"""The configuration file, the access keys and the state file."""

from __future__ import annotations

import json
import os
import stat
import textwrap

import pytest
from localhub import Config, ConfigError, LocalHub

KEY = "k" * 40


def write(folder, text):
    path = folder / "hub.toml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def test_a_whole_file(tmp_path):
    path = write(
        tmp_path,
        f"""
        [service]
        host = "127.0.0.1"
        port = 7081
        access_key = "{KEY}"
        secondary_access_key = "{KEY[::-1]}"
        disable_local_auth = false
        state_file = "state/hub.json"
        [service.tls]
        port = 7443
        [[hubs]]
        name = "chargers"
        anonymous_connect_policy = "Allow"
        web_socket_keep_alive_interval_in_seconds = 30
        [[hubs.event_handlers]]
        url_template = "http://127.0.0.1:8080/eventhandler/{{event}}?code={{hub}}"
        user_event_pattern = "*"
        system_events = ["connect", "connected", "disconnected"]
        auth = {{ type = "None" }}
        [[handler.devices]]
        match = {{ query.id = "CP-*" }}
        user_id = "{{query.id}}"
        [entra]
        tenant_id = "ABCDEF00-0000-0000-0000-000000000001"
        [[entra.principals]]
        name = "publisher"
        client_secret = "{KEY}"
        """,
    )
    config = Config.load(path)
    assert config.service.port == 7081
    assert config.service.tls.port == 7443
    assert config.hub("CHARGERS").anonymous_connect_policy == "allow"
    assert config.hub("other").anonymous_connect_policy == "deny"
    assert config.hub("other").web_socket_keep_alive_interval_in_seconds == 20
    assert config.handler["devices"][0]["user_id"] == "{query.id}"
    assert config.entra.tenant == "abcdef00-0000-0000-0000-000000000001"
    assert config.state_file == tmp_path / "state/hub.json"
    assert KEY not in repr(config)
    assert Config.load(config) is config
    assert config.for_serving(1, tmp_path / "other").state_file == config.state_file
    assert Config.load(str(path)).service == config.service


BAD = {
    "[service]\nporr = 1": "hub.toml, line 2: service.porr: unknown key: did you mean 'port'?",
    "[service]\nxyzzy = 1": "line 2: service.xyzzy: unknown key: known are host, port,",
    '[[hubs]]\nname = "a"\nanonymous = true': "line 3: hubs[0].anonymous: unknown key: did",
    "[servce]": "line 1: servce: unknown key: did you mean 'service'?",
    '[service]\nport = "x"': "line 2: service.port: must be a whole number, without quotes",
    "[service]\nport = 70000": "service.port",
    '[service]\naccess_key = "short"': "line 2: service.access_key: must have at least 32 char",
    '[[hubs]]\nanonymous_connect_policy = "allow"': "hubs[0].name: missing: add it",
    '[[hubs]]\nname = "1a"': "line 2: hubs[0].name: a hub name has",
    '[[hubs]]\nname = "a"\n[[hubs]]\nname = "A"': "hubs: hub 'A' is there twice",
    '[[hubs]]\nname = "a"\nanonymous_connect_policy = "maybe"': "'allow' or 'deny'",
    '[[hubs]]\nname = "a"\nweb_socket_keep_alive_interval_in_seconds = 0': "line 3: hubs[0].web_",
    '[[hubs]]\nname = "a"\n[[hubs.event_handlers]]\nurl_template = "tunnel:///x"': "http://host",
    '[[hubs]]\nname = "a"\n[[hubs.event_handlers]]\nurl_template = "http://{hub}/"': "host name",
    '[[hubs]]\nname = "a"\n[[hubs.event_handlers]]\nurl_template = "http://h/{e}"': "{e} is unkn",
    '[[hubs]]\nname = "a"\n[[hubs.event_handlers]]\nurl_template = "http://h/"\n'
    'system_events = ["message"]': "'connect', 'connected' or 'disconnected'",
    # A typo is reported as one, though it leaves something missing or wrong as well.
    '[[hubs]]\nnam = "a"': "line 2: hubs[0].nam: unknown key: did you mean 'name'?",
    '[service]\nport = "x"\n[[hubs]]\nname = "a"\nnmae = "b"': "hubs[0].nmae: unknown key: did",
    '[[hubs]]\nname = "a"\n[[hubs.event_handlers]]\nurl = "http://h/"': "mean 'url_template'?",
    "[service.limits]\nconections = 5": "line 2: service.limits.conections: unknown key: did",
    '[entra]\n[[entra.role_assignments]]\nasignee = "a"\nrole = "b"': "mean 'assignee'?",
    '[device]\nid = "cp-7"\n[hub]\nname = "a"\n[wifi]\nssid = "b"': "hubtool configure",
    "[service": "not TOML",
    "\xff": "not TOML",
}


@pytest.mark.parametrize("text", list(BAD))
def test_mistakes_are_one_line_with_the_remedy(tmp_path, text):
    with pytest.raises(ConfigError) as error:
        Config.load(write(tmp_path, text))
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match="readable TOML file"):
            Config.load(path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="save it as UTF-8"):
        Config.load(binary)


def test_a_wrong_key_is_never_in_the_error(tmp_path):
    with pytest.raises(ConfigError) as error:
        Config.load({"service": {"access_key": "secret"}})
    assert "secret" not in str(error.value)


# -- keys -----------------------------------------------------------------------------------


def key_of(hub: LocalHub) -> str:
    return hub.connection_string.partition("AccessKey=")[2]


def test_generated_keys_are_kept(tmp_path):
    config = {"service": {"state_file": str(tmp_path / "deep/state.json")}}
    first = LocalHub(config)
    assert key_of(LocalHub(config)) == key_of(first)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "deep/state.json").stat().st_mode) == 0o600
    assert key_of(LocalHub()) != key_of(LocalHub())


def test_configured_keys_come_first(tmp_path):
    config = {"service": {"state_file": str(tmp_path / "state.json"), "access_key": KEY}}
    assert key_of(LocalHub(config)).startswith(KEY)
    assert KEY not in (tmp_path / "state.json").read_text()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"primary": "x", "secondary": 1}'])
def test_a_damaged_state_file(tmp_path, content):
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="delete it to get new keys"):
        LocalHub({"service": {"state_file": str(path)}})


def test_a_state_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state"):
        LocalHub({"service": {"state_file": str(tmp_path / "file" / "state.json")}})


async def test_a_port_that_is_taken():
    async with LocalHub() as hub:
        port = int(hub.endpoint.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"port {port}.*choose another"):
            async with LocalHub({"service": {"port": port}}):
                pass
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        async with LocalHub({"service": {"host": "192.0.2.1"}}):
            pass


def test_the_state_file_holds_json_with_all_keys(tmp_path):
    path = tmp_path / "state.json"
    LocalHub({"service": {"state_file": str(path)}})
    assert set(json.loads(path.read_text())) == {"primary", "secondary", "issuing"}
