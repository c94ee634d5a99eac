"""A configuration as a person reads it before it is written; no secret is shown."""

from __future__ import annotations

from ..console import counted
from ..hiding import is_secret_name
from ..secrets import space_note
from ..tokens.access_token import date_text, is_plain
from .configuration import Configuration
from .model import is_azure
from .roots import AZURE_RSA, root_names


def notes(configuration: Configuration) -> list[str]:
    """Warnings about settings that are valid; one line each."""
    spaces = space_note("Wi-Fi password", configuration.secrets.wifi_password)
    return [*([spaces] if spaces else []), *_certificate_notes(configuration)]


def _certificate_notes(configuration: Configuration) -> list[str]:
    count = len(configuration.certificates)
    hub = configuration.settings.hub
    servers = () if hub.negotiate is None else (hub.negotiate.origin,)
    reached = {
        end for end in (hub.endpoint, *servers, *hub.endpoints_allowed) if not is_plain(end)
    }
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


def describe(configuration: Configuration) -> list[tuple[str, str]]:
    """What goes on the board: names and values, without the secrets."""
    settings, token = configuration.settings, configuration.token
    lines = [
        ("device", f"{settings.device.id} ({settings.device.kind})"),
        ("hub", f"{settings.hub.name} at {settings.hub.endpoint}"),
    ]
    if settings.hub.negotiate is not None:
        shown, _, _ = settings.hub.negotiate.url.partition("?")
        lines.append(("credential", f"key (hidden) for {shown}"))
    elif token is None:
        query = "&".join(
            f"{name}={'(hidden)' if is_secret_name(name) else value}"
            for name, value in settings.hub.query.items()
        )
        lines.append(("credential", f"anonymous{', query ' + query if query else ''}"))
    else:
        assert token.expires is not None
        user = f" for user {token.user_id}" if token.user_id else ""
        lines.append(("credential", f"token{user} (hidden), expires {date_text(token.expires)}"))
    if settings.wifi is not None:
        password = "no password" if settings.wifi.password is None else "password hidden"
        lines.append(("Wi-Fi", f"{settings.wifi.ssid} ({password})"))
    if settings.ethernet is not None:
        lines.append(("Ethernet", settings.ethernet.phy))
    if settings.hub.endpoints_allowed:
        lines.append(("may move to", ", ".join(settings.hub.endpoints_allowed)))
    names = ", ".join(
        shown for name in settings.ca_names() for shown in root_names(name) or (name,)
    )
    number = counted(len(configuration.certificates), "certificate")
    lines.append(
        ("CA", f"{names} ({number}, {len(configuration.ca):,} bytes)" if names else "none")
    )
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
