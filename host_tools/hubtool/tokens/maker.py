"""Client Access Tokens, made by Azure's own SDK."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import HubtoolError
from ..names import check_hub_name, check_identity, check_role
from ..secrets import Secret
from .access_token import read_token, split_endpoint

Guard = Callable[[], "AbstractContextManager[None]"]

_LIFETIME = re.compile(r"(\d{1,6})\s*([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
# Beyond this `exp` leaves the range of dates that the SDK can handle.
_LONGEST_DAYS = 3650


@dataclass(frozen=True)
class ClientAccess:
    """A token that was made.

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
        # It quotes what stands there behind this, which in a line that was mixed up is the key.
        reason = str(error).partition(": write")[0]
        raise HubtoolError(
            f"the connection string: {reason}: it looks like "
            "Endpoint=https://...;AccessKey=...;Version=1.0;"
        ) from None
    return parts


class TokenMaker:
    """Makes Client Access Tokens for one hub, from a connection string or by Microsoft Entra ID.

    Args:
        client: Azure's service client; `from_connection_string` and `entra.token_maker`
            make one.
        credential: what the client proves itself with, if it has connections of its own.
        guard: turns what the client raises into a HubtoolError; None when nothing goes over
            the network.
    """

    def __init__(self, client: Any, credential: Any = None, guard: Guard | None = None) -> None:
        self._client = client
        self._credential = credential
        self._guard = guard or nullcontext

    def __enter__(self) -> TokenMaker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that it holds."""
        self._client.close()
        if self._credential is not None:
            self._credential.close()

    @classmethod
    def from_connection_string(cls, connection_string: Secret, hub: str) -> TokenMaker:
        """One that signs with the access key itself.

        Raises:
            HubtoolError: connection string or hub name are wrong.
        """
        from azure.messaging.webpubsubservice import WebPubSubServiceClient

        parse_connection_string(connection_string)
        _checked(check_hub_name, hub)
        return cls(
            WebPubSubServiceClient.from_connection_string(
                connection_string.get_secret_value(), hub=hub
            )
        )

    def make(
        self,
        lifetime: timedelta,
        *,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> ClientAccess:
        """Make a token. Any thread may call it.

        Args:
            lifetime: from now.
            user_id: `sub`.
            roles: what the device may do.
            groups: where the service puts it when it connects.

        Raises:
            HubtoolError: user id or role are wrong, or the service does not hand out the token.
        """
        if user_id is not None:
            _checked(check_identity, user_id)
        for role in roles:
            _checked(check_role, role)
        with self._guard():
            answer = self._client.get_client_access_token(
                user_id=user_id,
                roles=list(roles),
                groups=list(groups),
                minutes_to_expire=int(lifetime.total_seconds() // 60),
            )
        token = Secret(answer["token"])
        expires = read_token(token).expires
        return ClientAccess(token, Secret(answer["url"]), expires or datetime.now(UTC) + lifetime)


def _checked(check: Callable[[str], str], value: str) -> None:
    try:
        check(value)
    except ValueError as error:
        raise HubtoolError(str(error)) from None


def make_token(
    connection_string: Secret,
    hub: str,
    lifetime: timedelta,
    *,
    user_id: str | None = None,
    roles: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> ClientAccess:
    """Make one token with the key of a connection string. Nothing goes over the network.

    Raises:
        HubtoolError: connection string, hub name, user id or role are wrong.
    """
    with TokenMaker.from_connection_string(connection_string, hub) as maker:
        return maker.make(lifetime, user_id=user_id, roles=roles, groups=groups)
