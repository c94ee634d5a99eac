"""The parameters of the data plane (REST data plane, sections 2 to 5)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ..hub.permissions import JOIN_LEAVE_GROUP, SEND_TO_GROUP
from ..names import is_group_name, is_hub_name, is_user_id
from .errors import FilterError, RestError
from .operations import Parameter, Schema

if TYPE_CHECKING:
    from .odata_filter import Filter

STABLE_VERSIONS = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
_PREVIEWS = ("2021-05-01-preview", "2021-08-01-preview", "2022-10-01-preview")
_MAX_INT32 = 2**31 - 1
DEFAULT_CLIENT = "Default"
_CLIENT_TYPES = {"default": DEFAULT_CLIENT, "mqtt": "MQTT", "socketio": "SocketIO"}
_STRING: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "minLength": 1}


def _integer(text: str, minimum: int, maximum: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not minimum <= int(text) <= maximum:
        raise ValueError(f"a whole number from {minimum} to {maximum}")
    return int(text)


def _number(name: str, description: str, minimum: int, maximum: int, default: int) -> Parameter:
    schema: Schema = {"type": "integer", "format": "int32"}
    schema |= {"minimum": minimum, "maximum": maximum, "default": default}
    return Parameter(
        name,
        description,
        schema,
        lambda text: _integer(text, minimum, maximum),
        default=default,
    )


def _hub(text: str) -> str:
    if not is_hub_name(text):
        raise ValueError("1 to 128 letters, digits or _`,.[] after a letter")
    return text


def check_group(text: str) -> str:
    """A legal group name.

    Raises:
        ValueError: it is none.
    """
    if not is_group_name(text):
        raise ValueError("1 to 1024 characters, not all white space")
    return text


def _user_id(text: str) -> str:
    if not is_user_id(text):
        raise ValueError("up to 1024 characters, no control characters")
    return text


def _permission(text: str) -> str:
    if text not in (JOIN_LEAVE_GROUP, SEND_TO_GROUP):
        raise ValueError(f"{JOIN_LEAVE_GROUP} or {SEND_TO_GROUP}")
    return text


def _client_type(text: str) -> str:
    if text.lower() not in _CLIENT_TYPES:
        raise ValueError(" or ".join(_CLIENT_TYPES.values()))
    return _CLIENT_TYPES[text.lower()]


def _api_version(text: str) -> str:
    if text not in (*STABLE_VERSIONS, *_PREVIEWS):
        raise ValueError("one of " + ", ".join(STABLE_VERSIONS))
    return text


def read_filter(text: str) -> Filter | None:
    """A filter; None for an empty one, which selects everything.

    Raises:
        RestError: 400, the expression is illegal.
    """
    if not text:
        return None
    try:
        return _filter(text)
    except FilterError as error:
        raise RestError(400, str(error), target="filter") from None


# Parsing costs as much as the rest of a call, and servers filter by the same few texts.
@lru_cache(maxsize=64)
def _filter(text: str) -> Filter:
    # Loads lark, which only those need who filter.
    from .odata_filter import Filter

    return Filter(text)


_GROUP: Schema = {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": r"\S"}

HUB = Parameter(
    "hub",
    "Name of the hub; upper and lower case are the same.",
    {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$"},
    _hub,
)
GROUP = Parameter("group", "Name of the group.", _GROUP, check_group)
CONNECTION_ID = Parameter("connectionId", "Id of the connection.", _ID, str)
USER_ID = Parameter("userId", "Id of the user.", _ID, str)
PERMISSION = Parameter(
    "permission",
    "The right in question.",
    {"type": "string", "enum": [SEND_TO_GROUP, JOIN_LEAVE_GROUP]},
    _permission,
)
PATH = {one.name: one for one in (HUB, GROUP, CONNECTION_ID, USER_ID, PERMISSION)}

API_VERSION = Parameter(
    "api-version",
    "Version of this interface; the newest one when absent.",
    {"type": "string", "enum": [*STABLE_VERSIONS, *_PREVIEWS], "default": STABLE_VERSIONS[-1]},
    _api_version,
)
EXCLUDED = Parameter(
    "excluded", "Ids of connections to leave out.", _STRING, str, repeated=True, default=()
)
FILTER = Parameter("filter", "OData expression that selects connections.", _STRING, read_filter)
TIME_TO_LIVE = _number(
    "messageTtlSeconds",
    "Seconds after which a client that has not got the message need not get it; 0 for never.",
    0,
    300,
    0,
)
REASON = Parameter("reason", "The reason that the closed clients get.", _STRING, str, default="")
TARGET_NAME = Parameter(
    "targetName",
    "Name of the group that the right is about; all groups when absent.",
    _GROUP,
    check_group,
)
PAGE_SIZE = _number("maxpagesize", "Most members on one page.", 1, 200, 200)
TOP = Parameter(
    "top",
    "Most members on all pages together.",
    {"type": "integer", "format": "int32", "minimum": 1, "maximum": _MAX_INT32},
    lambda text: _integer(text, 1, _MAX_INT32),
)
CONTINUATION_TOKEN = Parameter(
    "continuationToken", "Where the page starts; taken from a `nextLink`.", _STRING, str
)
TOKEN_USER = Parameter("userId", "User id of the client.", _STRING, _user_id)
TOKEN_ROLES = Parameter("role", "Roles of the client.", _STRING, str, repeated=True, default=())
TOKEN_GROUPS = Parameter(
    "group",
    "Groups that the client is in from the start.",
    _GROUP,
    check_group,
    repeated=True,
    default=(),
)
MINUTES = _number("minutesToExpire", "Life of the token in minutes.", 1, _MAX_INT32, 60)
CLIENT_TYPE = Parameter(
    "clientType",
    "Which endpoint the token is for, in any case; only Default is served.",
    {"type": "string", "enum": list(_CLIENT_TYPES.values()), "default": DEFAULT_CLIENT},
    _client_type,
    default=DEFAULT_CLIENT,
)
