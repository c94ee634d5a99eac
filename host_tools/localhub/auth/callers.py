"""Who calls the REST data plane: an application server, by the bearer token of its request.

An `Authenticate` checks one kind of token: those signed with an access key, or those of Microsoft
Entra ID. What it gives is a `Caller`, which knows its own rights. Failures are `errors` without
HTTP; the data plane turns them into a status. Source: "Client Access Tokens and roles", section 4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from ..errors import MissingTokenError, TokenError
from .audience import is_entra_token
from .tokens import TokenValidator


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request offers as proof.

    Attributes:
        token: the bearer token.
        path: the path of the request as it was sent.
    """

    token: str
    path: str

    def __repr__(self) -> str:
        return f"Credentials(path={self.path!r})"


class Caller(Protocol):
    """An authenticated caller."""

    def may(self, data_action: str) -> bool:
        """Whether it has a right; written without `Microsoft.SignalRService/WebPubSub/`."""


# Raises AuthenticationError for a token that does not prove anything.
Authenticate = Callable[[Credentials], Awaitable[Caller]]


class AccessKeyHolder:
    """An application server with an access key: it may do everything."""

    def may(self, data_action: str) -> bool:
        """Always."""
        return True


def read_credentials(authorization: str | None, path: str) -> Credentials:
    """What the Authorization header holds.

    Raises:
        MissingTokenError: it is missing, or has no bearer token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise MissingTokenError
    return Credentials(token.strip(), path)


def by_access_key(validator: TokenValidator) -> Authenticate:
    """Authentication by a token that is signed with an access key.

    Its audience has to be the URL of the request: a token is good for one call only.
    """
    holder = AccessKeyHolder()

    async def authenticate(credentials: Credentials) -> Caller:
        claims = validator.server_claims(credentials.token)
        audience = claims.get("aud")
        entries = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(one, str) and _names(one, credentials.path) for one in entries):
            raise TokenError("its claim 'aud' is not the URL of this request")
        return holder

    return authenticate


def either(by_key: Authenticate, by_entra: Authenticate) -> Authenticate:
    """Authentication by whichever of two kinds of tokens comes: the audience tells them apart."""

    def authenticate(credentials: Credentials) -> Awaitable[Caller]:
        chosen = by_entra if is_entra_token(credentials.token) else by_key
        return chosen(credentials)

    return authenticate


async def switched_off(credentials: Credentials) -> Caller:
    """What tokens of Microsoft Entra ID get where `disable_aad_auth` is set.

    Raises:
        TokenError: always.
    """
    raise TokenError("Microsoft Entra ID is switched off (disable_aad_auth)")


def _names(audience: str, path: str) -> bool:
    """Whether an audience is the URL of a request.

    The SDKs sign the URL with its query, and Python's asynchronous one signs `%40` where `@` is
    sent. The host says little: behind a proxy or a port mapping it is another one.
    """
    scheme, separator, rest = audience.partition("://")
    if scheme.lower() not in ("http", "https") or not separator:
        return False
    _, slash, named = rest.partition("/")
    named = (slash + named).partition("?")[0].partition("#")[0]
    return unquote(named).rstrip("/") == unquote(path).rstrip("/")
