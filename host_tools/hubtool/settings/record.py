"""The records that docs/settings.md describes: bytes for a board's settings slots."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from .configuration import Configuration, ResolvedSecrets
from .model import HubAccess, Log
from .ocpp import Ocpp

SCHEMA = 1
FOLDER = "/hub"
SLOTS = ("a", "b")
# The firmware reads no longer ones: a damaged file must not fill its memory.
LARGEST_RECORD = 16384


@dataclass(frozen=True)
class SlotFiles:
    """The three files of one slot. Only `settings` and `ca` may be shown.

    Attributes:
        settings: the record of the settings.
        secrets: the record of the secrets.
        ca: CA certificates in DER, one after the other.
    """

    settings: bytes
    secrets: bytes = field(repr=False)
    ca: bytes = field(repr=False)


@dataclass(frozen=True)
class SlotPaths:
    """Where the three files of a slot are on a board.

    Attributes:
        settings: of the record of the settings.
        secrets: of the record of the secrets.
        ca: of the CA certificates.
    """

    settings: str
    secrets: str
    ca: str


def slot_paths(slot: str) -> SlotPaths:
    """The paths of a slot, "a" or "b"."""
    return SlotPaths(*(f"{FOLDER}/{name}.{slot}" for name in ("settings", "secrets", "ca")))


def record(values: dict[str, Any]) -> bytes:
    """One line of compact JSON, and its SHA-256 on the next."""
    line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def slot_files(configuration: Configuration, generation: int) -> SlotFiles:
    """The content of a slot.

    Args:
        configuration: what the board is to get.
        generation: of the slot; that of the slot in use plus one for a new one.
    """
    secrets = configuration.secrets
    key = secrets.negotiate_key.get_secret_value()
    return SlotFiles(
        settings=record(settings_values(configuration, generation)),
        secrets=record(
            {
                "schema": SCHEMA,
                "generation": generation,
                "wifi_password": secrets.wifi_password.get_secret_value(),
                "token": secrets.token.get_secret_value(),
                **({"negotiate_key": key} if key else {}),
                **_ocpp_secrets(secrets),
            }
        ),
        ca=configuration.ca,
    )


def settings_values(configuration: Configuration, generation: int) -> dict[str, Any]:
    """The settings record; nothing in it is secret."""
    settings, credential = configuration.settings, configuration.secrets.credential
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "generation": generation,
        "device": settings.device.model_dump(exclude_none=True),
        "tls": {"ca_sha256": hashlib.sha256(configuration.ca).hexdigest()},
        "telemetry": settings.telemetry.model_dump(),
        "commands": settings.commands.model_dump(mode="json"),
        "clock": settings.clock.model_dump(mode="json"),
    }
    if settings.hub is not None:
        values["hub"] = _hub_values(settings.hub, credential)
    if settings.ocpp is not None:
        values["ocpp"] = _ocpp_values(settings.ocpp, settings.device.id)
        # Remote care changes the other one, too; what came over OCPP holds until this one changes.
        values["ocpp"]["generation"] = generation
    if settings.wifi is not None:
        values["wifi"] = {"ssid": settings.wifi.ssid}
    if settings.ethernet is not None:
        values["ethernet"] = settings.ethernet.model_dump(exclude_none=True)
    if settings.log.level != Log().level:
        values["log"] = settings.log.model_dump()
    return values


def _hub_values(hub: HubAccess, credential: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "endpoint": hub.endpoint,
        "name": hub.name,
        "credential": credential,
        "protocol": hub.protocol,
    }
    if credential == "anonymous":
        values["query"] = hub.query
    if hub.negotiate is not None:
        values["negotiate"] = hub.negotiate.model_dump(
            include={"url", "header"}, exclude_none=True
        )
    if hub.endpoints_allowed:
        values["endpoints_allowed"] = list(hub.endpoints_allowed)
    return values


def _ocpp_values(ocpp: Ocpp, device_id: str) -> dict[str, Any]:
    shown = {"url", "endpoint", "hub", "connectors", "vendor", "model", "serial_number"}
    values = ocpp.model_dump(include=shown, exclude_none=True)
    values["identity"] = ocpp.identity or device_id
    values["security_profile"] = ocpp.profile
    if ocpp.features:
        values["features"] = list(ocpp.features)
    if ocpp.after_power_cut == "resume":
        values["resumes"] = True
    return values


def _ocpp_secrets(secrets: ResolvedSecrets) -> dict[str, str]:
    found = {}
    key = secrets.ocpp_key.get_secret_value()
    if key:
        found["ocpp_key"] = key
    if secrets.ocpp_certificate is not None:
        certificate, private = secrets.ocpp_certificate
        found["ocpp_certificate"] = certificate.get_secret_value()
        found["ocpp_certificate_key"] = private.get_secret_value()
    return found
