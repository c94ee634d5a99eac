import asyncio
import binascii
import json
import os
import sys

import fakes
import records
from checks import raises
from firmware import CommandError, care, clock, commands, console, resuming, runtime

PARENT = sys.argv[2]
verdict = resuming.verdict  # on MicroPython whoever loads it with `once` has another one
ENDPOINT = "https://contoso.webpubsub.azure.com"
OTHER = "wss://fabrikam.example:8443"


def jwt(aud, exp=4102444800):
    body = json.dumps({"aud": aud, "exp": exp}).encode()
    parts = (binascii.b2a_base64(each).decode().strip() for each in (b'{"alg":"x"}', body, b"sig"))
    return ".".join(part.rstrip("=") for part in parts)


def token_for(endpoint, hub="chargers", **claims):
    return jwt(f"{endpoint.replace('wss', 'https')}/client/hubs/{hub}", **claims)


def written(credential="token", endpoint=ENDPOINT, allowed=(OTHER,)):
    folder = records.fresh_folder(PARENT)
    hub = {
        "endpoint": endpoint,
        "name": "chargers",
        "credential": credential,
        "protocol": "json.reliable.webpubsub.azure.v1",
        "endpoints_allowed": list(allowed),
    }
    if credential == "anonymous":
        hub["query"] = {"id": "CP-7"}
    token = token_for(endpoint) if credential == "token" else ""
    content = records.settings(2, hub=hub)
    records.write(folder, records.files("a", content, records.secrets(2, token=token)))
    return records.load(folder)


def change(found, command, arguments):
    return care.change(found, command, arguments, "group", "9")


def refusal(found, command, **arguments):
    with raises(CommandError) as caught:
        change(found, command, arguments)
    names = os.listdir(found.folder)
    assert verdict.FILE not in names, names
    assert "candidate" not in names
    now = records.load(found.folder)
    assert (now.generation, now.token) == (found.generation, found.token)
    return caught.text


def candidate(found, command, **arguments):
    change(found, command, arguments)
    attempt = resuming.take(records.load(found.folder))
    assert attempt.is_open
    return attempt.settings


def test_a_token():
    found = written()
    fakes.Console(console)
    new = token_for(ENDPOINT, exp=4102444801)
    made = candidate(found, "set_token", token=new + "\n")
    assert (made.token, made.endpoint, made.generation) == (new, ENDPOINT, 3)
    assert records.load(found.folder).token == found.token


def test_a_token_for_a_board_that_was_anonymous():
    made = candidate(written("anonymous"), "set_token", token=token_for(ENDPOINT))
    assert (made.credential, made.query) == ("token", {})


def test_an_endpoint_with_a_token_of_its_own():
    made = candidate(written(), "set_endpoint", endpoint=OTHER, token=token_for(OTHER))
    assert (made.endpoint, made.hub, made.token) == (OTHER, "chargers", token_for(OTHER))


def test_a_hub_on_it():
    token = token_for(OTHER, "robots")
    made = candidate(written(), "set_endpoint", endpoint=OTHER, hub="robots", token=token)
    assert (made.endpoint, made.hub) == (OTHER, "robots")


def test_an_endpoint_for_an_anonymous_board():
    made = candidate(written("anonymous"), "set_endpoint", endpoint=OTHER)
    assert (made.endpoint, made.credential, made.query) == (OTHER, "anonymous", {"id": "CP-7"})


def test_what_the_list_allows():
    for endpoint, allowed, outcome in (
        ("wss://a.example", ["wss://a.example"], True),
        ("https://A.example:443/", ["wss://a.example"], True),
        ("wss://a.example:8443", ["wss://a.example"], False),
        ("wss://b.a.example", ["wss://a.example"], False),
        ("wss://a.example.evil.org", ["wss://a.example"], False),
        ("wss://a.example", [], False),
        ("wss://a.example", ["nonsense", "wss://a.example"], True),
        ("wss://x.example", ["wss://*.example"], False),
        ("ws://a.example", ["wss://a.example"], False),
        ("ws://a.example", ["ws://a.example"], False),
        ("ws://127.0.0.1:7080", ["ws://127.0.0.1:7080"], True),
        ("http://localhost:7080", ["ws://localhost:7080"], True),
        ("ws://127.0.0.1:7080", ["wss://127.0.0.1:7080"], False),
        ("ws://127.0.0.1:7080", [], False),
        ("ws://127.evil.org", ["ws://127.evil.org"], False),
    ):
        assert care.is_allowed(endpoint, allowed) is outcome, (endpoint, allowed)


def test_places_that_are_refused():
    found = written()
    for arguments, words in (
        ({"endpoint": "wss://evil.example"}, "not in hub.endpoints_allowed"),
        ({"endpoint": OTHER + "/path"}, "must end after its host"),
        ({"endpoint": "fabrikam.example"}, "scheme"),
        ({"endpoint": "wss://user@fabrikam.example:8443"}, "user info"),
        ({"endpoint": 7}, "must be strings"),
        ({"endpoint": OTHER, "hub": "no hub"}, "hub name"),
        ({"endpoint": OTHER, "hub": ["x"]}, "must be strings"),
        ({"endpoint": OTHER}, "the token is for"),
        ({"hub": "robots"}, "'endpoint' is missing"),
    ):
        text = refusal(found, "set_endpoint", **arguments)
        assert words in text, text


def test_tokens_that_are_refused_are_not_quoted():
    found = written()
    secret = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0"
    for token, words in (
        (secret, "no Client Access Token"),
        (secret + ".x", "no Client Access Token"),
        ("", "no Client Access Token"),
        (None, "'token' is missing"),
        (7, "must be a string"),
        (["a.b.c"], "must be a string"),
        ("x" * 9000, "at most 8192"),
        (token_for(OTHER), "and not for " + ENDPOINT),
        (jwt(None), "and not for"),
        (jwt([1, {}]), "and not for"),
    ):
        arguments = {} if token is None else {"token": token}
        text = refusal(found, "set_token", **arguments)
        assert words in text, text
        assert "c2VjcmV0" not in text
        assert "xxx" not in text


def test_an_expired_token():
    found = written()
    shown = clock
    care.clock = fakes.Module(unix_time=lambda: 2000000000, is_set=lambda: True, iso=shown.iso)
    try:
        text = refusal(found, "set_token", token=token_for(ENDPOINT, exp=1999999999))
        assert text == "the token expired on 2033-05-18 03:33:19Z", text
        change(found, "set_token", {"token": token_for(ENDPOINT, exp=2000000001)})
    finally:
        care.clock = shown


def test_a_token_over_an_open_line():
    found = written("anonymous", "ws://10.0.0.9")
    text = refusal(found, "set_token", token=token_for("http://10.0.0.9"))
    assert "can be read by others" in text


def test_certificates_that_are_refused():
    found = written()
    for ca in ("", "????", "AAAA", ["MIIB"], 7, None, [7]):
        text = refusal(found, "set_ca", ca=ca)
        assert "'ca'" in text, text
    saved, care.LONGEST_CA = care.LONGEST_CA, 100
    try:
        assert "limited to 100" in refusal(found, "set_ca", ca=binascii.b2a_base64(bytes(101)))
    finally:
        care.LONGEST_CA = saved
    plain = written("anonymous", "ws://127.0.0.1:7080")
    assert "not reached over TLS" in refusal(plain, "set_ca", ca="AAAA")


def test_arguments_that_are_refused():
    found = written()
    token = token_for(ENDPOINT)
    for arguments, words in (
        ({"token": token, "ssid": "x"}, "unknown argument: use token, deadline"),
        ({"token": token, "deadline": 29}, "from 30 to 900"),
        ({"token": token, "deadline": 901}, "from 30 to 900"),
        ({"token": token, "deadline": "60"}, "from 30 to 900"),
        ({}, "'token' is missing"),
    ):
        assert words in refusal(found, "set_token", **arguments)
    assert change(found, "set_token", {"token": token, "deadline": 900}) == 900


def test_one_change_at_a_time():
    found = written()
    change(found, "set_token", {"token": token_for(ENDPOINT)})
    with raises(CommandError) as caught:
        change(found, "set_token", {"token": token_for(ENDPOINT)})
    assert "not over" in caught.text
    os.remove(found.folder + "/" + verdict.FILE)
    change(found, "set_token", {"token": token_for(ENDPOINT)})


def test_the_last_change_may_take_its_time_to_end():
    fakes.Console(console, commands)
    found = written()
    time = fakes.VirtualTime()
    table = commands.Commands(found, None, None, lambda *what: care.change(found, *what))
    change(found, "set_token", {"token": token_for(ENDPOINT)})
    command = {"command": "set_token", "arguments": {"token": token_for(ENDPOINT)}}
    assert "not over" in asyncio.run(table.answer(command, "server"))["error"]
    assert 5000 < time.ms < 30000

    async def over(seconds):
        os.remove(found.folder + "/" + verdict.FILE)

    runtime.sleep = over
    answer = asyncio.run(table.answer(command, "server"))
    assert answer["pending"] is True
    assert answer["result"] == "resetting, to try it for 180 s; the outcome follows"
    assert table.leaving


def test_a_flash_that_is_full():
    found = written()

    def full(*arguments):
        raise OSError(28)

    # On MicroPython a module that is loaded for its use is a new one each time.
    saved = care.once
    full_one = saved("firmware.verdict")
    full_one.write_record = full
    care.once = lambda name: full_one
    try:
        assert "28" in refusal(found, "set_token", token=token_for(ENDPOINT))
    finally:
        care.once = saved
        full_one.write_record = full_one.slots.write_record
