"""Tokens signed with an access key (JWT, HS256): checking them, and making those of clients."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt

from ..errors import TokenError
from ..names import is_user_id
from .keys import AccessKeys

GROUP_CLAIM = "webpubsub.group"
# Seconds by which the clocks of who signs and of this computer may differ. Microsoft's emulator
# (Azure/azure-webpubsub, tools/emulator, WebPubSubTokenService.cs) has as much for `exp` and
# `nbf`, of clients' tokens and application servers' alike.
LEEWAY = 300
# The one of the URL that a client opens, as people sign by hand and Azure's portal does, counts.
_AUDIENCE_SCHEMES = frozenset({"http", "https", "ws", "wss"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_CLIENT_PATH = re.compile(r"/client/hubs/([^/?]+)/?")
# Registered claims that the service does not interpret must not make a token invalid.
_OPTIONS: Any = {
    "require": ["exp"],
    "verify_aud": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_jti": False,
    "verify_sub": False,
}


def authority(host: str) -> str:
    """A `host[:port]` in the form in which audiences are compared.

    Lower case, without a default port; the names of loopback count as one.
    """
    host = host.lower()
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, ""
    if name in _LOOPBACK:
        name = "localhost"
    return name if port in ("", "80", "443") else f"{name}:{port}"


def client_audience(endpoint: str, hub: str) -> str:
    """The `aud` of a client token, as Microsoft's SDKs write it: http(s), without a query."""
    return f"{endpoint.rstrip('/')}/client/hubs/{hub}"


class TokenIssuer:
    """Hands out Client Access Tokens in the service's own name, as `:generateToken` does.

    Args:
        keys: their issuing key signs.
        endpoint: gives the endpoint that becomes the audience.
        hosts: gives `host[:port]` of every endpoint that the service goes by.
    """

    def __init__(
        self,
        keys: AccessKeys,
        endpoint: Callable[[], str],
        hosts: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._keys = keys
        self._endpoint = endpoint
        self._hosts = hosts

    def issue(
        self,
        hub: str,
        *,
        origin: str | None = None,
        user_id: str | None,
        roles: Iterable[str],
        groups: Iterable[str],
        lifetime: float,
    ) -> str:
        """A token for one hub.

        Args:
            hub: the hub.
            origin: the endpoint by which the caller knows the service, such as
                `https://localhost:7443`; it becomes the audience, unless the service does not.
            user_id: None for a client without one.
            roles: role strings.
            groups: groups that the client is in from the start.
            lifetime: seconds until it expires.
        """
        endpoint = origin or self._endpoint()
        if authority(endpoint.partition("://")[2]) not in map(authority, self._hosts()):
            endpoint = self._endpoint()
        audience = client_audience(endpoint, hub)
        return make_client_token(
            self._keys.issuing,
            audience,
            user_id=user_id,
            roles=roles,
            groups=groups,
            lifetime=lifetime,
        )


class _KnownTokens:
    """Tokens that have been found valid, with their claims.

    Checking one takes PyJWT longer than all of a `:send` takes otherwise. The SDKs make a token
    for every call, but those of one second are alike, and a client that reconnects has the same.
    """

    _MOST = 256

    def __init__(self) -> None:
        self._claims: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}

    def find(self, token: str, keys: tuple[str, ...]) -> dict[str, Any] | None:
        """The claims of a token that was valid with the same keys, and has not expired since."""
        claims = self._claims.get((token, keys))
        if claims is None or int(claims["exp"]) <= time.time() - LEEWAY:
            return None
        return dict(claims)

    def add(self, token: str, keys: tuple[str, ...], claims: dict[str, Any]) -> None:
        """Remember a valid token; the oldest is forgotten when there are too many."""
        self._claims[token, keys] = dict(claims)
        if len(self._claims) > self._MOST:
            del self._claims[next(iter(self._claims))]


class TokenValidator:
    """Checks the tokens of clients and, but for their audience, those of application servers.

    Args:
        keys: the access keys.
        disabled: refuse tokens that are signed with a key (`disable_local_auth`).
    """

    def __init__(self, keys: AccessKeys, *, disabled: bool = False) -> None:
        self._keys = keys
        self._disabled = disabled
        self._known = _KnownTokens()

    def claims(self, token: str, hub: str, hosts: Collection[str]) -> dict[str, Any]:
        """Check a token and give its claims.

        Args:
            token: the JWT.
            hub: the hub that the client wants.
            hosts: `host[:port]` of every endpoint that this service goes by.

        Raises:
            TokenError: it is refused.
        """
        claims = self._verified(token, (*self._access_keys(), self._keys.issuing))
        self._check_audience(claims.get("aud"), hub, hosts)
        user_id = claims.get("sub", "")
        if not isinstance(user_id, str) or not is_user_id(user_id):
            raise TokenError("the claim 'sub' takes up to 1024 characters, none of control")
        return claims

    def server_claims(self, token: str) -> dict[str, Any]:
        """Check the token of an application server, all but its audience, and give its claims.

        Raises:
            TokenError: it is refused.
        """
        return self._verified(token, self._access_keys())

    def _access_keys(self) -> tuple[str, ...]:
        return () if self._disabled else self._keys.both()

    def _verified(self, token: str, keys: tuple[str, ...]) -> dict[str, Any]:
        known = self._known.find(token, keys)
        if known is not None:
            return known
        claims = self._decoded(token, keys)
        self._known.add(token, keys, claims)
        return claims

    def _decoded(self, token: str, keys: tuple[str, ...]) -> dict[str, Any]:
        for key in keys:
            try:
                return dict(
                    jwt.decode(token, key, algorithms=["HS256"], options=_OPTIONS, leeway=LEEWAY)
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise TokenError("the token has expired: get a new one") from None
            except jwt.ImmatureSignatureError:
                raise TokenError("the token is not valid yet (nbf): check the clocks") from None
            except jwt.InvalidAlgorithmError:
                raise TokenError("only tokens with the algorithm HS256 are accepted") from None
            except jwt.MissingRequiredClaimError as error:
                raise TokenError(f"the token lacks the claim '{error.claim}'") from None
            # Numbers that no clock can hold escape PyJWT as these.
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
                raise TokenError("this is not a valid JWT") from None
        if self._disabled:
            raise TokenError("access keys are switched off (disable_local_auth)")
        raise TokenError(
            "the token's signature fits neither the primary nor the secondary access key"
        )

    def _check_audience(self, audience: object, hub: str, hosts: Collection[str]) -> None:
        if audience is None:
            raise TokenError("the token lacks the claim 'aud'")
        entries = audience if isinstance(audience, list) else [audience]
        accepted = {authority(host) for host in hosts}
        for entry in entries:
            if isinstance(entry, str) and _audience_fits(entry, hub, accepted):
                return
        expected = ", ".join(f"'http(s)://{host}/client/hubs/{hub}'" for host in sorted(accepted))
        actual = ", ".join(f"'{str(entry)[:200]}'" for entry in entries[:5])
        raise TokenError(
            f"failed to validate audience. Expected: {expected}. Actual: {actual or 'none'}"
        )


def _audience_fits(audience: str, hub: str, accepted: Collection[str]) -> bool:
    try:
        parts = urlsplit(audience)
    except ValueError:
        return False
    if parts.scheme not in _AUDIENCE_SCHEMES or authority(parts.netloc) not in accepted:
        return False
    if parts.path.rstrip("/") == "/client" and parts.query.startswith("hub="):
        return unquote(parts.query[len("hub=") :]).lower() == hub.lower()
    match = _CLIENT_PATH.fullmatch(parts.path)
    return match is not None and unquote(match[1]).lower() == hub.lower()


def strings(claim: object) -> tuple[str, ...]:
    """A claim that may be a string or an array of strings, as a tuple."""
    if isinstance(claim, str):
        return (claim,)
    if isinstance(claim, list):
        return tuple(entry for entry in claim if isinstance(entry, str))
    return ()


def make_client_token(
    key: str,
    audience: str,
    *,
    user_id: str | None,
    roles: Iterable[str],
    groups: Iterable[str],
    lifetime: float,
) -> str:
    """A Client Access Token as Microsoft's service SDKs make it; `lifetime` in seconds."""
    now = int(time.time())
    claims: dict[str, Any] = {"aud": audience, "iat": now, "exp": now + int(lifetime)}
    if user_id:
        claims["sub"] = user_id
    if listed := list(roles):
        claims["role"] = listed
    if listed := list(groups):
        claims[GROUP_CLAIM] = listed
    return jwt.encode(claims, key, algorithm="HS256")
