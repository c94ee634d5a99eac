"""Who may call the data plane, and that clients and servers are not taken for each other."""

from __future__ import annotations

import base64
import json
import logging
import time
import warnings

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from localhub import LocalHub
from localhub.auth.callers import by_access_key, read_credentials
from localhub.auth.keys import AccessKeys
from localhub.auth.tokens import TokenValidator
from localhub.errors import TokenError

SEND = "/api/hubs/chargers/:send"


async def status(rest, token: str | None, path: str = "/groups/g") -> int:
    header = None if token is None else f"Bearer {token}"
    return (await rest("HEAD", path, authorization=header)).status


@pytest.mark.parametrize(
    "audience",
    [
        "{endpoint}{path}?api-version=2024-12-01&excluded=a%20b",
        "{endpoint}{path}",
        "{endpoint}{path}/",
        # Hosts differ behind a proxy, a port mapping or TLS.
        "https://contoso.webpubsub.azure.com{path}",
        "HTTPS://LocalHost:1{path}",
        # Python's asynchronous client signs what it does not send.
        "{endpoint}/api/hubs/chargers/users/a@b.c%2F%C3%A9",
        "{endpoint}/api/hubs/chargers/users/a%40b.c/é",
    ],
)
async def test_audiences_that_are_the_url(localhub, connect, rest, audience):
    await connect(localhub, user_id="a@b.c%2Fé")
    path = "/api/hubs/chargers/users/a%40b.c%2F%c3%a9"
    audience = audience.format(endpoint=localhub.endpoint, path=path)
    assert await status(rest, rest.token(audience), path) == 200
    assert await status(rest, rest.token(["x", audience]), path) == 200


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        5,
        [],
        [5],
        {"a": 1},
        "http://h",
        "/api/hubs/chargers/groups/g",
        "ws://h/api/hubs/chargers/groups/g",
        "http://h/api/hubs/chargers/groups/h",
        "http://h/api/hubs/chargers/groups",
        "http://h/api/hubs/chargers/groups/g/:send",
        "http://h/?/api/hubs/chargers/groups/g",
        "http://h/#/api/hubs/chargers/groups/g",
    ],
)
async def test_audiences_that_are_not(rest, audience):
    assert await status(rest, rest.token(audience)) == 401


def _unsigned(claims: dict[str, object], algorithm: str) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


async def test_tokens_that_are_refused(rest):
    good = {"aud": "http://h/api/hubs/chargers/groups/g", "exp": int(time.time()) + 60}
    audience = good["aud"]
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    assert await status(rest, rest.token(audience)) == 404
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hs512 = jwt.encode(good, rest.key, algorithm="HS512")
    bad = {
        "another key": rest.token(audience, "x" * 44),
        "decoded key": jwt.encode(good, base64.b64decode(rest.key), algorithm="HS256"),
        "none": _unsigned(good, "none"),
        "None": _unsigned(good, "None"),
        "HS512": hs512,
        "RS256": jwt.encode(good, private, algorithm="RS256"),
        "RS256 in name": _unsigned(good, "RS256") + "AAAA",
        "expired": rest.token(audience, exp=int(time.time()) - 301),
        "no expiry": rest.token(audience, exp=None),
        "expiry is text": rest.token(audience, exp="never"),
        "expiry is no number": rest.token(audience, exp=float("inf")),
        "soon, but not yet": rest.token(audience, nbf=int(time.time()) + 310),
        "not yet": rest.token(audience, nbf=int(time.time()) + 10**9),
        "nbf is text": rest.token(audience, nbf="soon"),
        "huge": rest.token(audience, junk="x" * 5000) + "x",
        "not one": "x",
        "dots": "...",
        "empty": "",
    }
    for name, token in bad.items():
        assert (await status(rest, token), name) == (401, name)
    assert await status(rest, None) == 401
    for header in ("Bearer", "Basic " + bad["expired"], "bearer  ", rest.token(audience)):
        assert (await rest("HEAD", "/groups/g", authorization=header)).status == 401
    assert await status(rest, rest.token(audience, iss="x", jti=5, sub=["x"])) == 404


@pytest.mark.parametrize("seconds", [3, 290])
async def test_clocks_may_differ_by_five_minutes(rest, seconds):
    """As in Microsoft's emulator, WebPubSubTokenService.cs: a ClockSkew of five minutes."""
    audience = f"{rest.hub.endpoint}/api/hubs/chargers/groups/g"
    now = int(time.time())
    for claims in ({"nbf": now + seconds}, {"exp": now - seconds}, {"iat": now + seconds}):
        assert (await status(rest, rest.token(audience, **claims)), claims) == (404, claims)


async def test_health_needs_no_token(rest):
    assert (await rest("HEAD", "/api/health", authorization=None)).status == 200
    assert (await rest("HEAD", "/api/health", authorization="Bearer rubbish")).status == 200


async def test_either_key_is_accepted(localhub, rest):
    secondary = localhub.secondary_connection_string.partition("AccessKey=")[2].split(";")[0]
    assert secondary != rest.key
    assert await status(rest, rest.token("http://h/api/hubs/chargers/groups/g", secondary)) == 404


async def test_what_a_refusal_looks_like(rest):
    answer = await rest("POST", "/:send", b"", content_type="text/plain", authorization=None)
    assert answer.status == 401
    assert answer.json["code"] == answer.headers["x-ms-error-code"] == "Error.Unauthorized"
    assert "WWW-Authenticate" not in answer.headers
    head = await rest("HEAD", "/groups/g", authorization=None)
    assert (head.status, head.text) == (401, "")
    assert "json" not in head.headers.get("Content-Type", "")


# -- two roles ------------------------------------------------------------------------------


async def test_a_client_token_opens_no_operation(localhub, rest):
    roles = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]
    token = localhub.client_url("chargers", user_id="u", roles=roles).partition("=")[2]
    issued = (await rest("POST", "/:generateToken")).json["token"]
    for one in (token, issued):
        for path in ("/groups/g", "/users/u", "/connections/c"):
            assert await status(rest, one, path) == 401
        # Nor in the query, where clients may have theirs.
        answer = await rest("POST", f"/:send?access_token={one}", b"", authorization=None)
        assert answer.status == 401


async def test_a_server_token_opens_no_connection(localhub, refused, rest):
    token = rest.token(f"{localhub.endpoint}{SEND}")
    code, text = await refused(localhub, query=f"access_token={token}", name="private")
    assert code == 401
    assert "audience" in text


async def test_the_issuing_key_is_no_access_key(localhub, rest):
    audience = f"{localhub.endpoint}/api/hubs/chargers/groups/g"
    assert await status(rest, rest.token(audience, localhub.control.keys.issuing)) == 401


@pytest.mark.localhub(
    {
        "service": {"disable_local_auth": True},
        "hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}],
    }
)
async def test_keys_can_be_switched_off(localhub, connect, refused, rest):
    answer = await rest("POST", "/:send", b"", content_type="text/plain")
    assert answer.status == 401
    assert "disable_local_auth" in answer.message
    assert (await refused(localhub, user_id="u"))[0] == 401
    # What the service itself hands out is signed with another key, and counts still.
    from localhub.auth.tokens import TokenIssuer

    token = TokenIssuer(localhub.control.keys, lambda: localhub.endpoint).issue(
        "chargers", user_id="u", roles=(), groups=(), lifetime=60
    )
    client = await connect(localhub, query=f"access_token={token}")
    assert client.connected["userId"] == "u"


async def test_who_lacks_the_right_is_refused(localhub, rest_of, monkeypatch):
    """An access key may do everything; the next way to authenticate will not."""

    class Reader:
        def may(self, data_action: str) -> bool:
            return data_action.endswith("/read")

    import localhub.service as service

    async def reader(credentials):
        return Reader()

    monkeypatch.setattr(service, "by_access_key", lambda validator: reader)
    async with LocalHub() as hub:
        rest = rest_of(hub)
        assert (await rest("GET", "/groups/g/connections")).status == 200
        answer = await rest.text("/:send")
        assert (answer.status, answer.json["code"]) == (403, "Error.Forbidden")
        assert "Microsoft.SignalRService/WebPubSub/hub/send/action" in answer.message


# -- secrets --------------------------------------------------------------------------------


async def test_secrets_are_never_logged(localhub, rest, caplog):
    tokens = [rest.token("http://h/"), rest.token("http://h/", "k" * 44)]
    with caplog.at_level(logging.DEBUG):
        for token in tokens:
            assert await status(rest, token, f"/groups/g?access_token={token}") == 401
    log = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("localhub"))
    assert "Refused HEAD /api/hubs/chargers/groups/g: 401" in log
    for secret in (*tokens, rest.key):
        assert secret not in log
    assert "secret" not in repr(read_credentials("Bearer secret", "/"))


async def test_no_error_text_holds_the_token():
    keys = AccessKeys("p" * 44, "s" * 44)
    authenticate = by_access_key(TokenValidator(keys))
    for key in ("p" * 44, "x" * 44):
        token = jwt.encode({"aud": "http://h/a", "exp": 9e9}, key)
        with pytest.raises(TokenError) as error:
            await authenticate(read_credentials(f"Bearer {token}", "/b"))
        assert token not in str(error.value)
    with pytest.raises(TokenError):
        TokenValidator(keys, disabled=True).server_claims(token)
