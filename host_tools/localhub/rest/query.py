"""Reads and checks the values of a path and a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from .errors import RestError
from .operations import Operation, Parameter
from .parameters import API_VERSION, PATH

Query = Mapping[str, list[str]]


def parse_query(text: str) -> Query:
    """The values of a raw query by name in lower case.

    Raises:
        RestError: 400, it is no percent-encoded UTF-8.
    """
    values: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise RestError(400, "The query is not percent-encoded UTF-8.") from None
    for name, value in pairs:
        values.setdefault(name.lower(), []).append(value)
    return values


def read_values(operation: Operation, path: Mapping[str, str], query: Query) -> dict[str, Any]:
    """All parameters of a call, checked; absent ones have their default.

    Raises:
        RestError: 400, one of them is illegal, or there is more than one.
    """
    values = {name: _read(PATH[name], text) for name, text in path.items()}
    values.update(_query_values(operation.query, query))
    return values


def read_version(query: Query) -> str | None:
    """The api-version, or None when the caller leaves it to the service.

    Raises:
        RestError: 400, it is unknown, or there is more than one.
    """
    version: str | None = _query_values((API_VERSION,), query)[API_VERSION.name]
    return version


def _query_values(parameters: Iterable[Parameter], query: Query) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in parameters:
        texts = query.get(parameter.name.lower(), [])
        if len(texts) > 1 and not parameter.repeated:
            raise _invalid(parameter, "give it once")
        read = tuple(_read(parameter, text) for text in texts)
        if not read:
            values[parameter.name] = parameter.default
        else:
            values[parameter.name] = read if parameter.repeated else read[0]
    return values


def _read(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.read(text)
    except ValueError as error:
        raise _invalid(parameter, str(error)) from None


def _invalid(parameter: Parameter, right: str) -> RestError:
    return RestError(400, f"Invalid {parameter.name}: {right}.", target=parameter.name)
