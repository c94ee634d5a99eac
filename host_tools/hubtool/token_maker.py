"""Client Access Tokens from a connection string, made by Azure's own SDK."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .access_token import read_token, split_endpoint
from .errors import HubtoolError
from .names import check_hub_name, check_role
from .secrets import Secret

_LIFETIME = re.compile(r"(\d{1,6})\s*([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
# Beyond this `exp` leaves the range of dates that the SDK can handle.
_LONGEST_DAYS = 3650


@dataclass(frozen=True)
class ClientAccess:
    """What was made.

    Attributes:
        token: the Client Access Token.
        url: the client access URL that holds it.
        expires: when it ends, in UTC.
    """

    token: Secret
    url: Secret
    expires: datetime


def parse_lifetime(text: str) -> timedelta:
    """Read '90d', '12h' or '60m'.

    Raises:
        HubtoolError: it is none of these, or out of range.
    """
    found = _LIFETIME.fullmatch(text.strip().lower())
    lifetime = timedelta(minutes=int(found[1]) * _MINUTES[found[2]]) if found else timedelta()
    if not timedelta(minutes=1) <= lifetime <= timedelta(days=_LONGEST_DAYS):
        raise HubtoolError(
            f"'{text}' is no lifetime: write 60m, 12h or 90d (from 1m to {_LONGEST_DAYS}d)"
        )
    return lifetime


def parse_connection_string(connection_string: Secret) -> dict[str, str]:
    """Take a connection string apart; names in lower case.

    Raises:
        HubtoolError: a part is missing or wrong; the text does not quote it.
    """
    parts: dict[str, str] = {}
    for part in connection_string.get_secret_value().split(";"):
        name, equals, value = part.partition("=")
        if part.strip() and not equals:
            raise HubtoolError(
                "the connection string has a part without '=': copy the whole line from the "
                "portal (Keys) or from `hubtool serve`: Endpoint=...;AccessKey=...;Version=1.0;"
            )
        parts[name.strip().lower()] = value.strip()
    for name in ("endpoint", "accesskey"):
        if not parts.get(name):
            raise HubtoolError(
                f"the connection string has no {name}: it looks like "
                "Endpoint=https://...;AccessKey=...;Version=1.0;"
            )
    try:
        split_endpoint(parts["endpoint"])
    except ValueError as error:
        raise HubtoolError(f"the connection string: {error}") from None
    return parts


def make_token(
    connection_string: Secret,
    hub: str,
    lifetime: timedelta,
    *,
    user_id: str | None = None,
    roles: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> ClientAccess:
    """Make a Client Access Token. Nothing goes over the network.

    Args:
        connection_string: of the service; its key signs the token.
        hub: the hub that the token is for.
        lifetime: from now.
        user_id: `sub`.
        roles: what the device may do.
        groups: where the service puts it when it connects.

    Raises:
        HubtoolError: connection string, hub name or role are wrong.
    """
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    parse_connection_string(connection_string)
    try:
        check_hub_name(hub)
        for role in roles:
            check_role(role)
    except ValueError as error:
        raise HubtoolError(str(error)) from None
    client = WebPubSubServiceClient.from_connection_string(
        connection_string.get_secret_value(), hub=hub
    )
    answer = client.get_client_access_token(
        user_id=user_id,
        roles=list(roles),
        groups=list(groups),
        minutes_to_expire=int(lifetime.total_seconds() // 60),
    )
    token = Secret(answer["token"])
    expires = read_token(token).expires
    return ClientAccess(
        token, Secret(answer["url"]), expires or datetime.now(timezone.utc) + lifetime
    )
