"""What pydantic finds wrong with a value, in words for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError


def dotted(location: Iterable[int | str]) -> str:
    """Where a value stands: `hubs[0].name` for ("hubs", 0, "name"), which is pydantic's `loc`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def message_of(message: str) -> str:
    """What pydantic says, without its words for an error that a validator of ours raised."""
    return message.removeprefix("Value error, ")


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
