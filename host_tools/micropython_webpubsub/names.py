"""What the service accepts as the name of a hub, for all host packages.

The device has a copy of the rule (`webpubsub.access_url`), which the tests hold equal to this one.
Source: Azure Web PubSub, "Create WebSocket client URL"; REST API reference, parameter `hub`.
"""

from __future__ import annotations

import re

HUB_NAME_LIMIT = 128  # characters
_HUB_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_`,.\[\]]{{0,{HUB_NAME_LIMIT - 1}}}")
_NOT_IN_HUB_NAMES = re.compile(r"[^A-Za-z0-9_`,.\[\]]")


def is_hub_name(name: str) -> bool:
    """Whether a hub may have this name: a letter, then letters, digits and _ ` , . [ ]."""
    return _HUB_NAME.fullmatch(name) is not None


def not_in_hub_names(name: str) -> list[str]:
    """The characters of a text that no hub name has, each once, sorted."""
    return sorted(set(_NOT_IN_HUB_NAMES.findall(name)))
