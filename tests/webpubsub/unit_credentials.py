"""Credentials: where a device connects to, and what must never be seen."""

import asyncio
import json
from binascii import b2a_base64

import webpubsub.clock as clock
import webpubsub.expiry as expiry
from checks import equal, raises
from webpubsub.access_url import client_url, recovery_url, without_token
from webpubsub.anonymous import Anonymous
from webpubsub.connecting import new_url
from webpubsub.credentials import AccessToken
from webpubsub.errors import HandshakeError

TOKEN = "head.s3cret.sign"
NOW = 1795305600  # 2026-11-22
REFUSED = HandshakeError("the server refused the connection with HTTP 401", 401, "no")


def url_of(credential):
    return asyncio.run(new_url(credential))


def refused_url(credential):
    error = raises(ValueError, url_of, credential)
    assert "s3cret" not in str(error), error


def test_client_urls():
    equal(
        client_url("https://c.webpubsub.azure.com", "chargers"),
        "wss://c.webpubsub.azure.com/client/hubs/chargers",
    )
    for endpoint, start in (
        ("wss://h", "wss://h/"),
        ("https://h/", "wss://h/"),
        ("http://127.0.0.1:7080", "ws://127.0.0.1:7080/"),
        ("ws://[::1]:7080/", "ws://[::1]:7080/"),
        ("https://h#f", "wss://h/"),
    ):
        equal(client_url(endpoint, "a"), start + "client/hubs/a")


def test_endpoints_that_are_none():
    for endpoint in ("h", "h.webpubsub.azure.com", "ftp://h", "", "wss://", "https://u:p@h"):
        raises(ValueError, client_url, endpoint, "a")
    for endpoint in ("wss://h/client/hubs/a", "https://h/x", "https://h?a=b"):
        assert "host" in str(raises(ValueError, client_url, endpoint, "a"))


def test_hub_names():
    for hub in ("a", "Z", "a1", "a_b`c,d.e[f]g", "A" * 128):
        assert "/client/hubs/" in client_url("wss://h", hub)
    for hub in ("", "1a", "_a", ".a", "a-b", "a/b", "a b", "ä", "aä", "a\n", "a?", "A" * 129):
        raises(ValueError, client_url, "wss://h", hub)
    equal(client_url("wss://h", "a[b]`,c"), "wss://h/client/hubs/a%5Bb%5D%60%2Cc")


def test_anonymous():
    equal(url_of(Anonymous("wss://h", "a")), "wss://h/client/hubs/a")
    equal(url_of(Anonymous("wss://h", "a", {"id": "CP 7"})), "wss://h/client/hubs/a?id=CP%207")
    raises(ValueError, Anonymous, "wss://h", "a", {"access_token": TOKEN})


def test_a_token():
    equal(
        url_of(AccessToken("wss://h", "a", TOKEN)),
        "wss://h/client/hubs/a?access_token=head.s3cret.sign",
    )
    equal(
        url_of(AccessToken("wss://h", "a", TOKEN + "\r\n")),
        "wss://h/client/hubs/a?access_token=head.s3cret.sign",
    )


def test_tokens_that_are_none():
    for token in ("", None, "s3cret", "a.s3cret", "a.b.s3cret.d"):
        error = raises(ValueError, AccessToken, "wss://h", "a", token)
        assert "s3cret" not in str(error)


def test_a_token_does_not_go_over_an_open_line():
    for endpoint in ("ws://h", "http://h", "http://10.0.0.1", "ws://127.0.0.1.example.com"):
        error = raises(ValueError, AccessToken, endpoint, "a", TOKEN)
        assert "wss://" in str(error)
        assert "s3cret" not in str(error)
        refused_url(endpoint + "/client/hubs/a?access_token=" + TOKEN)
        refused_url(endpoint + "/client/hubs/a?x=1&access_token=" + TOKEN)
        url_of(AccessToken(endpoint, "a", TOKEN, allow_insecure=True))
    for endpoint in ("ws://127.0.0.1:1", "http://localhost", "ws://[::1]"):
        url_of(AccessToken(endpoint, "a", TOKEN))
        url_of(endpoint + "/client/hubs/a?access_token=" + TOKEN)
    url_of("ws://h/client/hubs/a?id=1")


def test_a_callable_that_gives_no_url():
    async def nothing():
        pass

    assert "no URL" in str(raises(ValueError, url_of, nothing))


def test_a_url_and_a_callable():
    url = "wss://h/client/hubs/a?access_token=" + TOKEN

    async def negotiate():
        return url

    equal(url_of(url), url)
    equal(url_of(negotiate), url)
    refused_url("h/client?access_token=" + TOKEN)

    async def broken():
        return "h?access_token=" + TOKEN

    refused_url(broken)


def test_nothing_secret_is_shown():
    credential = AccessToken("wss://h", "a", TOKEN)
    assert "s3cret" not in repr(credential)
    assert "s3cret" not in str(credential)


def recovered(url, connection_id, token):
    return recovery_url(without_token(url), connection_id, token)


def test_recovery_urls():
    equal(
        recovered("wss://h/client/hubs/a?access_token=" + TOKEN, "id", "a+b/c=d.e"),
        "wss://h/client/hubs/a?awps_connection_id=id&awps_reconnection_token=a%2Bb%2Fc%3Dd.e",
    )
    equal(
        recovered("wss://h/client?hub=a&access_token=x.y.z&id=7", "c", "t"),
        "wss://h/client?hub=a&id=7&awps_connection_id=c&awps_reconnection_token=t",
    )
    equal(
        recovered("wss://h/c", "c", "t"),
        "wss://h/c?awps_connection_id=c&awps_reconnection_token=t",
    )


# when a token ends


def jwt(claims):
    body = json.dumps(claims) if isinstance(claims, dict) else claims
    text = b2a_base64(body.encode()).decode().strip()
    return "head." + text.replace("+", "-").replace("/", "_").replace("=", "") + ".s3cret"


def at(now, function, *arguments):
    """Call while the clock shows a time."""
    real, clock.unix_time = clock.unix_time, lambda: now
    try:
        return function(*arguments)
    finally:
        clock.unix_time = real


def left(now, claims):
    return at(now, lambda: AccessToken("wss://h", "a", jwt(claims)).seconds_left)


def test_when_a_token_ends():
    # A name that needs both letters in which base64url differs, and each length of padding.
    for name in ("", "x", "xy", "xyz", "\u00bf\u00bf\u00be\u00ff"):
        equal(AccessToken("wss://h", "a", jwt({"exp": NOW + 60, "n": name})).expires, NOW + 60)
    # A board's floats are of single precision: there it is minutes from the truth.
    ends = AccessToken("wss://h", "a", jwt({"exp": NOW + 60.5})).expires
    assert isinstance(ends, int), ends
    assert abs(ends - (NOW + 60)) <= 512, ends


def test_tokens_that_do_not_say():
    bodies = ["", "7", "[1]", "{", '{"exp": 1e999}', "\u00ff"]
    for claims in bodies + [{}, {"exp": "soon"}, {"exp": None}, {"exp": []}]:  # noqa: RUF005
        token = AccessToken("wss://h", "a", jwt(claims))
        equal(token.expires, None)
        equal(token.seconds_left, None)
        equal(token.refused(REFUSED), REFUSED)
    equal(AccessToken("wss://h", "a", "a.%.c").expires, None)


def test_how_long_is_left():
    equal(left(NOW, {"exp": NOW + 60}), 60)
    equal(left(NOW, {"exp": NOW - 60}), -60)


def test_a_clock_that_was_not_set():
    for now in (0, 946684800, clock.floor - 1):
        equal(left(now, {"exp": NOW}), None)
    # It must have been issued before anybody could have it.
    equal(left(NOW, {"exp": NOW + 9000, "iat": NOW + 3600}), None)
    equal(at(0, AccessToken("wss://h", "a", jwt({"exp": 1})).refused, REFUSED), REFUSED)


def test_expired_rather_than_refused():
    token = AccessToken("wss://h", "a", jwt({"exp": 1795311840}))
    error = at(1795311841, token.refused, REFUSED)
    assert "expired on 2026-11-22 01:44Z: get a new one" in str(error), error
    equal((error.status, error.reason), (401, "no"))
    assert "s3cret" not in str(error)
    # It is not the token's age when it is still good, or when something else was refused.
    equal(at(1795311839, token.refused, REFUSED), REFUSED)
    other = HandshakeError("forbidden", 403)
    equal(at(1795311841, token.refused, other), other)


class Client:
    """What a credential needs of a client."""

    def __init__(self):
        self.events = []

    def emit(self, name, **fields):
        self.events.append((name, fields["left"]))

    def spawn(self, coroutine):
        return asyncio.create_task(coroutine)


def warned(token, times):
    """The events of a token's last days; `times` gives the time at each look, then ends it."""
    client, slept = Client(), []

    async def sleep(seconds):
        slept.append(seconds)
        if not times:
            raise asyncio.CancelledError
        clock.unix_time = lambda: times.pop(0)

    async def run():
        watcher = token.watch(client)
        assert token.watch(client) is watcher, "one is enough"
        try:
            await watcher
        except asyncio.CancelledError:
            pass

    real, clock.unix_time = clock.unix_time, lambda: times.pop(0)
    loop, expiry.asyncio = expiry.asyncio, Sleeping(sleep)
    try:
        asyncio.run(run())
    finally:
        clock.unix_time, expiry.asyncio = real, loop
    return client.events, slept


class Sleeping:
    def __init__(self, sleep):
        self.sleep = sleep


def test_a_warning_before_the_end():
    end = NOW + 10 * 86400
    token = AccessToken("wss://h", "a", jwt({"exp": end}), warn=2 * 86400)
    events, slept = warned(token, [0, NOW, end - 2 * 86400 - 5, end - 2 * 86400, end - 86400, end])
    equal(events, [("token-expires", 172800), ("token-expires", 86400), ("token-expires", 0)])
    equal(slept, [300, 86400, 5, 86400, 86400, 86400])
    equal(warned(AccessToken("wss://h", "a", TOKEN), []), ([], []))
