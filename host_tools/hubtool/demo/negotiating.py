"""The third board of the demo: it has a key, and asks a negotiate server for its URL."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from pathlib import Path

from localhub.transport.tls import LocalAuthority

from ..secrets import Secret
from ..servers.negotiate import running
from ..servers.negotiate_table import NegotiateTable
from .boards import Profile, settings_text, write_private

METER = "meter-1"
_KEY_FILE = "meter.key"
_CONNECTION_FILE = "connection-string"


async def meter(
    stack: AsyncExitStack,
    folder: Path,
    connection_string: Secret,
    *,
    endpoint: str,
    hub: str,
    ca: Path | None,
    ntp: str,
    roles: tuple[str, ...],
    groups: tuple[str, ...],
) -> tuple[Profile, str]:
    """Start a negotiate server, with a CA of its own; the board that asks it, and its URL.

    Args:
        stack: ends the server.
        folder: of the settings file; key and connection string are put there.
        connection_string: with the endpoint that the board reaches.
        endpoint, hub, ca, ntp: of the board's settings.
        roles, groups: what its tokens allow.

    Raises:
        HubtoolError: the server cannot be started.
    """
    write_private(folder / _KEY_FILE, secrets.token_urlsafe(32))
    write_private(folder / _CONNECTION_FILE, connection_string.get_secret_value())
    authority = LocalAuthority(folder)
    table = NegotiateTable.model_validate(
        {
            "hub": hub,
            "connection_string": {"file": _CONNECTION_FILE},
            "lifetime": "15m",
            "devices": [
                {"id": METER, "key": {"file": _KEY_FILE}, "roles": roles, "groups": groups}
            ],
        }
    )
    let_in: list[str] = []
    url = await stack.enter_async_context(
        running(
            table,
            folder=folder,
            port=0,
            tls=authority.server_context(table.host),
            report=let_in.append,
        )
    )
    profile = Profile(
        METER,
        "negotiate, wss",
        "a key for the negotiate server, which gives it a token of 15 minutes for each session",
        settings_text(
            device=METER,
            kind="meter",
            endpoint=endpoint,
            credential=(
                f'negotiate = {{ url = "{url}", key = {{ file = "{_KEY_FILE}" }}, '
                f"ca = '{authority.pem_path}' }}"
            ),
            interval=3,
            ca=ca,
            hub=hub,
            ntp=ntp,
        ),
        None,
    )
    return profile, url
