"""The two access keys, their connection string, and writing what only the owner may read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path
from typing import Literal

from ..errors import ConfigError

KeyName = Literal["primary", "secondary"]


def generate_key() -> str:
    """A new access key: 32 random bytes in base64, 44 characters, as the cloud makes them."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class AccessKeys:
    """A primary and a secondary key; either is accepted at all times.

    The keys are used as UTF-8 text, they are not base64-decoded.

    Attributes:
        primary, secondary: what application servers are configured with.
        issuing: signs the tokens that the service itself hands out (`:generateToken`); nobody
            else knows it, so these tokens outlive rotated and switched-off access keys.
    """

    def __init__(self, primary: str, secondary: str, issuing: str | None = None) -> None:
        self.primary = primary
        self.secondary = secondary
        self.issuing = issuing or generate_key()

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

    def connection_string(self, endpoint: str, which: KeyName = "primary") -> str:
        """What application servers are configured with. Holds a secret."""
        return f"Endpoint={endpoint};AccessKey={getattr(self, which)};Version=1.0;"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; all of it or nothing.

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
