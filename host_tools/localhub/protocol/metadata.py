"""Metadata of a message: a few short texts by name, which travel beside its content.

The rules are those of the client protocol, section 5: ASCII, names of HTTP token characters (RFC
9110 section 5.6.2) up to 256 bytes, values up to 1,024, 8 KiB altogether.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Metadata = tuple[tuple[str, str], ...]

HEADER = "x-webpubsub-metadata-"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
# It travels in headers, so it must not end one.
_VALUE = re.compile(r"[\t\x20-\x7e]{0,1024}")
_MAX_TOTAL = 8 * 1024


def checked(items: Iterable[tuple[str, str]]) -> Metadata:
    """Names and values, if they keep to the rules.

    Raises:
        ValueError: they do not; the text is one sentence without an end.
    """
    metadata = tuple(items)
    for name, value in metadata:
        if not _NAME.fullmatch(name):
            raise ValueError("metadata names have 1 to 256 characters of an HTTP token")
        if not _VALUE.fullmatch(value):
            raise ValueError("metadata values have up to 1024 characters of printable ASCII")
    if sum(len(name) + len(value) for name, value in metadata) > _MAX_TOTAL:
        raise ValueError("metadata has at most 8 KiB")
    return metadata


def from_headers(headers: Iterable[tuple[str, str]]) -> Metadata:
    """What the headers of a call say, names as they were written.

    Raises:
        ValueError: they break the rules, or a name is there twice.
    """
    found = [
        (name[len(HEADER) :], value)
        for name, value in headers
        if name.lower().startswith(HEADER) and len(name) > len(HEADER)
    ]
    if len({name.lower() for name, _ in found}) != len(found):
        raise ValueError("metadata has a name twice")
    return checked(found)


def to_headers(metadata: Metadata) -> dict[str, str]:
    """The headers of an event for its handler."""
    return {HEADER + name: value for name, value in metadata}
