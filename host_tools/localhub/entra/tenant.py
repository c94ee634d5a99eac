"""A real tenant of Microsoft Entra ID, known by the URL of its OpenID metadata."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ..errors import ConfigError, IssuerUnreachableError

_log = logging.getLogger("localhub.entra")

_DEADLINE = aiohttp.ClientTimeout(total=10)
_LARGEST = 1 << 20
# Seconds for which a key set is kept.
KEEP = 24 * 3600.0
# Seconds between two fetches of the key set because a token names an unknown key: tokens that
# anybody may forge must not make the service call its issuer for each.
PAUSE = 60.0
_MIN_BITS = 2048
_V2 = "/v2.0/.well-known/"


class Tenant:
    """Issuers and keys of a tenant: fetched when first needed, and when a new key appears.

    Args:
        metadata_url: where its OpenID metadata is.
        ca_file: CA certificates in PEM; None for those of the system.

    Raises:
        ConfigError: the CA file cannot be used.
    """

    def __init__(self, metadata_url: str, ca_file: Path | None = None) -> None:
        self._url = metadata_url
        self._tls = _context(ca_file)
        self._issuers: frozenset[str] = frozenset()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def issuers(self) -> frozenset[str]:
        """The `iss` of its tokens.

        Raises:
            IssuerUnreachableError: they cannot be had.
        """
        await self._refresh(KEEP)
        return self._issuers

    async def key(self, key_id: str) -> RSAPublicKey | None:
        """A key by its id.

        Raises:
            IssuerUnreachableError: the keys cannot be had.
        """
        await self._refresh(KEEP)
        if key_id not in self._keys:
            await self._refresh(PAUSE)
        return self._keys.get(key_id)

    async def _refresh(self, age: float) -> None:
        """Fetch everything anew, unless it is younger than `age` seconds."""
        async with self._lock:
            now = time.monotonic()
            if self._fetched_at is not None and now - self._fetched_at < age:
                return
            recently = self._tried_at is not None and now - self._tried_at < PAUSE
            if recently and self._keys:
                return
            self._tried_at = now
            try:
                await self._fetch()
                self._fetched_at = time.monotonic()
            except (
                aiohttp.ClientError,
                OSError,
                ValueError,
                KeyError,
                TypeError,
                jwt.PyJWTError,
            ) as error:
                reason = str(error) or type(error).__name__
                _log.warning("No OpenID metadata from %s: %s", self._url, reason)
                # Keys that were good stay good while the tenant cannot be reached.
                if not self._keys:
                    raise IssuerUnreachableError(
                        "the tenant's OpenID metadata cannot be had: see the service's log"
                    ) from None

    async def _fetch(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with aiohttp.ClientSession(connector=connector, timeout=_DEADLINE) as session:
            metadata = await _get(session, self._url)
            keys = read_keys(await _get(session, metadata["jwks_uri"]))
            issuers = {metadata["issuer"]}
            if _V2 in self._url:
                # This resource gets tokens of version 1.0, whose issuer has another name.
                older = await _get(session, self._url.replace(_V2, "/.well-known/"))
                issuers.add(older["issuer"])
                keys = {**read_keys(await _get(session, older["jwks_uri"])), **keys}
        if not keys:
            raise ValueError("it has no RSA signing keys")
        if not all(isinstance(one, str) and one and "{" not in one for one in issuers):
            raise ValueError("its issuer is no single tenant")
        self._issuers, self._keys = frozenset(issuers), keys


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    if not url.startswith("https://"):
        raise ValueError("it names a URL without TLS")
    # A redirect could lead anywhere.
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        body = await response.content.read(_LARGEST)
        while more := await response.content.read(_LARGEST):
            body += more
            if len(body) > _LARGEST:
                raise ValueError("it is too large")
    content = json.loads(body)
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def read_keys(key_set: dict[str, Any]) -> dict[str, RSAPublicKey]:
    """The RSA keys for signatures, by id; of at least 2048 bits (RFC 7518 section 3.3)."""
    found: dict[str, RSAPublicKey] = {}
    for entry in key_set["keys"]:
        if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or "kid" not in entry:
            continue
        key = jwt.PyJWK(entry, algorithm="RS256").key
        if isinstance(key, RSAPublicKey) and key.key_size >= _MIN_BITS:
            found[str(entry["kid"])] = key
    return found


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError:
        raise ConfigError(f"{ca_file}: holds no certificate in PEM") from None
    except OSError as error:
        raise ConfigError(f"{ca_file}: {error.strerror}: entra.metadata_ca_file") from None
