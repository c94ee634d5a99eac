"""The bodies of requests (REST data plane, section 3)."""

from __future__ import annotations

import codecs
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
    # As in Microsoft's emulator, see `to_utf8`.
    "": DataKind.BINARY,
}
# The encodings that .NET has without further packages, by their names in Python.
_CHARSETS = frozenset(
    {
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "ascii",
        "iso8859-1",
    }
)
# Little-endian unless a byte order mark says otherwise: so .NET writes them.
_MARKED = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


def _not_among(content_type: str, known: object) -> RestError:
    names = ", ".join(filter(None, known)) if isinstance(known, dict) else known
    shown = f"'{content_type[:100]}'" if content_type else "missing"
    return RestError(415, f"Content-Type is {shown}: use {names}.")


def to_utf8(data: bytes, content_type: str, charset: str | None) -> bytes:
    """A body in UTF-8, whatever charset it was sent in.

    Source: Microsoft's emulator (Azure/azure-webpubsub, tools/emulator), TryGetDataType and
    ReadBodyAsync of WebPubSubEmulatorController.cs: text and JSON are converted, an unknown
    charset is 415, and no Content-Type at all means bytes. RFC 9110 section 8.3.2.

    Args:
        data: the body.
        content_type: in lower case, without parameters.
        charset: its parameter; None without one.

    Raises:
        RestError: 415, the charset is unknown; 400, the body is not in it.
    """
    if not charset or _KINDS.get(content_type) in (None, DataKind.BINARY):
        return data
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = ""
    if name not in _CHARSETS:
        raise RestError(415, f"The charset '{charset[:100]}' is unknown: use utf-8.")
    if name == "utf-8":
        return data
    if name in _MARKED and not data.startswith(_MARKED[name]):
        name += "-le"
    try:
        return data.decode(name).encode()
    except UnicodeError:
        raise RestError(400, f"The body is not in the charset '{charset}'.") from None


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
