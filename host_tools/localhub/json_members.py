"""The members of one JSON object, with the text of each value kept.

`json.loads` would lose how a number was written and make the service encode every `data` again.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .errors import ProtocolError
from .frames import INVALID_DATA

_SPACE = " \t\n\r"


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity; RFC 8259 has neither.
    raise ValueError(f"{name} is not JSON")


_scan = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


class JsonMembers:
    """Members of an object by name; of a name that occurs twice, the last counts.

    The accessors raise ProtocolError (1007) when a member is missing or of another type. A
    member that is null counts as missing.
    """

    __slots__ = ("_text", "_values")

    def __init__(self, text: str, values: dict[str, tuple[Any, int, int]]) -> None:
        self._text = text
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._values.get(name, (None,))[0] is not None

    def _value(self, name: str) -> Any:
        value = self._values.get(name, (None,))[0]
        if value is None:
            raise ProtocolError(INVALID_DATA, f"'{name}' is missing")
        return value

    def string(self, name: str) -> str:
        """A string that can be written as UTF-8 (no lone surrogates)."""
        value = self._value(name)
        if not isinstance(value, str):
            raise ProtocolError(INVALID_DATA, f"'{name}' must be a string")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ProtocolError(INVALID_DATA, f"'{name}' holds half a character") from None
        return value

    def integer(self, name: str, maximum: int) -> int:
        """A whole number from 0 to `maximum`."""
        value = self._value(name)
        if type(value) is not int or not 0 <= value <= maximum:
            raise ProtocolError(INVALID_DATA, f"'{name}' must be a whole number from 0")
        return value

    def boolean(self, name: str) -> bool:
        """true or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise ProtocolError(INVALID_DATA, f"'{name}' must be true or false")
        return value

    def object(self, name: str) -> JsonMembers:
        """The members of an object inside."""
        value = self._value(name)
        if not isinstance(value, dict):
            raise ProtocolError(INVALID_DATA, f"'{name}' must be an object")
        return parse_members(self.raw(name))

    def texts(self, name: str) -> list[tuple[str, str]]:
        """The members of an object inside whose values are all strings."""
        inner = self.object(name)
        return [(key, inner.string(key)) for key in inner.names()]

    def names(self) -> list[str]:
        """The names of all members."""
        return list(self._values)

    def raw(self, name: str) -> bytes:
        """The text of a value, as it stands in the object."""
        self._value(name)
        _, start, end = self._values[name]
        return self._text[start:end].encode()


def parse_members(payload: bytes) -> JsonMembers:
    """Read one JSON object.

    Raises:
        ProtocolError: 1007; not UTF-8, not JSON (RFC 8259), nested too deeply, or no object.
    """
    try:
        text = payload.decode()
        return JsonMembers(text, _members(text))
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "the text is not UTF-8") from None
    except (ValueError, IndexError, StopIteration, RecursionError):
        raise ProtocolError(INVALID_DATA, "not a JSON object") from None


def _skip_space(text: str, index: int) -> int:
    while text[index] in _SPACE:
        index += 1
    return index


def _members(text: str) -> dict[str, tuple[Any, int, int]]:
    values: dict[str, tuple[Any, int, int]] = {}
    index = _skip_space(text, 0)
    if text[index] != "{":
        raise ValueError
    index = _skip_space(text, index + 1)
    if text[index] == "}":
        index += 1
    else:
        while True:
            if text[index] != '"':
                raise ValueError
            name, index = _scan(text, index)
            index = _skip_space(text, index)
            if text[index] != ":":
                raise ValueError
            start = _skip_space(text, index + 1)
            value, end = _scan(text, start)
            values[name] = (value, start, end)
            index = _skip_space(text, end)
            if text[index] == "}":
                index += 1
                break
            if text[index] != ",":
                raise ValueError
            index = _skip_space(text, index + 1)
    if text[index:].strip(_SPACE):
        raise ValueError
    return values


def check_json(text: bytes) -> None:
    """Check that a text is one JSON value (RFC 8259) in UTF-8.

    Raises:
        ProtocolError: 1007; it is not.
    """
    try:
        decoded = text.decode().strip(_SPACE)
        if _scan(decoded)[1] != len(decoded):
            raise ValueError
    except (ValueError, RecursionError):
        raise ProtocolError(INVALID_DATA, "not JSON") from None
