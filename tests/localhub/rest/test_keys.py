"""Primary and secondary key: rotation while clients are connected, and across restarts."""

from __future__ import annotations

import hmac
import json

import pytest
from localhub import ConfigError, LocalHub
from localhub.config import Config
from localhub.key_store import KeyStore

CHARGERS = [{"name": "chargers", "anonymous_connect_policy": "allow"}]
KEYS = {name: letter * 44 for name, letter in (("primary", "p"), ("secondary", "s"))}


def key_in(connection_string: str) -> str:
    return connection_string.partition("AccessKey=")[2].partition(";")[0]


@pytest.mark.parametrize("which", ["primary", "secondary"])
async def test_rotating_a_key(localhub, connect, refused, rest, which):
    def secret() -> str:
        name = "connection_string" if which == "primary" else "secondary_connection_string"
        return key_in(getattr(localhub, name))

    old_key, path = secret(), f"{localhub.endpoint}/api/hubs/chargers/:send"
    old = rest.token(path, old_key)
    other_url = localhub.client_url("chargers", user_id="bo")
    issued = (await rest("POST", "/:generateToken?userId=bo")).json["token"]
    client = await connect(localhub, user_id="al", groups=["g"])

    localhub.control.rotate_key(which)
    assert secret() != old_key
    answer = await rest("POST", "/:send", b"x", content_type="text/plain", authorization=None)
    assert answer.status == 401
    for token, status in ((old, 401), (rest.token(path, secret()), 202)):
        answer = await rest(
            "POST", "/:send", b"x", content_type="text/plain", authorization=f"Bearer {token}"
        )
        assert answer.status == status
    # The client that is connected goes on.
    assert (await client.receive())["data"] == "x"
    await client.quiet()
    if which == "primary":
        assert (await refused(localhub, other_url))[0] == 401
    else:
        await connect(localhub, other_url)
    await connect(localhub, user_id="cy")
    # What the service itself handed out is signed with neither key.
    await connect(localhub, query=f"access_token={issued}")


async def test_there_are_only_two_keys(localhub):
    before = localhub.connection_string
    with pytest.raises(ValueError, match="primary or secondary"):
        localhub.control.rotate_key("issuing")
    assert localhub.connection_string == before


async def test_rotated_keys_and_handed_out_tokens_outlive_a_restart(tmp_path, connect, rest_of):
    config = {
        "service": {"state_file": str(tmp_path / "state.json")},
        "hubs": [{"name": "chargers"}],
    }
    async with LocalHub(config) as hub:
        first = hub.connection_string
        hub.control.rotate_key("primary")
        keys = key_in(hub.connection_string), key_in(hub.secondary_connection_string)
        assert key_in(first) not in keys
        client = await connect(hub, user_id="al", groups=["g"])
        token = (await rest_of(hub)("POST", "/:generateToken?userId=bo")).json["token"]
        port = hub.endpoint.rpartition(":")[2]
    assert (await client.close_code())[0] == 1001
    config["service"]["port"] = int(port)
    async with LocalHub(config) as hub:
        assert (key_in(hub.connection_string), key_in(hub.secondary_connection_string)) == keys
        # Keys stay; connections, groups and messages do not.
        assert (await rest_of(hub)("HEAD", "/groups/g")).status == 404
        again = await connect(hub, query=f"access_token={token}")
        assert again.connected["userId"] == "bo"


@pytest.mark.parametrize("where", ["state file", "configuration"])
async def test_keys_that_are_changed_in_a_file(
    tmp_path, connect, rest_of, eventually, monkeypatch, where, caplog
):
    import localhub.key_store as key_store

    monkeypatch.setattr(key_store, "WATCH_INTERVAL", 0.02)
    toml = tmp_path / "hub.toml"
    text = '[service]\nstate_file = "state.json"\n[[hubs]]\nname = "chargers"\n'
    key_line = f'access_key = "{"a" * 44}"\n'
    toml.write_text(text if where == "state file" else text.replace("[[", key_line + "[["))
    state = tmp_path / "state.json"
    async with LocalHub(toml) as hub:
        client, before = await connect(hub, user_id="al"), hub.connection_string
        if where == "state file":
            kept = json.loads(state.read_text())
            # Half a file is no reason to stop, nor to forget the keys.
            state.write_text("{")
            await eventually(lambda: "stay as they are" in caplog.text)
            assert hub.connection_string == before
            state.write_text(json.dumps({**kept, "primary": "n" * 44}))
        else:
            toml.write_text(toml.read_text().replace("a" * 44, "n" * 44))
        await eventually(lambda: key_in(hub.connection_string) == "n" * 44)
        assert "n" * 44 not in caplog.text
        assert (await rest_of(hub).text("/:send")).status == 202
        assert (await client.receive())["data"] == "hi"


def test_a_configured_key_comes_back_with_the_next_start(tmp_path):
    service = {"access_key": "c" * 44, "state_file": str(tmp_path / "state.json")}
    config = Config.load({"service": service})
    store = KeyStore(config)
    secondary = store.keys.secondary
    store.rotate("primary")
    store.rotate("secondary")
    assert store.keys.primary != "c" * 44
    # An unrelated change of a file does not undo it.
    store.reload()
    assert store.keys.primary != "c" * 44
    again = KeyStore(config)
    assert again.keys.primary == "c" * 44
    assert again.keys.secondary == store.keys.secondary != secondary


def test_a_state_file_of_an_earlier_version_is_completed(tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps(KEYS))
    store = KeyStore(Config.load({"service": {"state_file": str(path)}}))
    assert (store.keys.primary, store.keys.secondary) == ("p" * 44, "s" * 44)
    assert json.loads(path.read_text()) == {**KEYS, "issuing": store.keys.issuing}


def test_a_rotation_that_fails_changes_nothing(tmp_path, monkeypatch):
    import localhub.key_store as key_store

    store = KeyStore(Config.load({"service": {"state_file": str(tmp_path / "state.json")}}))
    before, kept = store.keys.primary, (tmp_path / "state.json").read_text()

    def fail(path, content):
        raise ConfigError("no space left")

    monkeypatch.setattr(key_store, "write_private", fail)
    with pytest.raises(ConfigError, match="no space left"):
        store.rotate("primary")
    monkeypatch.undo()
    assert store.keys.primary == before
    assert (tmp_path / "state.json").read_text() == kept
    assert "p" * 44 not in repr(store.keys)


async def test_events_are_signed_with_the_keys_of_the_moment(handler, connect):
    async with LocalHub(handler.config(system_events=["connected"])) as hub:
        for which in ("primary", "secondary"):
            hub.control.rotate_key(which)
        client = await connect(hub)
        (event,) = await handler.wait_for("connected")
        strings = (hub.connection_string, hub.secondary_connection_string)
        signatures = [
            "sha256=" + hmac.new(key_in(one).encode(), client.id.encode(), "sha256").hexdigest()
            for one in strings
        ]
    assert event.headers["ce-signature"] == ",".join(signatures)
