"""Names that the service knows: hubs and roles.

Source: Azure Web PubSub, client access tokens and permissions.
"""

from __future__ import annotations

from micropython_webpubsub.names import HUB_NAME_LIMIT, is_hub_name, not_in_hub_names

_ROLES = (
    "webpubsub.joinLeaveGroup",
    "webpubsub.sendToGroup",
    "webpubsub.joinLeaveGroups",
    "webpubsub.sendToGroups",
)


def check_hub_name(value: str) -> str:
    """Give a hub name back.

    Raises:
        ValueError: it is none; the text names what is wrong.
    """
    if not is_hub_name(value):
        bad = not_in_hub_names(value)
        if bad:
            why = f"has {' '.join(map(repr, bad))}"
        elif len(value) > HUB_NAME_LIMIT:
            why = "is too long"
        else:
            why = "does not begin with a letter"
        raise ValueError(
            f"'{value[:140]}' is no hub name: it {why}: use 1 to {HUB_NAME_LIMIT} letters, digits "
            "and _ ` , . [ ], a letter first"
        )
    return value


def check_identity(value: str) -> str:
    """Give the id of a device or user back.

    Raises:
        ValueError: it is blank, or has characters that do not show, such as the carriage return of
            a list from Windows: a board would be somebody else than it seems.
    """
    if not value.strip():
        raise ValueError("an id is not blank: is the variable that it comes from set?")
    if not value.isprintable():
        raise ValueError(f"{value[:140]!r} has characters that do not show: leave them out")
    return value


def check_role(value: str) -> str:
    """Give a role back.

    Raises:
        ValueError: the service does not know it, and would silently ignore it.
    """
    if not any(value == known or value.startswith(known + ".") for known in _ROLES):
        raise ValueError(
            f"'{value}' is no role, and the service would ignore it: use {', '.join(_ROLES)}, "
            "the first two also with '.GROUP', the others with '.PATTERN'"
        )
    return value
