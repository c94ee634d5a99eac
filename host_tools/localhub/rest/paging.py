"""Pages of a group's members (REST data plane, section 5)."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Collection
from urllib.parse import urlencode

from ..hub.connection import Connection
from .errors import RestError
from .operations import Call
from .parameters import STABLE_VERSIONS


def page_of(
    members: Collection[Connection], token: str | None, size: int
) -> tuple[list[Connection], str | None]:
    """One page, ordered by connection id.

    A page starts behind the id that the token holds, so members that come and go meanwhile
    neither shift it nor appear twice.

    Returns:
        The page, and the continuation token of the next one, or None.

    Raises:
        RestError: 400, the token is none of ours.
    """
    last = "" if token is None else _last_id(token)
    rest = (member for member in members if member.id > last)
    page = heapq.nsmallest(size + 1, rest, key=lambda member: member.id)
    if len(page) <= size:
        return page, None
    return page[:size], _token(page[size - 1].id)


def _token(connection_id: str) -> str:
    # Python's SDK quotes the query of a link once more: only letters, digits, - and _ survive.
    return base64.urlsafe_b64encode(connection_id.encode()).decode().rstrip("=")


def _last_id(token: str) -> str:
    try:
        padded = (token + "=" * (-len(token) % 4)).encode("ascii")
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise RestError(
            400, "Invalid continuationToken: take it from a nextLink.", target="continuationToken"
        ) from None


def next_link(call: Call, token: str, remaining: int | None) -> str:
    """The absolute URL of the next page, on the host that the caller used.

    Args:
        call: the call that asked for this page.
        token: continuation token of the next page.
        remaining: what is left of `top`; None without one.
    """
    query: dict[str, object] = {
        "maxpagesize": call.values["maxpagesize"],
        "continuationToken": token,
        "api-version": call.version or STABLE_VERSIONS[-1],
    }
    if remaining is not None:
        query["top"] = remaining
    return f"{call.origin}{call.path}?{urlencode(query)}"
