"""The bodies of requests (REST data plane, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from micropython_webpubsub.validation import first_problem
from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ProtocolError
from ..protocol.json_members import check_json
from ..protocol.messages import DataKind, Payload
from .errors import RestError
from .operations import Body, Schema
from .parameters import check_group, read_filter

if TYPE_CHECKING:
    from .odata_filter import Filter

# The limit of a client's message too; what Azure's limit for calls is, is not published.
MAX_BODY = 1024 * 1024
_JSON = "application/json"
_KINDS = {
    "text/plain": DataKind.TEXT,
    _JSON: DataKind.JSON,
    "application/octet-stream": DataKind.BINARY,
}


def _not_among(content_type: str, known: object) -> RestError:
    names = ", ".join(str(name) for name in known) if isinstance(known, dict) else known
    shown = f"'{content_type[:100]}'" if content_type else "missing"
    return RestError(415, f"Content-Type is {shown}: use {names}.")


def _message(data: bytes, content_type: str) -> Payload:
    kind = _KINDS.get(content_type)
    if kind is None:
        raise _not_among(content_type, _KINDS)
    try:
        if kind is DataKind.JSON:
            check_json(data)
        elif kind is DataKind.TEXT:
            data.decode()
    except (ProtocolError, UnicodeDecodeError):
        what = "JSON in UTF-8" if kind is DataKind.JSON else "UTF-8"
        raise RestError(400, f"The body is not {what}.") from None
    return Payload(kind, data)


@dataclass(frozen=True, slots=True)
class GroupsChange:
    """Which groups to add connections to, or to remove them from.

    Attributes:
        groups: the groups.
        filter: selects the connections; None for all of the hub.
    """

    groups: tuple[str, ...]
    filter: Filter | None


class _GroupsChangeBody(BaseModel):
    # A misspelled `filter` would mean every connection of the hub, so nothing is ignored.
    model_config = ConfigDict(extra="forbid", strict=True)

    groups: list[str] | None = None
    filter: str | None = None


def _groups_change(data: bytes, content_type: str) -> GroupsChange:
    if content_type != _JSON:
        raise _not_among(content_type, _JSON)
    try:
        given = _GroupsChangeBody.model_validate_json(data)
    except ValidationError as error:
        place, message = first_problem(error)
        raise RestError(400, f"Invalid body: {message}.", target=place[:100] or None) from None
    try:
        groups = tuple(dict.fromkeys(check_group(group) for group in given.groups or ()))
    except ValueError as error:
        raise RestError(400, f"Invalid group: {error}.", target="groups") from None
    return GroupsChange(groups, read_filter(given.filter or ""))


_ANYTHING: Schema = {}
MESSAGE = Body(
    "The message.",
    {
        "text/plain": {"type": "string"},
        _JSON: _ANYTHING,
        "application/octet-stream": {"type": "string", "format": "binary"},
    },
    _message,
)
GROUPS_CHANGE = Body(
    "The groups, and an OData filter that selects connections; all of the hub without one.",
    {
        _JSON: {
            "type": "object",
            "properties": {
                "groups": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 1024,
                        "pattern": r"\S",
                    },
                },
                "filter": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
    _groups_change,
)
