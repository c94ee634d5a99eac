"""The two access keys, the file that keeps them, and the connection string."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from pathlib import Path

from .config import MIN_KEY_LENGTH, Config
from .errors import ConfigError


def generate_key() -> str:
    """A new access key: 32 random bytes in base64, 44 characters, as the cloud makes them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class AccessKeys:
    """A primary and a secondary key; either is accepted at all times.

    The keys are used as UTF-8 text, they are not base64-decoded.
    """

    def __init__(self, primary: str, secondary: str) -> None:
        self.primary = primary
        self.secondary = secondary

    def __repr__(self) -> str:
        return "AccessKeys(...)"

    def both(self) -> tuple[str, str]:
        """Primary and secondary key."""
        return self.primary, self.secondary

    def signature(self, connection_id: str) -> str:
        """The `ce-signature` of a connection: one HMAC-SHA256 per key, primary first."""
        return ",".join(
            "sha256=" + hmac.new(key.encode(), connection_id.encode(), hashlib.sha256).hexdigest()
            for key in self.both()
        )

    def connection_string(self, endpoint: str) -> str:
        """What application servers are configured with. Holds a secret."""
        return f"Endpoint={endpoint};AccessKey={self.primary};Version=1.0;"


def load_keys(config: Config) -> AccessKeys:
    """The keys of the configuration; those it lacks from the state file, or new ones.

    Raises:
        ConfigError: the state file cannot be read or written.
    """
    primary, secondary = config.service.access_key, config.service.secondary_access_key
    path = config.state_file
    if path is None or (primary and secondary):
        return AccessKeys(primary or generate_key(), secondary or generate_key())
    kept = _read_state(path)
    if not kept:
        kept = {"primary": generate_key(), "secondary": generate_key()}
        write_private(path, json.dumps(kept, indent=2).encode() + b"\n")
    return AccessKeys(primary or kept["primary"], secondary or kept["secondary"])


def _read_state(path: Path) -> dict[str, str]:
    try:
        state = json.loads(path.read_text("utf-8"))
        keys = {name: state[name] for name in ("primary", "secondary")}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: the state file must be readable") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path}: damaged state file: delete it to get new keys") from None
    if not all(isinstance(key, str) and len(key) >= MIN_KEY_LENGTH for key in keys.values()):
        raise ConfigError(f"{path}: damaged state file: delete it to get new keys")
    return keys


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; whole or not at all.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp makes the file readable for its owner only.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}: choose another place with service.state_file"
        ) from None
