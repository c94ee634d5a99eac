"""A board with a key for a negotiate server: its settings, credential, refusals, remote care."""

import binascii
import json
import os
import sys

import fakes
import records
from checks import raises
from firmware import CommandError, care, console, refusal, resuming, settings, slots, wiring
from webpubsub import Negotiate
from webpubsub.errors import HandshakeError

PARENT = sys.argv[2]
URL = "http://127.0.0.1:8081/negotiate"
HTTPS = "https://keys.example:8443/negotiate?region=1"
KEY = "k7-very-secret"
ENDPOINT = "http://127.0.0.1:7080"


def written(table=None, key=KEY, endpoint=ENDPOINT, allowed=(), **hub):
    folder = records.fresh_folder(PARENT)
    hub = dict(
        {
            "endpoint": endpoint,
            "name": "chargers",
            "credential": "negotiate",
            "protocol": "json.reliable.webpubsub.azure.v1",
            "endpoints_allowed": list(allowed),
            "negotiate": {"url": URL} if table is None else table,
        },
        **hub,
    )
    secrets = dict(records.secrets(2), negotiate_key=key)
    records.write(folder, records.files("a", records.settings(2, hub=hub), secrets))
    return folder


def loaded(*arguments, **more):
    return records.load(written(*arguments, **more))


def test_what_the_settings_say():
    found = loaded()
    assert (found.credential, found.negotiate, found.negotiate_key) == (
        "negotiate",
        {"url": URL},
        KEY,
    )
    assert (found.token, found.uses_tls) == ("", False)
    # The clock and the certificates are as needed for this server as for the service.
    assert loaded({"url": HTTPS}).uses_tls
    assert KEY not in repr(found)


def test_settings_that_cannot_be():
    for table, key in (
        ({}, KEY),
        ([], KEY),
        ({"url": 7}, KEY),
        ({"url": URL}, ""),
        ({"url": URL}, None),
        ({"url": URL}, 7),
    ):
        with raises(settings.SettingsError) as caught:
            loaded(table, key)
        assert "hub.negotiate.url or its key is missing" in caught.text
        assert KEY not in caught.text


class NetworkLink:
    async def wait_up(self):
        pass


def test_the_credential_of_the_client():
    client = wiring.make_client(loaded(), NetworkLink())
    assert isinstance(client.keeper.credential, Negotiate)
    for url, words in (
        ("http://keys.example/negotiate", "read by others"),
        ("keys.example", "scheme"),
        ("https://keys.example/", "tls.ca"),
    ):
        with raises(settings.SettingsError) as caught:
            wiring.make_client(loaded({"url": url}), NetworkLink())
        assert words in caught.text, caught.text
        assert "run hubtool configure" in caught.text
        assert KEY not in caught.text


def test_who_is_refused_gets_to_know_on_which_side():
    found = loaded()
    for status, words in (
        (401, "check device.id and hub.negotiate.key there and here, and run hubtool configure"),
        (403, "check device.id and hub.negotiate.key"),
        (404, "check hub.negotiate.url, and run hubtool configure"),
        (429, "keys refused to negotiate with HTTP 429: slow down"),
        (502, "keys refused to negotiate with HTTP 502: slow down"),
    ):
        text = f"keys refused to negotiate with HTTP {status}: slow down"
        shown = refusal.explain(HandshakeError(text, status), found)
        assert text in shown
        assert words in shown
    # By the service.
    for status, words in (
        (401, "the service does not accept the token of the negotiate server"),
        (403, "the hub's connect handler turns this device away"),
        (500, "trouble on the side of the service"),
    ):
        text = f"the server refused the connection with HTTP {status}"
        assert words in refusal.explain(HandshakeError(text, status), found)
    assert refusal.explain(OSError("no route"), found) == "no route"


# Remote care.


def change(found, command, **arguments):
    fakes.Console(console)
    care.change(found, command, arguments, "group", "9")
    attempt = resuming.take(records.load(found.folder))
    assert attempt.is_open
    return attempt.settings


def stored(found):
    with open(f"{found.folder}/secrets.{found.slot}") as file:
        return json.loads(file.readline())


def refused(found, command, **arguments):
    with raises(CommandError) as caught:
        care.change(found, command, arguments, "group", "9")
    names = os.listdir(found.folder)
    assert resuming.verdict.FILE not in names, names
    assert records.load(found.folder).generation == found.generation
    return caught.text


def test_a_new_key():
    made = change(loaded(), "set_negotiate", key="another-key")
    assert (made.negotiate, made.negotiate_key, made.generation) == (
        {"url": URL},
        "another-key",
        3,
    )


def test_another_server_that_the_list_allows():
    made = change(
        loaded(allowed=("https://keys.example:8443",)),
        "set_negotiate",
        key="another-key",
        url=HTTPS,
        header="x-functions-key",
    )
    assert made.negotiate == {"url": HTTPS, "header": "x-functions-key"}
    assert made.uses_tls


def test_another_path_of_the_same_server():
    made = change(loaded(), "set_negotiate", key=KEY, url="http://127.0.0.1:8081/other")
    assert made.negotiate == {"url": "http://127.0.0.1:8081/other"}


def test_other_servers_are_refused():
    for url in (
        "https://keys.example/negotiate",
        "http://127.0.0.1:8082/",
        "nonsense",
        7,
        "",
        "a b",
    ):
        words = refused(loaded(), "set_negotiate", key="another-key", url=url)
        assert "another-key" not in words
    # Over an open line it goes to this board itself only, whatever the list says.
    found = loaded(allowed=("http://keys.example",))
    words = refused(found, "set_negotiate", key="another-key", url="http://keys.example/")
    assert "hub.endpoints_allowed" in words


def test_keys_that_are_refused_are_not_quoted():
    for key in ("a secret", "line\nbreak", "\u00fcmlaut", "x" * 1025, 7, "", ["k"]):
        words = refused(loaded(), "set_negotiate", key=key)
        assert words.startswith("'key' must be a string of ASCII characters without"), words
    assert "'key' is missing" in refused(loaded(), "set_negotiate", url=URL)
    assert "'header' must be" in refused(loaded(), "set_negotiate", key=KEY, header="a: b")


def test_a_board_with_a_token_gets_a_key_instead():
    found = loaded(
        None, None, allowed=(URL[:21],), credential="anonymous", negotiate=None, query={"id": "7"}
    )
    assert "'url' is missing" in refused(found, "set_negotiate", key=KEY)
    made = change(found, "set_negotiate", key=KEY, url=URL)
    assert (made.credential, made.negotiate, made.query) == ("negotiate", {"url": URL}, {})
    assert stored(made)["token"] == ""


def test_a_token_from_afar_takes_the_place_of_a_key():
    body = {"aud": ENDPOINT + "/client/hubs/chargers", "exp": 4102444800}
    part = binascii.b2a_base64(json.dumps(body).encode()).decode().strip().rstrip("=")
    token = "x." + part + ".y"
    made = change(loaded(), "set_token", token=token)
    assert (made.credential, made.token) == ("token", token)
    assert "negotiate_key" not in stored(made)


def test_a_token_takes_the_place_of_a_key():
    found = loaded()
    made = slots.propose(found, {"credential": "token", "negotiate": None}, token="a.b.c")
    assert (made.credential, made.token) == ("token", "a.b.c")
    assert "negotiate_key" not in stored(made)


def test_where_such_a_board_connects_is_not_its_own_matter():
    found = loaded(allowed=("http://127.0.0.1:7081",))
    words = refused(found, "set_endpoint", endpoint="http://127.0.0.1:7081")
    assert "use set_negotiate" in words


def test_certificates_for_a_negotiate_server_alone():
    words = refused(loaded(), "set_ca", ca="AAAA")
    assert "not reached over TLS" in words
    words = refused(loaded({"url": HTTPS}), "set_ca", ca="AAAA")
    assert "must be certificates in DER" in words
