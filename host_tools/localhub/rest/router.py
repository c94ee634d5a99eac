"""Finds the operation of a request by its raw path.

aiohttp's own routes match decoded paths, in which an id with an encoded slash falls apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import RestError
from .operations import Operation

_SLASH = re.compile("(%2[Ff])")


@dataclass(frozen=True, slots=True)
class Match:
    """An operation and the decoded values of its path.

    Attributes:
        operation: of the table.
        values: by the names of the parameters in the path.
    """

    operation: Operation
    values: dict[str, str]


class Router:
    """All operations by method and path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._shapes: dict[int, list[tuple[tuple[str, ...], dict[str, Operation]]]] = {}
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        shape = tuple(operation.path.split("/"))
        same_length = self._shapes.setdefault(len(shape), [])
        for known, methods in same_length:
            if known == shape:
                methods[operation.method] = operation
                return
        same_length.append((shape, {operation.method: operation}))
        # Where a literal stands, no parameter is meant: /connections/:send is no connection.
        same_length.sort(key=lambda entry: [part.startswith("{") for part in entry[0]])

    def find(self, method: str, path: str) -> Match:
        """The operation that a request means.

        Args:
            method: HTTP method.
            path: the path as it was sent, without the query.

        Raises:
            RestError: 404 for an unknown path, 405 for another method, 400 for broken
                percent-encoding.
        """
        segments = path.split("/")
        for shape, methods in self._shapes.get(len(segments), ()):
            if not _fits(shape, segments):
                continue
            operation = methods.get(method)
            if operation is None:
                allowed = ", ".join(sorted(methods))
                text = f"This path takes {allowed}."
                raise RestError(405, text, headers={"Allow": allowed})
            return Match(operation, _values(shape, segments))
        raise RestError(404, "There is no such operation.")


def _fits(shape: tuple[str, ...], segments: list[str]) -> bool:
    return all(
        _may_be_value(segment) if part.startswith("{") else part == segment
        for part, segment in zip(shape, segments, strict=True)
    )


def _may_be_value(segment: str) -> bool:
    # A colon in front is an action, unless it is encoded. Dot segments name no thing: clients
    # and proxies resolve them before they send, so whoever sends them plays tricks.
    return bool(segment) and segment[0] != ":" and unquote(segment) not in (".", "..")


def _values(shape: tuple[str, ...], segments: list[str]) -> dict[str, str]:
    try:
        return {
            part[1:-1]: _decoded(segment)
            for part, segment in zip(shape, segments, strict=True)
            if part.startswith("{")
        }
    except UnicodeDecodeError:
        raise RestError(400, "The path is not percent-encoded UTF-8.") from None


def _decoded(segment: str) -> str:
    """A value of a path. An encoded slash stays as it is: `%2F`, not `/`.

    Source: Microsoft's emulator (Azure/azure-webpubsub, tools/emulator, SUPPORTED_FEATURES.md,
    "User IDs in REST URLs"): `tenant%2Falice` is `tenant%2Falice`, and so is `tenant%252Falice`.
    """
    parts = _SLASH.split(segment)
    return "".join(
        part if _SLASH.fullmatch(part) else unquote(part, errors="strict") for part in parts
    )
