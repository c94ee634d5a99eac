"""Forged, broken and enormous tokens at both endpoints, that of clients and the data plane."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

HUB = {"hubs": [{"name": "chargers", "anonymous_connect_policy": "allow"}]}
pytestmark = pytest.mark.localhub(HUB)
CLIENT, SERVER = "client", "server"


def encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(key: str, claims: Any, header: Any = None, digest: Any = hashlib.sha256) -> str:
    """A token with any header and content, and a right signature by HMAC."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    text = f"{encoded(header)}.{encoded(claims)}"
    signature = hmac.new(key.encode(), text.encode(), digest).digest()
    return f"{text}.{encoded(signature)}"


def with_header(**header: Any) -> Callable[[str, dict[str, Any]], str]:
    return lambda key, claims: signed(key, claims, {"typ": "JWT", **header})


def with_claims(**changes: Any) -> Callable[[str, dict[str, Any]], str]:
    return lambda key, claims: signed(key, {**claims, **changes})


def _rsa(key: str, claims: dict[str, Any]) -> str:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # A key of the token's own is no reason to trust it.
    public = jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return jwt.encode(claims, private, algorithm="RS256", headers={"jwk": public, "kid": "x"})


FORGED: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "alg none": lambda key, claims: f"{encoded({'alg': 'none'})}.{encoded(claims)}.",
    "alg none, signed": with_header(alg="none"),
    "alg NonE": lambda key, claims: f"{encoded({'alg': 'NonE'})}.{encoded(claims)}.",
    "no alg": with_header(),
    "alg is a list": with_header(alg=["HS256"]),
    "alg is null": with_header(alg=None),
    "RS256 with the HMAC key": with_header(alg="RS256"),
    "ES256 with the HMAC key": with_header(alg="ES256"),
    "HS512 with the key": lambda key, claims: signed(
        key, claims, {"alg": "HS512"}, hashlib.sha512
    ),
    "HS256 by SHA-512": lambda key, claims: signed(key, claims, None, hashlib.sha512),
    "RS256, its own key": _rsa,
    "another key": lambda key, claims: signed("x" * 44, claims),
    "an empty key": lambda key, claims: signed("", claims),
    "the key decoded": lambda key, claims: jwt.encode(claims, base64.b64decode(key), "HS256"),
    "the key with a space": lambda key, claims: signed(key + " ", claims),
    "no signature": lambda key, claims: signed(key, claims).rpartition(".")[0] + ".",
    "two parts": lambda key, claims: signed(key, claims).rpartition(".")[0],
    "five parts": lambda key, claims: signed(key, claims) + ".a.b",
    "half a signature": lambda key, claims: signed(key, claims)[:-20],
    "unknown critical header": with_header(alg="HS256", crit=["exp"], exp=1),
    "payload not in base64": with_header(alg="HS256", b64=False, crit=["b64"]),
    "header is a list": lambda key, claims: signed(key, claims, ["HS256"]),
    "header is deep": lambda key, claims: signed(key, claims, b"[" * 2500),
    "claims are a list": lambda key, claims: signed(key, [claims]),
    "claims are deep": lambda key, claims: signed(key, b'{"a":' * 900 + b"1"),
    "claims are no UTF-8": lambda key, claims: signed(key, b'{"exp":9e9,"aud":"\xff"}'),
    "claims are empty": lambda key, claims: signed(key, b""),
    "NUL": lambda key, claims: "\0" + signed(key, claims),
    "exp is over": with_claims(exp=1),
    "exp is negative": with_claims(exp=-(10**15)),
    "exp is text": with_claims(exp="never"),
    "exp is null": with_claims(exp=None),
    "exp is infinite": with_claims(exp=float("inf")),
    "exp is no number": with_claims(exp=float("nan")),
    "nbf is in a thousand years": with_claims(nbf=time.time() + 1000 * 365 * 86400),
    "nbf is infinite": with_claims(nbf=float("inf")),
    "nbf is beyond any clock": with_claims(nbf=10**400),
    "nbf is text": with_claims(nbf="soon"),
    "another audience": with_claims(aud="https://other.example/client/hubs/chargers"),
    "another hub": with_claims(aud="http://localhost/client/hubs/meters"),
    "audience is null": with_claims(aud=None),
    "audience is an object": with_claims(aud={"a": 1}),
    "audience is broken": with_claims(aud="http://[::1/client/hubs/chargers"),
    "a thousand audiences": with_claims(aud=[f"http://h{n}/" for n in range(200)]),
}


def key_of(localhub) -> str:
    return localhub.connection_string.partition("AccessKey=")[2].partition(";")[0]


def path_of(endpoint: str) -> str:
    return (
        "/client/hubs/chargers"
        if endpoint == CLIENT
        else "/api/hubs/chargers/groups/g/connections"
    )


def claims_of(localhub, endpoint: str) -> dict[str, Any]:
    return {"aud": localhub.endpoint + path_of(endpoint), "exp": int(time.time()) + 60}


async def knock(localhub, endpoint: str, token: str, *, query: bool = False) -> tuple[int, str]:
    """Status and text that somebody with a token gets."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    headers = upgrade if endpoint == CLIENT else {}
    url = URL(localhub.endpoint + path_of(endpoint))
    if query:
        url = url.with_query(access_token=token)
    else:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    async with ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, "" if answer.status == 101 else await answer.text()


@pytest.mark.parametrize("endpoint", [CLIENT, SERVER])
@pytest.mark.parametrize("name", list(FORGED))
async def test_forged_tokens_are_401(localhub, caplog, endpoint, name):
    token = FORGED[name](key_of(localhub), claims_of(localhub, endpoint))
    with caplog.at_level(logging.DEBUG, "localhub"):
        ways = (True,) if "\0" in token else (False, True) if endpoint == CLIENT else (False,)
        for query in ways:
            status, text = await knock(localhub, endpoint, token, query=query)
            # A line feed or a NUL may be an end of it in HTTP already.
            assert status == 401 or ("\0" in token and status == 400)
            assert token not in text
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert token not in log
    assert key_of(localhub) not in log
    assert not [record for record in caplog.records if record.exc_info]


GOOD: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "plain": lambda key, claims: signed(key, claims),
    "where to get keys": with_header(alg="HS256", kid="../../key", jku="http://127.0.0.1:9/keys"),
    "exp is far away": with_claims(exp=10**15),
    "exp is a fraction": with_claims(exp=9_999_999_999.5),
    "strange claims": with_claims(iss=5, jti=[], iat="?", ver=None, scp={"a": 1}),
}


@pytest.mark.parametrize("endpoint", [CLIENT, SERVER])
@pytest.mark.parametrize("name", list(GOOD))
async def test_odd_tokens_that_are_good(localhub, endpoint, name):
    token = GOOD[name](key_of(localhub), claims_of(localhub, endpoint))
    assert (await knock(localhub, endpoint, token))[0] == (101 if endpoint == CLIENT else 200)


# -- enormous -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": "u" * 1024}, 101),
        ({"sub": "u" * 1025}, 401),
        ({"sub": ["u"]}, 401),
        ({"role": [f"r{n}" for n in range(700)]}, 101),
        ({"role": ["webpubsub.sendToGroups.a*"] * 150}, 101),
        ({"role": [f"webpubsub.sendToGroups.{n}*" for n in range(11)]}, 400),
        ({"role": [f"webpubsub.sendToGroups.{'*a' * 6}"]}, 400),
        ({"role": [f"webpubsub.sendToGroups.{'a' * 1025}"]}, 400),
        ({"webpubsub.group": [f"g{n}" for n in range(700)]}, 101),
        ({"webpubsub.group": ["g"] * 1100}, 101),
        ({"webpubsub.group": ["g" * 1024]}, 101),
        ({"webpubsub.group": ["g" * 1025]}, 400),
        ({"webpubsub.group": {"a": 1}, "role": 7}, 101),
        ({"junk": "x" * 5500}, 101),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_large_tokens_of_clients(localhub, claims, status):
    token = signed(key_of(localhub), {**claims_of(localhub, CLIENT), **claims})
    for query in (False, True):
        assert (await knock(localhub, CLIENT, token, query=query))[0] == status


@pytest.mark.parametrize("endpoint", [CLIENT, SERVER])
@pytest.mark.parametrize("claim", ["webpubsub.group", "role", "junk"])
async def test_thousands_of_them_do_not_fit_into_a_request(
    localhub, connect, caplog, endpoint, claim
):
    beside = await connect(localhub)
    values = [f"webpubsub.joinLeaveGroup.g{n}" for n in range(5000)]
    token = signed(key_of(localhub), {**claims_of(localhub, endpoint), claim: values})
    with caplog.at_level(logging.DEBUG, "localhub"):
        for query in (False, True):
            status, text = await knock(localhub, endpoint, token, query=query)
            assert status == 400
            assert "broken" in text or "8190 bytes" in text
            for part in (token[:40], token[-40:]):
                assert part not in text
                assert part not in caplog.text
    await beside.quiet()
