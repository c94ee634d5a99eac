"""Credentials: where a device connects to, and what must never be seen."""

import asyncio

from checks import equal, raises
from webpubsub.credentials import AccessToken, Anonymous, client_url, new_url, recovery_url

TOKEN = "head.s3cret.sign"


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


def test_recovery_urls():
    equal(
        recovery_url("wss://h/client/hubs/a?access_token=" + TOKEN, "id", "a+b/c=d.e"),
        "wss://h/client/hubs/a?awps_connection_id=id&awps_reconnection_token=a%2Bb%2Fc%3Dd.e",
    )
    equal(
        recovery_url("wss://h/client?hub=a&access_token=x.y.z&id=7", "c", "t"),
        "wss://h/client?hub=a&id=7&awps_connection_id=c&awps_reconnection_token=t",
    )
    equal(
        recovery_url("wss://h/c", "c", "t"),
        "wss://h/c?awps_connection_id=c&awps_reconnection_token=t",
    )
