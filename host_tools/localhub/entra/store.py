"""What the local issuer keeps over restarts: its signing key and the secrets that it made."""

from __future__ import annotations

import json
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from micropython_webpubsub.text_files import read_text

from ..auth.keys import write_private
from ..errors import ConfigError

_KEY_BITS = 2048
_SIGNING_KEY = "signing_key"
_SECRETS = "client_secrets"
_HEADER = "identity_header"


class EntraStore:
    """Secrets of the local issuer, made when first asked for.

    Args:
        path: the file that keeps them, or None to keep them in memory.

    Raises:
        ConfigError: the file is damaged or cannot be read; later, that it cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: dict[str, Any] = {} if path is None else _read(path)

    def __repr__(self) -> str:
        return f"EntraStore({self._path!r})"

    @cached_property
    def signing_key(self) -> RSAPrivateKey:
        """The key that signs tokens (RS256)."""
        pem = self._content.get(_SIGNING_KEY)
        if pem is None:
            key = generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
            self._keep(_SIGNING_KEY, _to_pem(key))
            return key
        return _from_pem(pem, self._path)

    def client_secret(self, client_id: str) -> str:
        """The secret of an application for which none is configured."""
        made: dict[str, str] = self._content.get(_SECRETS, {})
        if client_id not in made:
            made = {**made, client_id: secrets.token_urlsafe(32)}
            self._keep(_SECRETS, made)
        return made[client_id]

    @property
    def identity_header(self) -> str:
        """What callers of the managed identity endpoint show: they are on this computer."""
        if _HEADER not in self._content:
            self._keep(_HEADER, secrets.token_urlsafe(32))
        return str(self._content[_HEADER])

    def _keep(self, name: str, value: Any) -> None:
        content = {**self._content, name: value}
        if self._path is not None:
            write_private(self._path, json.dumps(content, indent=2).encode() + b"\n")
        self._content = content


def _to_pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _from_pem(pem: str, path: Path | None) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
        if isinstance(key, RSAPrivateKey):
            return key
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass  # said below, without the key that an exception could quote
    raise _damaged(path)


def _damaged(path: Path | None) -> ConfigError:
    return ConfigError(f"{path}: damaged state of the Entra issuer: delete it to get a new one")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = json.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: make it readable") from None
    except ValueError:
        raise _damaged(path) from None
    made = content.get(_SECRETS, {}) if isinstance(content, dict) else None
    if not isinstance(made, dict) or not all(isinstance(one, str) for one in made.values()):
        raise _damaged(path)
    if not all(isinstance(content.get(name, ""), str) for name in (_SIGNING_KEY, _HEADER)):
        raise _damaged(path)
    return dict(content)
