"""Checking the token of an application server: signature, issuer, audience, lifetime."""

from __future__ import annotations

from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..auth.audience import AUDIENCES, RESOURCE
from ..errors import TokenError
from .issuer import Issuer

# Clocks differ; Microsoft's own services allow as much.
_LEEWAY = 300
_OPTIONS: Any = {
    "require": ["exp", "iss", "aud"],
    "verify_iat": False,
    "verify_jti": False,
    "verify_sub": False,
}


class Keys(Protocol):
    """Where issuers and keys come from."""

    async def issuers(self) -> frozenset[str]:
        """The `iss` of good tokens."""

    async def key(self, key_id: str) -> RSAPublicKey | None:
        """A public key by its id."""


class IssuerKeys:
    """The keys of the local issuer, without a way over the network."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def issuers(self) -> frozenset[str]:
        """The `iss` of each version of its tokens."""
        return self._issuer.issuers

    async def key(self, key_id: str) -> RSAPublicKey | None:
        """Its only key, if that is meant."""
        if key_id != self._issuer.key_id:
            return None
        return self._issuer.store.signing_key.public_key()


class EntraTokens:
    """Checks tokens.

    Args:
        keys: of the issuer.
        tenant_id: the tenant that they must name; None for whichever the issuer serves.
    """

    def __init__(self, keys: Keys, tenant_id: str | None) -> None:
        self._keys = keys
        self._tenant_id = tenant_id

    async def principal(self, token: str) -> str:
        """The object id of the principal whose token it is.

        Raises:
            TokenError: the token is refused.
            IssuerUnreachableError: the issuer's keys cannot be had.
        """
        key = await self._keys.key(_key_id(token))
        if key is None:
            raise TokenError("it is signed with a key that the issuer does not have")
        claims = _verified(token, key)
        issuer = claims["iss"]
        if not isinstance(issuer, str) or issuer not in await self._keys.issuers():
            raise TokenError("its issuer is another one than the service trusts")
        if self._tenant_id is not None and claims.get("tid") != self._tenant_id:
            raise TokenError(f"it is not of tenant {self._tenant_id}")
        object_id = claims.get("oid")
        if not isinstance(object_id, str) or not object_id:
            raise TokenError("it lacks the claim 'oid'")
        return object_id


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenError("this is not a valid JWT") from None
    if header.get("alg") != "RS256":
        raise TokenError("only tokens with the algorithm RS256 are accepted here")
    key_id = header.get("kid")
    if not isinstance(key_id, str):
        raise TokenError("its header lacks 'kid'")
    return key_id


def _verified(token: str, key: RSAPublicKey) -> dict[str, Any]:
    try:
        return dict(
            jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=AUDIENCES,
                leeway=_LEEWAY,
                options=_OPTIONS,
            )
        )
    except jwt.InvalidSignatureError:
        raise TokenError("its signature is wrong") from None
    except jwt.ExpiredSignatureError:
        raise TokenError("it has expired: get a new one") from None
    except jwt.ImmatureSignatureError:
        raise TokenError("it is not valid yet (nbf): check the clocks") from None
    except jwt.InvalidAudienceError:
        raise TokenError(f"its audience is not {RESOURCE}") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenError(f"it lacks the claim '{error.claim}'") from None
    # Numbers that no clock can hold escape PyJWT as these.
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise TokenError("this is not a valid JWT") from None
