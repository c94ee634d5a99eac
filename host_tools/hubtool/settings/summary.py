"""A configuration as a person reads it before it is written; no secret is shown."""

from __future__ import annotations

from collections.abc import Iterator

from ..console import counted
from ..hiding import is_secret_name
from ..secrets import space_note
from ..tokens.access_token import TokenFacts, date_text, is_plain
from .configuration import Configuration
from .model import DeviceSettings, HubAccess, is_azure
from .ocpp import Ocpp
from .roots import AZURE_RSA, root_names


def notes(configuration: Configuration) -> list[str]:
    """Warnings about settings that are valid; one line each."""
    spaces = space_note("Wi-Fi password", configuration.secrets.wifi_password)
    return [*([spaces] if spaces else []), *_certificate_notes(configuration)]


def _certificate_notes(configuration: Configuration) -> list[str]:
    count = len(configuration.certificates)
    reached = {end for end in _servers(configuration.settings) if not is_plain(end)}
    private = [end for end in reached if not is_azure(end)]
    azure = len(AZURE_RSA) if len(reached) > len(private) else 0
    if count <= max(azure + len(private), 1):
        return []
    remedy = (
        f"leave tls.ca out for the {azure} that Azure's RSA certificates end in"
        if azure
        else "name only the CA at the end of the endpoint's chain under tls.ca"
    )
    return [
        f"{count} CA certificates go onto the board, and each takes 1 to 3 KB of the memory that "
        f"TLS needs there: {remedy}"
    ]


def _servers(settings: DeviceSettings) -> Iterator[str]:
    """Whom a board connects to, or may have to."""
    hub = settings.hub
    if hub is not None:
        yield hub.endpoint
        yield from hub.endpoints_allowed
        if hub.negotiate is not None:
            yield hub.negotiate.origin
    if settings.ocpp is not None:
        yield settings.ocpp.origin


def describe(configuration: Configuration) -> list[tuple[str, str]]:
    """What goes on the board: names and values, without the secrets."""
    settings = configuration.settings
    lines = [("device", f"{settings.device.id} ({settings.device.kind})")]
    if settings.hub is not None:
        lines.extend(_hub_lines(settings.hub, configuration.token))
    if settings.ocpp is not None:
        lines.extend(_ocpp_lines(settings.ocpp, settings.device.id))
    if settings.wifi is not None:
        password = "no password" if settings.wifi.password is None else "password hidden"
        lines.append(("Wi-Fi", f"{settings.wifi.ssid} ({password})"))
    if settings.ethernet is not None:
        lines.append(("Ethernet", settings.ethernet.phy))
    names = ", ".join(
        shown for name in settings.ca_names() for shown in root_names(name) or (name,)
    )
    number = counted(len(configuration.certificates), "certificate")
    lines.append(
        ("CA", f"{names} ({number}, {len(configuration.ca):,} bytes)" if names else "none")
    )
    if settings.hub is not None:
        every = f"every {settings.telemetry.interval:g} s"
        lines.append(
            ("telemetry", f"group {settings.telemetry.group}, {every}")
            if settings.telemetry.group
            else ("telemetry", "off")
        )
        users = ", ".join(settings.commands.users) or "nobody in groups"
        lines.append(("obeys", f"the server, {users}"))
    lines.append(("clock", ", ".join(settings.clock.ntp) or "not set"))
    return lines


def _hub_lines(hub: HubAccess, token: TokenFacts | None) -> Iterator[tuple[str, str]]:
    yield "hub", f"{hub.name} at {hub.endpoint}"
    if hub.negotiate is not None:
        shown, _, _ = hub.negotiate.url.partition("?")
        yield "credential", f"key (hidden) for {shown}"
    elif token is None:
        query = "&".join(
            f"{name}={'(hidden)' if is_secret_name(name) else value}"
            for name, value in hub.query.items()
        )
        yield "credential", f"anonymous{', query ' + query if query else ''}"
    else:
        assert token.expires is not None
        user = f" for user {token.user_id}" if token.user_id else ""
        yield "credential", f"token{user} (hidden), expires {date_text(token.expires)}"
    if hub.endpoints_allowed:
        yield "may move to", ", ".join(hub.endpoints_allowed)


def _ocpp_lines(ocpp: Ocpp, device_id: str) -> Iterator[tuple[str, str]]:
    where = ocpp.url or f"hub {ocpp.hub} at {ocpp.endpoint}"
    yield "OCPP 1.6", f"{ocpp.identity or device_id} at {where}"
    shown = ["key hidden"] if ocpp.key is not None else []
    if ocpp.certificate is not None:
        shown.append("client certificate")
    yield "security", f"profile {ocpp.profile} ({', '.join(shown) or 'no key'})"
    features = "".join(f", {feature}" for feature in ocpp.features)
    yield "point", f"{ocpp.vendor} {ocpp.model}, {counted(ocpp.connectors, 'connector')}{features}"
