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
    """What the headers of a call, or of a handler's answer, say.

    Header names have no case, and proxies lower them: so names are in lower case. Of a name that
    is there more than once the last value counts, and of a list with commas its last entry.
    Source: Microsoft's emulator (Azure/azure-webpubsub, tools/emulator), GetMetadata of
    WebPubSubEmulatorController.cs and of UpstreamEventDispatcher.cs.

    Raises:
        ValueError: they break the rules.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower.startswith(HEADER) and lower != HEADER:
            found[lower[len(HEADER) :]] = value.rpartition(",")[2].strip()
    return checked(found.items())


def to_headers(metadata: Metadata) -> dict[str, str]:
    """The headers of an event for its handler; of names that differ in case, the last counts."""
    return {HEADER + name.lower(): value for name, value in metadata}
