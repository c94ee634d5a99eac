"""The local issuer: it makes the tokens that Microsoft Entra ID would make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jwt
from jwt.algorithms import RSAAlgorithm

from ..auth.audience import RESOURCE
from .settings import EntraSettings, Identity
from .store import EntraStore

_LIFETIME = 3600


class IssuerError(Exception):
    """A token request is refused (RFC 6749 section 5.2).

    Args:
        error: error code of OAuth.
        number: the number that Microsoft gives the error, behind `AADSTS`.
        text: one sentence for people.
        status: HTTP status.
    """

    def __init__(self, error: str, number: int, text: str, status: int = 400) -> None:
        super().__init__(f"AADSTS{number}: {text}")
        self.error = error
        self.number = number
        self.status = status


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was issued.

    Attributes:
        identity: whose it is.
        access_token: the JWT, a secret.
        resource: its audience.
        issued_at, expires_at: seconds since 1970.
    """

    identity: Identity
    access_token: str = field(repr=False)
    resource: str
    issued_at: int
    expires_at: int


class Issuer:
    """Knows the principals, and signs tokens for those that prove who they are.

    The tokens have version 1.0, as those of the cloud for this resource have, whichever of its
    token endpoints is asked.

    Args:
        settings: the `[entra]` table.
        store: key and secrets.
        authority: gives `https://host:port` of the TLS listener.
    """

    def __init__(
        self, settings: EntraSettings, store: EntraStore, authority: Callable[[], str]
    ) -> None:
        self.tenant = settings.tenant
        self.store = store
        self._authority = authority
        self._identities = settings.identities
        self._service = settings.service_identity
        self._service_tokens: dict[str, Grant] = {}

    # -- public metadata -------------------------------------------------------------------

    def issuer(self, version: str = "") -> str:
        """The `iss` of tokens; `version` is empty or `v2.0`."""
        return f"{self._authority()}/{self.tenant}/{version}"

    @property
    def issuers(self) -> frozenset[str]:
        """The `iss` of each version of its tokens."""
        return frozenset({self.issuer(), self.issuer("v2.0")})

    def metadata(self, version: str) -> dict[str, Any]:
        """The OpenID metadata (OpenID Connect Discovery 1.0, section 3)."""
        base = f"{self._authority()}/{self.tenant}"
        infix = "v2.0/" if version else ""
        return {
            "issuer": self.issuer(version),
            "token_endpoint": f"{base}/oauth2/{infix}token",
            "authorization_endpoint": f"{base}/oauth2/{infix}authorize",
            "jwks_uri": f"{base}/discovery/{infix}keys",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "client_secret_basic",
            ],
            "response_types_supported": ["token"],
            "grant_types_supported": ["client_credentials"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @cached_property
    def key_id(self) -> str:
        """Names the signing key: the digest of its public half."""
        numbers = self.store.signing_key.public_key().public_numbers()
        digest = hashlib.sha256(f"{numbers.n}:{numbers.e}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:20]).decode().rstrip("=")

    def keys(self) -> dict[str, Any]:
        """The key set (RFC 7517)."""
        public = RSAAlgorithm.to_jwk(self.store.signing_key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return {"keys": [{**public, "use": "sig", "alg": "RS256", "kid": self.key_id}]}

    # -- principals ------------------------------------------------------------------------

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All principals."""
        return self._identities

    def secret_of(self, identity: Identity) -> str:
        """The secret of an application: the configured one, or one that is made and kept."""
        return identity.client_secret or self.store.client_secret(identity.client_id)

    def application(self, client_id: str, secret: str) -> Identity:
        """The application that proves itself by its secret.

        Raises:
            IssuerError: there is none, or the secret is wrong.
        """
        for identity in self._identities:
            if identity.client_id == client_id.lower() and not identity.managed_identity:
                if hmac.compare_digest(self.secret_of(identity).encode(), secret.encode()):
                    return identity
                raise IssuerError(
                    "invalid_client",
                    7000215,
                    f"Invalid client secret provided for app '{client_id[:100]}'.",
                    status=401,
                )
        raise IssuerError(
            "unauthorized_client",
            700016,
            f"Application with identifier '{client_id[:100]}' was not found in the directory.",
        )

    def managed_identity(self, wanted: str | None) -> Identity:
        """A managed identity by its client or object id; the only one there is when None.

        Raises:
            IssuerError: there is none, or several to choose from.
        """
        there = [one for one in self._identities if one.managed_identity]
        if wanted is not None:
            there = [one for one in there if wanted.lower() in (one.client_id, one.object_id)]
        if len(there) == 1:
            return there[0]
        text = "Identity not found."
        if there:
            text = "Multiple user assigned identities exist, please specify the clientId."
        raise IssuerError("invalid_request", 700016, text)

    # -- tokens ----------------------------------------------------------------------------

    def grant(self, identity: Identity, resource: str, lifetime: int = _LIFETIME) -> Grant:
        """Issue a token.

        Args:
            identity: whose.
            resource: what it is for.
            lifetime: seconds until it expires.

        Raises:
            IssuerError: no such resource is known here.
        """
        audience = resource.rstrip("/")
        if audience.lower() != RESOURCE:
            raise IssuerError(
                "invalid_resource",
                500011,
                f"The resource principal named {audience[:200]} was not found in the tenant: "
                f"this issuer knows {RESOURCE}.",
            )
        return self._sign(identity, RESOURCE, lifetime)

    def service_token(self, resource: str) -> str:
        """A token of the Web PubSub resource's own managed identity, for an event handler.

        Args:
            resource: what it is for; one of the few that the configuration names.
        """
        grant = self._service_tokens.get(resource)
        if grant is None or grant.expires_at - time.time() < _LIFETIME / 2:
            grant = self._service_tokens[resource] = self._sign(self._service, resource, _LIFETIME)
        return grant.access_token

    def _sign(self, identity: Identity, audience: str, lifetime: int) -> Grant:
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": self.issuer(),
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "appid": identity.client_id,
            "appidacr": "2" if identity.managed_identity else "1",
            "idp": self.issuer(),
            "idtyp": "app",
            "oid": identity.object_id,
            "sub": identity.object_id,
            "tid": self.tenant,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        headers = {"kid": self.key_id, "x5t": self.key_id}
        token = jwt.encode(claims, self.store.signing_key, algorithm="RS256", headers=headers)
        return Grant(identity, token, audience, now, now + lifetime)
