"""Tokens that were checked before are not checked again, but never outlive time or keys."""

from __future__ import annotations

import time

import jwt
import pytest
from localhub.auth.keys import AccessKeys, generate_key
from localhub.auth.tokens import LEEWAY, TokenValidator, make_client_token
from localhub.errors import TokenError

HOSTS = ("127.0.0.1:7080",)


def _token(key: str, lifetime: float = 60) -> str:
    return make_client_token(
        key,
        f"http://{HOSTS[0]}/client/hubs/chargers",
        user_id="cp-7",
        roles=(),
        groups=(),
        lifetime=lifetime,
    )


@pytest.fixture
def keys():
    return AccessKeys(generate_key(), generate_key())


@pytest.fixture
def decoded(monkeypatch):
    """The tokens that PyJWT was given to check."""
    seen = []
    decode = jwt.decode

    def spy(token, *arguments, **options):
        seen.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr("localhub.auth.tokens.jwt.decode", spy)
    return seen


def test_a_token_is_checked_once(keys, decoded):
    validator, token = TokenValidator(keys), _token(keys.primary)
    first = validator.claims(token, "chargers", HOSTS)
    first["sub"] = "somebody else"
    assert validator.claims(token, "chargers", HOSTS)["sub"] == "cp-7"
    assert decoded == [token]


def test_a_known_token_still_needs_the_right_hub(keys):
    validator, token = TokenValidator(keys), _token(keys.primary)
    validator.claims(token, "chargers", HOSTS)
    with pytest.raises(TokenError, match="audience"):
        validator.claims(token, "others", HOSTS)


def test_a_known_token_expires(keys, decoded, monkeypatch):
    validator, token = TokenValidator(keys), _token(keys.primary)
    validator.server_claims(token)
    later = time.time() + 61 + LEEWAY
    monkeypatch.setattr("localhub.auth.tokens.time.time", lambda: later)
    validator.server_claims(token)
    assert decoded == [token, token]


def test_a_token_that_has_expired_is_refused_though_known(keys):
    validator, token = TokenValidator(keys), _token(keys.primary, lifetime=2 - LEEWAY)
    validator.server_claims(token)
    until = jwt.decode(token, options={"verify_signature": False})["exp"] + LEEWAY
    time.sleep(max(0.0, until - time.time()))
    with pytest.raises(TokenError, match="expired"):
        validator.server_claims(token)


@pytest.mark.parametrize("known", [False, True])
def test_clocks_may_differ(keys, decoded, monkeypatch, known):
    """For `exp`, whether the token is known or new; the emulator's ClockSkew is as much."""
    validator, token = TokenValidator(keys), _token(keys.primary)
    if known:
        validator.claims(token, "chargers", HOSTS)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    monkeypatch.setattr("localhub.auth.tokens.time.time", lambda: expires + LEEWAY - 1)
    decoded.clear()
    assert validator.claims(token, "chargers", HOSTS)["sub"] == "cp-7"
    assert validator.server_claims(token)
    assert len(decoded) == (1 if known else 2)


def test_a_known_token_does_not_outlive_its_key(keys):
    validator, token = TokenValidator(keys), _token(keys.primary)
    validator.server_claims(token)
    keys.primary = generate_key()
    with pytest.raises(TokenError, match="signature"):
        validator.server_claims(token)


def test_what_a_client_may_show_is_not_what_a_server_may(keys):
    validator, token = TokenValidator(keys), _token(keys.issuing)
    validator.claims(token, "chargers", HOSTS)
    with pytest.raises(TokenError, match="signature"):
        validator.server_claims(token)


def test_known_tokens_are_bounded(keys, decoded):
    validator = TokenValidator(keys)
    tokens = [_token(keys.primary, lifetime=60 + number) for number in range(300)]
    for token in tokens:
        validator.server_claims(token)
    validator.server_claims(tokens[-1])
    assert len(decoded) == 300
    validator.server_claims(tokens[0])
    assert len(decoded) == 301
