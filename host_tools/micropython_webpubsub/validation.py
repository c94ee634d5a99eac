"""What pydantic finds wrong with a value, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AfterValidator, ValidationError
from pydantic_core import PydanticCustomError

_TEXT = "must be a text: write it in quotes"
_WHOLE = "must be a whole number, without quotes"
_NUMBER = "must be a number, without quotes"
_SWITCH = "must be true or false, without quotes"
_LIST = "must be a list: write it in [ ]"
_TABLE = "must be a table"
# By the type of pydantic's error; what is in braces comes from its context.
_WORDS = {
    "extra_forbidden": "unknown key: correct it, or leave it out",
    "missing": "this key is missing: add it",
    "string_type": _TEXT,
    "path_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a number with an end",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be less than or equal to {le}",
}


def matching(pattern: str, words: str) -> AfterValidator:
    """A check of a text by a regular expression, which a person need not be able to read.

    Args:
        pattern: what the whole text must match.
        words: what an error says instead.
    """

    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:
            raise ValueError(words)
        return value

    return AfterValidator(check)


def misfit(location: tuple[int | str, ...], message: str) -> PydanticCustomError:
    """An error about several keys together, to raise: pydantic would not tell which one it is.

    Args:
        location: of the key to point at, from the table whose validator raises it.
        message: what is wrong.
    """
    return PydanticCustomError("misfit", "{message}", {"message": message, "location": location})


def dotted(location: Iterable[int | str]) -> str:
    """Where a value stands: `hubs[0].name` for ("hubs", 0, "name"), which is pydantic's `loc`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def message_of(message: str) -> str:
    """What pydantic says, without its words for an error that a validator of ours raised."""
    return message.removeprefix("Value error, ")


def in_words(found: Mapping[str, Any]) -> str:
    """What is wrong with a value of a TOML file, in the words of who writes such a file.

    Args:
        found: one of pydantic's errors. The value itself does not get into the text: it may be a
            secret.
    """
    kind, context = found["type"], found.get("ctx", {})
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        number = context["min_length" if least else "max_length"]
        noun = "item" if number == 1 else "items"
        return f"must have at {'least' if least else 'most'} {number} {noun}"
    if kind in _WORDS:
        return _WORDS[kind].format_map(context)
    return message_of(found["msg"])


def first_problem(error: ValidationError, within: int = 0) -> tuple[str, str]:
    """The first thing that is wrong: where, "" for the whole value, and what.

    The value itself is not in it: it may be a secret.

    Args:
        error: what pydantic raised.
        within: how many parts to leave out at the beginning of where it is.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    return dotted(first["loc"][within:]), message_of(first["msg"])


def one_line(place: str, message: str) -> str:
    """`place: message`, or the message alone where it is about the whole value."""
    return f"{place}: {message}" if place else message
