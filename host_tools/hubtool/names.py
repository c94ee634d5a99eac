"""Names that the service knows: hubs and roles.

Source: Azure Web PubSub, client access tokens and permissions.
"""

from __future__ import annotations

import re

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
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
    if not _HUB_NAME.fullmatch(value):
        bad = sorted(set(re.sub(r"[A-Za-z0-9_`,.\[\]]", "", value)))
        if bad:
            why = f"has {' '.join(map(repr, bad))}"
        elif len(value) > 128:
            why = "is too long"
        else:
            why = "does not begin with a letter"
        raise ValueError(
            f"'{value[:140]}' is no hub name: it {why}: use 1 to 128 letters, digits and "
            "_ ` , . [ ], a letter first"
        )
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
