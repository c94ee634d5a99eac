"""The table `[ocpp]` of a settings file: a charging point, and its central system.

Sources: OCPP-J 1.6, section 3 (URL, identity); *Improved security for OCPP 1.6-J*, edition 2
(security profiles, AuthorizationKey).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt, StringConstraints, model_validator

from ..names import check_identity
from ..tokens.access_token import is_loopback, is_plain, split_endpoint
from .fields import Endpoint, HubName, Names, NotEmpty, SecretPlace, Table

# Bytes of an AuthorizationKey. As text, many central systems take more than the document's 20.
_SHORTEST_KEY, _LONGEST_KEY, _LONGEST_TEXT = 16, 20, 40


def _url(value: str) -> str:
    parts = urlsplit(value)
    split_endpoint(f"{parts.scheme}://{parts.netloc}")
    if parts.query or parts.fragment:
        raise ValueError(
            "write scheme, host and path only: the identity is appended to it (for a hub of Web "
            "PubSub write endpoint and hub instead of url)"
        )
    if not all("!" <= character <= "~" for character in value):
        raise ValueError("blanks and characters that are not ASCII must be percent-encoded")
    return value.rstrip("/")


def _identity(value: str) -> str:
    check_identity(value)
    if ":" in value:
        raise ValueError("a colon ends the user name of HTTP Basic: choose an identity without")
    return value


class Ocpp(Table):
    """A charging point with OCPP 1.6-J.

    Attributes:
        url: of the central system, without the identity.
        endpoint, hub: instead of `url`, a hub of Web PubSub that passes everything on.
        identity: of the charging point; `device.id` when None.
        key: the AuthorizationKey, for HTTP Basic.
        key_format: whether the key is a text, or bytes in hexadecimal.
        certificate, certificate_key: of the client, for security profile 3: a file in PEM or DER,
            and the place of the private key in PEM.
        security_profile: as in the security white paper; follows from the rest when None.
        ca: as `tls.ca`, for this server; those of `tls.ca` hold for it, too.
    """

    url: Annotated[str, AfterValidator(_url)] | None = None
    endpoint: Endpoint | None = None
    hub: HubName | None = None
    identity: (
        Annotated[str, StringConstraints(min_length=1, max_length=48), AfterValidator(_identity)]
        | None
    ) = None
    key: SecretPlace | None = None
    key_format: Literal["text", "hex"] = "text"
    certificate: NotEmpty | None = None
    certificate_key: SecretPlace | None = None
    security_profile: Literal[0, 1, 2, 3] | None = None
    ca: Names = ()
    connectors: Annotated[StrictInt, Field(ge=1, le=8)] = 1
    vendor: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    model: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    serial_number: Annotated[str, StringConstraints(min_length=1, max_length=25)] | None = None
    features: tuple[Literal["local-list", "smart-charging"], ...] = ()
    after_power_cut: Literal["stop", "resume"] = "stop"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the server."""
        parts = urlsplit(self.url or self.endpoint or "")
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def profile(self) -> int:
        """The security profile: 0 without any security, 1 to 3 as in the white paper."""
        if self.security_profile is not None:
            return self.security_profile
        if self.certificate is not None:
            return 3
        if self.key is None:
            return 0
        return 1 if is_plain(self.origin) else 2

    @model_validator(mode="after")
    def _one_way(self) -> Ocpp:
        hub_way = self.endpoint is not None and self.hub is not None
        if (self.url is not None) == hub_way or (self.endpoint is None) != (self.hub is None):
            raise ValueError(
                "give url, the address of the central system, or endpoint and hub, a hub of Web "
                "PubSub that passes everything on to it"
            )
        return self

    @model_validator(mode="after")
    def _security(self) -> Ocpp:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key belong together: give both")
        profile = self.profile
        open_line = is_plain(self.origin)
        if profile in (2, 3) and open_line:
            raise ValueError(f"security profile {profile} is over TLS: use wss://")
        if profile == 1 and not open_line:
            raise ValueError("security profile 1 is without TLS: leave it out, or write 2")
        if profile in (1, 2) and self.key is None:
            raise ValueError(f"security profile {profile} needs a key: add its place")
        if profile == 3 and self.certificate is None:
            raise ValueError(
                "security profile 3 needs a client certificate: add certificate and "
                "certificate_key"
            )
        in_the_open = self.key is not None and open_line and not is_loopback(self.origin)
        if in_the_open and self.security_profile != 1:
            # Its document says: in trusted networks only.
            raise ValueError(
                "the key would go over an open line: use wss://, or say security_profile = 1 if "
                "nobody else is on this network"
            )
        return self


def key_bytes(key: str, key_format: str) -> bytes:
    """The AuthorizationKey in a secret.

    Args:
        key: what was found at the place of the secret.
        key_format: `Ocpp.key_format`.

    Raises:
        ValueError: it is none; the text does not show it.
    """
    if key_format == "hex":
        if not re.fullmatch("(?:[0-9A-Fa-f]{2})*", key):
            raise ValueError('this key is not hexadecimal: write key_format = "text"')
        data = bytes.fromhex(key)
        longest = _LONGEST_KEY
    else:
        data = key.encode()
        longest = _LONGEST_TEXT
    if not _SHORTEST_KEY <= len(data) <= longest:
        raise ValueError(
            f"an AuthorizationKey has {_SHORTEST_KEY} to {longest} bytes, and this one "
            f'{len(data)}: make one with python -c "import secrets; print(secrets.token_hex(20))" '
            'and write key_format = "hex"'
        )
    return data
