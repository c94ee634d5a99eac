"""What hubs, groups and events may be called (client protocol, sections Endpoints and Limits)."""

from __future__ import annotations

import re

from micropython_webpubsub.names import is_hub_name

__all__ = [
    "OTHER_CLIENTS",
    "is_event_name",
    "is_group_name",
    "is_header_value",
    "is_hub_name",
    "is_user_id",
    "not_served",
]

_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_MAX_GROUP = 1024
# Azure's own limit is not published. It travels in a header, which has to have an end.
_MAX_USER_ID = 1024


# Kinds of clients that Azure has besides those of WebSocket subprotocols, by their paths.
OTHER_CLIENTS = {"mqtt": "MQTT", "socketio": "Socket.IO"}


def not_served(kind: str) -> str:
    """What is said to clients of `OTHER_CLIENTS`, and to servers that want tokens for them."""
    return (
        f"{OTHER_CLIENTS[kind]} is not served here: use a WebSocket client at /client/hubs/HUB, "
        "or try this one on Azure Web PubSub."
    )


def is_event_name(name: str) -> bool:
    """Whether a user event may have this name."""
    return _EVENT.fullmatch(name) is not None


def is_group_name(name: str) -> bool:
    """Whether a group may have this name: 1 to 1024 characters, not all white space."""
    return len(name) <= _MAX_GROUP and bool(name.strip())


def is_header_value(text: str) -> bool:
    """Whether a text can travel in a header: no control characters, no half characters."""
    return not any(
        ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 or character == "\x7f"
        for character in text
    )


def is_user_id(user_id: str) -> bool:
    """Whether a user id is short enough and can travel in the header of an event."""
    return len(user_id) <= _MAX_USER_ID and is_header_value(user_id)
