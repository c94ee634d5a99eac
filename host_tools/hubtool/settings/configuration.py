"""A board's settings, checked and complete: from a file, a client access URL, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import HubtoolError
from ..names import check_identity
from ..secrets import Secret, expanded
from ..tokens.access_token import ClientAccessUrl, TokenFacts, check_token, read_token, read_url
from .file import SettingsDocument, SettingsFile
from .model import DeviceSettings, negotiate_key_problem, wifi_password_problem
from .ocpp import key_bytes
from .roots import azure_root, client_certificate, read_certificates, root_names


@dataclass(frozen=True)
class ResolvedSecrets:
    """The secrets of a board; empty where it has none.

    Attributes:
        wifi_password: of its Wi-Fi.
        token: its Client Access Token.
        negotiate_key: what it shows to a negotiate server.
        ocpp_key: the AuthorizationKey of a charging point, in hexadecimal.
        ocpp_certificate: its client certificate and private key, each in DER and in base64.
    """

    wifi_password: Secret
    token: Secret
    negotiate_key: Secret
    ocpp_key: Secret
    ocpp_certificate: tuple[Secret, Secret] | None

    @property
    def credential(self) -> str:
        """`hub.credential` of the settings record."""
        if self.negotiate_key.get_secret_value():
            return "negotiate"
        return "token" if self.token.get_secret_value() else "anonymous"


@dataclass(frozen=True)
class Configuration:
    """Everything that goes on a board, checked.

    Attributes:
        settings: the user's file.
        secrets: what its places held; never shown.
        certificates: CA certificates, each in DER.
        token: what the token says about itself; None for a device without one.
    """

    settings: DeviceSettings
    secrets: ResolvedSecrets
    certificates: tuple[bytes, ...] = field(repr=False)
    token: TokenFacts | None

    @property
    def ca(self) -> bytes:
        """The CA certificates one after another, as a board takes them."""
        return b"".join(self.certificates)


def load_configuration(
    path: Path | None, url: Secret | None = None, device_id: str | None = None
) -> Configuration:
    """Read, check and complete settings; no board is needed.

    Args:
        path: the settings file; may be None with a URL.
        url: a client access URL, in place of endpoint, hub and token of the file.
        device_id: in place of `device.id`: one file for many boards. `{id}` in the places of
            secrets and in `hub.query` stands for it.

    Raises:
        HubtoolError: something is missing or wrong; the text names file, line and remedy.
    """
    document = SettingsDocument({}) if path is None else SettingsFile(path)
    given = None if url is None else read_url(url)
    if path is None and device_id is None:
        device_id = _user_of(given)
        if device_id is None:
            raise HubtoolError("the URL names no user: give the board a name with --id")
    if device_id is not None:
        try:
            check_identity(device_id)
        except ValueError as error:
            raise HubtoolError(f"--id: {error}") from None
    settings = document.check(DeviceSettings, _replaced(document.content, given, device_id))
    if given is None:
        settings = _with_own_query(document, settings)
    secrets = _secrets(document, given, settings)
    token = _token(document, settings, secrets)
    return Configuration(settings, secrets, _certificates(document, settings), token)


def _replaced(
    content: dict[str, Any], url: ClientAccessUrl | None, device_id: str | None
) -> dict[str, Any]:
    """The content of the file with what the command line says instead."""
    replaced = dict(content)
    if url is not None and isinstance(content.get("hub", {}), dict):
        hub = dict(content.get("hub", {}), endpoint=url.endpoint, name=url.hub)
        hub.pop("token", None)
        hub.pop("negotiate", None)
        # With a token the service ignores further parameters; without, they are the identity.
        hub["query"] = url.query if url.token is None else {}
        replaced["hub"] = hub
    if device_id is not None and isinstance(content.get("device", {}), dict):
        replaced["device"] = dict(content.get("device", {}), id=device_id)
    return replaced


def _with_own_query(document: SettingsDocument, settings: DeviceSettings) -> DeviceSettings:
    """The settings with the id of the device in the query that tells who it is.

    Raises:
        HubtoolError: the query names the device of the file, and this is another one.
    """
    device_id, hub = settings.device.id, settings.hub
    if hub is None:
        return settings
    own_id = document.content.get("device", {}).get("id")
    for name, value in hub.query.items():
        if value == own_id != device_id:
            raise document.fail(
                ("hub", "query"),
                f"{name} is '{value}', but the device is '{device_id}', and two boards must not "
                f"have one identity: write {name} = '{{id}}'",
            )
    query = {name: value.replace("{id}", device_id) for name, value in hub.query.items()}
    return settings.model_copy(update={"hub": hub.model_copy(update={"query": query})})


def _user_of(url: ClientAccessUrl | None) -> str | None:
    return None if url is None or url.token is None else read_token(url.token).user_id


def _secrets(
    document: SettingsDocument, url: ClientAccessUrl | None, settings: DeviceSettings
) -> ResolvedSecrets:
    password = Secret("")
    if settings.wifi is not None and settings.wifi.password is not None:
        with document.pointing_at("wifi", "password"):
            password = settings.wifi.password.resolve(
                "Wi-Fi password", document.folder, exact=True, device_id=settings.device.id
            )
            problem = wifi_password_problem(password.get_secret_value())
            if problem is not None:
                raise HubtoolError(problem)
    token, key = _hub_secrets(document, url, settings)
    ocpp_key, certificate = _ocpp_secrets(document, settings)
    return ResolvedSecrets(password, token, key, ocpp_key, certificate)


def _hub_secrets(
    document: SettingsDocument, url: ClientAccessUrl | None, settings: DeviceSettings
) -> tuple[Secret, Secret]:
    """Client Access Token and negotiate key; empty where there is none."""
    token, key = Secret(""), Secret("")
    hub = settings.hub
    if url is not None and url.token is not None:
        token = url.token
    elif hub is not None and hub.token is not None:
        with document.pointing_at("hub", "token"):
            token = hub.token.resolve(
                "Client Access Token", document.folder, device_id=settings.device.id
            )
    elif hub is not None and hub.negotiate is not None:
        with document.pointing_at("hub", "negotiate", "key"):
            key = hub.negotiate.key.resolve(
                "negotiate key", document.folder, exact=True, device_id=settings.device.id
            )
            problem = negotiate_key_problem(key.get_secret_value())
            if problem is not None:
                raise HubtoolError(problem)
    return token, key


def _ocpp_secrets(
    document: SettingsDocument, settings: DeviceSettings
) -> tuple[Secret, tuple[Secret, Secret] | None]:
    """AuthorizationKey, and client certificate with its key; empty and None without."""
    ocpp, device_id = settings.ocpp, settings.device.id
    key, certificate = Secret(""), None
    if ocpp is None:
        return key, None
    if ocpp.key is not None:
        with document.pointing_at("ocpp", "key"):
            given = ocpp.key.resolve(
                "AuthorizationKey", document.folder, exact=True, device_id=device_id
            )
            key = Secret(key_bytes(given.get_secret_value(), ocpp.key_format).hex())
    if ocpp.certificate is not None and ocpp.certificate_key is not None:
        with document.pointing_at("ocpp", "certificate_key"):
            private = ocpp.certificate_key.resolve(
                "private key of the client certificate", document.folder, device_id=device_id
            )
        with document.pointing_at("ocpp", "certificate"):
            name = ocpp.certificate.replace("{id}", device_id)
            certificate = client_certificate(document.folder / expanded(Path(name)), private)
    return key, certificate


def _token(
    document: SettingsDocument, settings: DeviceSettings, secrets: ResolvedSecrets
) -> TokenFacts | None:
    if secrets.credential != "token" or settings.hub is None:
        return None
    with document.pointing_at("hub", "token"):
        facts = check_token(secrets.token, settings.hub.endpoint, settings.hub.name)
        _check_user(facts, settings.device.id)
        return facts


def _check_user(facts: TokenFacts, device_id: str) -> None:
    """Refuse a token of another device: on the hub, both would be the same one.

    Raises:
        HubtoolError: so it is.
    """
    if facts.user_id not in (None, device_id):
        raise HubtoolError(
            f"the token is for user '{facts.user_id}', but the device is '{device_id}', and two "
            f"boards must not have one identity: make a token with `hubtool token --user-id "
            f'{device_id}` (for many boards name it as {{ file = "token-{{id}}.txt" }}), or set '
            f"device.id to '{facts.user_id}'"
        )


def _certificates(document: SettingsDocument, settings: DeviceSettings) -> tuple[bytes, ...]:
    certificates: list[bytes] = []
    # With the key that names them, or should.
    for location, names in settings.servers():
        with document.pointing_at(*location):
            for name in names():
                roots = root_names(name)
                if roots:
                    certificates.extend(map(azure_root, roots))
                else:
                    path = document.folder / expanded(Path(name))
                    certificates.extend(read_certificates(path))
    return tuple(dict.fromkeys(certificates))
