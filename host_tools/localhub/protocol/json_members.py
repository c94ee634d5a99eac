"""The members of one JSON object; of a value, the text can be had as well.

`json.loads` alone would lose how a number was written and make the service encode every `data`
again. Looking for a value's text is slow, so it is done for those only that are handed on.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from ..errors import ProtocolError
from .frames import INVALID_DATA

_SPACE = " \t\n\r"
_past_space = re.compile(f"[{_SPACE}]*").match


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity; RFC 8259 has neither.
    raise ValueError(f"{name} is not JSON")


def _number(digits: str) -> int | float:
    # Python makes no int of more than 4300 digits (CVE-2020-10735); JSON has no limit,
    # and what such a number is worth is of no interest here: its text is handed on.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


_LONGEST_INTEGER = 1000
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
# Calls a function for each number, so it is for those texts only that need it.
_patient_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_number)


def _scan(text: str, start: int = 0) -> tuple[Any, int]:
    """A value that begins at an index, and where it ends."""
    try:
        return _decoder.raw_decode(text, start)
    except ValueError:
        return _patient_decoder.raw_decode(text, start)


def read_json(text: str) -> Any:
    """A JSON value (RFC 8259), with numbers of any length.

    Raises:
        ValueError, RecursionError: it is none.
    """
    try:
        return _decoder.decode(text)
    except ValueError:
        return _patient_decoder.decode(text)


class JsonMembers:
    """Members of an object by name; of a name that occurs twice, the last counts.

    The accessors raise ProtocolError (1007) when a member is missing or of another type. A
    member that is null counts as missing.
    """

    __slots__ = ("_text", "_values")

    def __init__(self, text: str, values: dict[str, Any]) -> None:
        self._text = text
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._values.get(name) is not None

    def given(self, name: str) -> bool:
        """Whether the member is there, null included."""
        return name in self._values

    def _value(self, name: str) -> Any:
        value = self._values.get(name)
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
        start, end = _place(self._text, name)
        return self._text[start:end].encode()


def parse_members(payload: bytes) -> JsonMembers:
    """Read one JSON object.

    Raises:
        ProtocolError: 1007; not UTF-8, not JSON (RFC 8259), nested too deeply, or no object.
    """
    try:
        text = payload.decode()
        values = read_json(text)
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "the text is not UTF-8") from None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ProtocolError(INVALID_DATA, "not a JSON object")
    return JsonMembers(text, values)


def _skip_space(text: str, index: int) -> int:
    found = _past_space(text, index)
    return found.end() if found else index


def _place(text: str, name: str) -> tuple[int, int]:
    """Where the value of a member begins and ends, in the text of an object that has it."""
    quoted = f'"{name}"'
    if name.isalnum() and "\\" not in text and text.count(quoted) == 1:
        # Without escapes, a name in quotes that occurs once is that of the member. But ", " may
        # stand between the quotes of two strings, and ":" be a name.
        start = _skip_space(text, text.index(":", text.index(quoted)) + 1)
        return start, _scan(text, start)[1]
    place = (0, 0)
    index = _skip_space(text, text.index("{") + 1)
    while text[index] != "}":
        found, index = _scan(text, index)
        start = _skip_space(text, text.index(":", index) + 1)
        _, end = _scan(text, start)
        if found == name:
            place = (start, end)
        index = _skip_space(text, end)
        if text[index] == ",":
            index = _skip_space(text, index + 1)
    return place


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
