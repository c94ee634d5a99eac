"""Which devices may ask for a client access URL: the `[negotiate]` table of a configuration file.

[negotiate]
hub = "chargers"
connection_string = { env = "CONNECTION_STRING" }

[[negotiate.devices]]
id = "CP-7"
key = { file = "keys/cp-7" }
roles = ["webpubsub.sendToGroup.telemetry"]
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from micropython_webpubsub.validation import matching, misfit
from pydantic import AfterValidator, Field, StrictInt, model_validator

from ..errors import HubtoolError
from ..names import check_hub_name, check_identity, check_role
from ..secrets import Secret
from ..settings.fields import SecretPlace, Table
from ..settings.file import SettingsFile
from ..settings.model import GroupName
from ..tokens.access_token import split_endpoint
from ..tokens.maker import parse_lifetime

# A key that can be tried out is no key: as base64 this is 96 bits.
SHORTEST_KEY = 16


def _lifetime(text: str) -> str:
    try:
        parse_lifetime(text)
    except HubtoolError as error:
        raise ValueError(str(error)) from None
    return text


_DeviceId = matching(
    "[!-9;-~]{1,128}", "an id has 1 to 128 printable ASCII characters, no space and no colon"
)


def _https(endpoint: str) -> str:
    if split_endpoint(endpoint).scheme not in ("https", "wss"):
        raise ValueError(
            "tokens of Microsoft Entra ID go over TLS only: give an https:// endpoint"
        )
    return endpoint


class NegotiateDevice(Table):
    """One `[[negotiate.devices]]`: who it is, its key, and what its tokens allow.

    Attributes:
        id: what the device calls itself; no colon, which ends it in Basic authentication.
        user_id: `id` when absent.
    """

    id: Annotated[str, _DeviceId]
    key: SecretPlace
    user_id: Annotated[str, AfterValidator(check_identity)] | None = None
    roles: tuple[Annotated[str, AfterValidator(check_role)], ...] = ()
    groups: tuple[GroupName, ...] = ()


class Certificate(Table):
    """`negotiate.tls`: PEM files, relative to the configuration file."""

    certificate: Path
    key: Path


class NegotiateTable(Table):
    """The `[negotiate]` table.

    Attributes:
        connection_string: its key signs the tokens.
        endpoint: in place of it: the service makes the tokens, for Microsoft Entra ID.
        lifetime: of the tokens.
        requests_per_minute: of one device.
        failures_per_minute: of one address.
        trusted_proxies: how many reverse proxies stand in front and name the address behind
            them in X-Forwarded-For.
    """

    host: str = "127.0.0.1"
    port: StrictInt = Field(8081, ge=0, le=65535)
    tls: Certificate | None = None
    hub: Annotated[str, AfterValidator(check_hub_name)]
    connection_string: SecretPlace | None = None
    endpoint: Annotated[str, AfterValidator(_https)] | None = None
    lifetime: Annotated[str, AfterValidator(_lifetime)] = "60m"
    requests_per_minute: StrictInt = Field(30, ge=1, le=6000)
    failures_per_minute: StrictInt = Field(10, ge=1, le=6000)
    trusted_proxies: StrictInt = Field(0, ge=0, le=8)
    devices: tuple[NegotiateDevice, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _checks(self) -> NegotiateTable:
        if (self.connection_string is None) == (self.endpoint is None):
            raise ValueError(
                "give one of connection_string (its key signs) and endpoint (Microsoft Entra ID)"
            )
        seen: set[str] = set()
        for number, device in enumerate(self.devices):
            if device.id in seen:
                raise misfit(("devices", number, "id"), f"device '{device.id}' is there twice")
            seen.add(device.id)
        return self

    @property
    def token_lifetime(self) -> timedelta:
        """`lifetime` as a duration."""
        return parse_lifetime(self.lifetime)


def load_negotiate_table(path: Path) -> NegotiateTable | None:
    """The `[negotiate]` table of a file; None when it has none.

    Raises:
        HubtoolError: a key is unknown or wrong; the text names file, line and remedy.
    """
    return SettingsFile(path).check_table("negotiate", NegotiateTable)


class DeviceKeys:
    """The devices and the digests of their keys; the keys themselves are not kept."""

    def __init__(self, table: NegotiateTable, folder: Path) -> None:
        """Fetch the keys.

        Raises:
            HubtoolError: one cannot be fetched, or is so short that it could be guessed.
        """
        self._devices: dict[str, tuple[NegotiateDevice, bytes]] = {}
        for device in table.devices:
            what = f"key of device {device.id}"
            key = device.key.resolve(what, folder, exact=True, device_id=device.id)
            if len(key.get_secret_value()) < SHORTEST_KEY:
                raise HubtoolError(
                    f"{what}: it is shorter than {SHORTEST_KEY} characters and could be "
                    "guessed: make one with `openssl rand -base64 32`"
                )
            self._devices[device.id] = device, _digest(key.get_secret_value())
        self._no_key = secrets.token_bytes(32)

    def __contains__(self, device_id: str) -> bool:
        return device_id in self._devices

    def find(self, device_id: str, key: Secret) -> NegotiateDevice | None:
        """The device that proves itself by its key; None for a wrong id as for a wrong key.

        Digests have one length, and an unknown id costs as much as a known one: the time that
        this takes says nothing.
        """
        device, wanted = self._devices.get(device_id, (None, self._no_key))
        right = hmac.compare_digest(wanted, _digest(key.get_secret_value()))
        return device if right else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
