import binascii
import json

import fakes
from firmware import clock, refusal

ENDPOINT = "https://contoso.webpubsub.azure.com"
AUDIENCE = ENDPOINT + "/client/hubs/chargers"


def part(value):
    text = binascii.b2a_base64(json.dumps(value).encode()).decode().strip()
    return text.replace("+", "-").replace("/", "_").rstrip("=")


def token(**claims):
    return "{}.{}.c2lnbmF0dXJl".format(part({"alg": "HS256"}), part(claims))


def settings(jwt="", endpoint=ENDPOINT):
    return fakes.Module(
        credential="token" if jwt else "anonymous", token=jwt, endpoint=endpoint, hub="chargers"
    )


class Refused(OSError):
    def __init__(self, status, text="refused"):
        super().__init__(text)
        self.status = status


def why(jwt, status=401, endpoint=ENDPOINT):
    text = refusal.explain(Refused(status), settings(jwt, endpoint))
    assert jwt not in text if jwt else True
    return text


def test_anonymous_on_a_deny_hub_names_the_service():
    text = why("")
    assert 'HTTP 401: hub "chargers" refuses anonymous devices' in text
    assert "on the service" in text


def test_expired_token_names_the_board():
    text = why(token(aud=AUDIENCE, exp=clock.unix_time() - 3600))
    assert "this board's token expired on 20" in text
    assert "hubtool token" in text
    assert "hubtool configure" in text


def test_token_of_the_future():
    text = why(token(aud=AUDIENCE, nbf=clock.unix_time() + 3600))
    assert "not valid before" in text


def test_wrong_audience_shows_both():
    text = why(token(aud=ENDPOINT + "/client/hubs/other", exp=clock.unix_time() + 99))
    assert "/client/hubs/other and not for " + AUDIENCE in text


def test_audiences_that_match():
    for aud in (AUDIENCE, AUDIENCE + "/", [AUDIENCE, "x"], AUDIENCE.upper()):
        text = why(token(aud=aud, exp=clock.unix_time() + 99))
        assert "does not accept the key" in text, aud
    text = why(token(aud="http://127.0.0.1:7080/client/hubs/chargers"), 401, "ws://127.0.0.1:7080")
    assert "does not accept the key" in text


def test_wrong_key():
    assert "does not accept the key" in why(token(aud=AUDIENCE, exp=clock.unix_time() + 99))


def test_expiry_is_not_judged_by_a_clock_that_is_not_set():
    saved = clock.is_set
    clock.is_set = lambda: False
    try:
        assert "does not accept the key" in why(token(aud=AUDIENCE, exp=1000))
    finally:
        clock.is_set = saved


def test_tokens_that_are_none():
    for jwt in ("x", "a.b", "a.!!.c", "a.e30.c.d", "a.W10.c", "a.\xff.c"):
        assert "cannot be read" in why(jwt), jwt


def test_other_statuses():
    for status, words in (
        (403, "connect handler turns this device away"),
        (404, "check endpoint and hub"),
        (429, "too many connections"),
        (500, "trouble on the side of the service"),
        (503, "HTTP 503"),
        (400, "HTTP 400: refused"),
    ):
        assert words in why("", status)


def test_no_status():
    assert refusal.explain(OSError("no route"), settings()) == "no route"
    assert refusal.explain(MemoryError(), settings()) == "MemoryError"


def explained(text, clock_is_set):
    saved = clock.is_set
    clock.is_set = lambda: clock_is_set
    try:
        return refusal.explain(ValueError(text), settings())
    finally:
        clock.is_set = saved


def test_certificates():
    for clock_is_set in (True, False):
        text = explained("The certificate is not correctly signed by the trusted CA", clock_is_set)
        assert text.endswith("check tls.ca and the endpoint, and run hubtool configure"), text
        assert "clock" not in text, text


def test_certificates_that_the_clock_does_not_like():
    for text in (
        "The certificate validity starts in the future",
        "The certificate validity has expired",
        "certificate verify failed: certificate is not yet valid (_ssl.c:1)",
        "TLS with h failed: certificate has expired",
        "TLS with h failed: certificate has expired: the clock shows 2026-11-29",
    ):
        for clock_is_set, remedy in (
            (True, "check clock.ntp and the service's certificate, and run hubtool configure"),
            (False, "check clock.ntp, and run hubtool configure"),
        ):
            line = explained(text, clock_is_set)
            assert line.count(": the clock shows 20") == 1, line
            assert line.endswith(": " + remedy), line
            assert "tls.ca" not in line, line


def test_a_text_that_says_tls_does_not_say_it_twice():
    text = refusal.explain(OSError("TLS with h failed: certificate unknown"), settings())
    assert text.startswith("TLS with h failed: "), text
    text = refusal.explain(OSError("certificate unknown"), settings())
    assert text.startswith("TLS: certificate"), text
