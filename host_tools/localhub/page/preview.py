"""The beginning of a message as text: bounded, and without tokens and keys."""

from __future__ import annotations

import re

from ..protocol.messages import DataKind, Payload

MAX_TEXT = 512
MAX_BINARY = 48
MAX_NAME = 128
# What is looked at before it is cut, so that half a token at the end is still known as one.
_WINDOW = 4 * MAX_TEXT
_HIDDEN = "…"
_SECRETS = re.compile(
    r"(?P<name>(?:access_token|awps_reconnection_token)(?:=|%3[Dd])|AccessKey\s*=\s*)"
    r"[^&;\s\"'\\]+"
    # A JWT: its header is JSON in base64url, so it begins with {" there.
    r"|eyJ[\w-]{8,}(?:\.[\w-]*){1,2}|eyJ[\w-]{8,}$"
)


def without_secrets(text: str) -> str:
    """A text with tokens and keys replaced by dots."""
    if "eyJ" not in text and "=" not in text and "%3" not in text:
        return text
    return _SECRETS.sub(lambda found: (found["name"] or "") + _HIDDEN, text)


def short(text: str, limit: int = MAX_NAME) -> str:
    """A text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def preview(payload: Payload) -> str:
    """At most MAX_TEXT characters of text or JSON; the first MAX_BINARY bytes in hex."""
    if payload.kind in (DataKind.TEXT, DataKind.JSON):
        # The bytes may end within a character.
        text = payload.data[:_WINDOW].decode("utf-8", "ignore")
        return short(without_secrets(text), MAX_TEXT)
    more = " …" if len(payload.data) > MAX_BINARY else ""
    return payload.data[:MAX_BINARY].hex(" ") + more
