"""Scopes of role assignments: management group, subscription, resource group, resource."""

from __future__ import annotations

import re
from collections.abc import Iterable

DEFAULT_RESOURCE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.SignalRService/WebPubSub/localhub"
)
_NAME = r"[^/]+"
_GROUP = rf"/providers/microsoft\.management/managementgroups/{_NAME}"
_SUBSCRIPTION = rf"/subscriptions/{_NAME}"
_RESOURCE_GROUP = rf"{_SUBSCRIPTION}/resourcegroups/{_NAME}"
_RESOURCE = rf"{_RESOURCE_GROUP}/providers/{_NAME}/{_NAME}/{_NAME}"
_WEB_PUBSUB = rf"{_RESOURCE_GROUP}/providers/microsoft\.signalrservice/webpubsub/{_NAME}"
_SCOPE = re.compile(rf"/|{_GROUP}|{_SUBSCRIPTION}|{_RESOURCE_GROUP}|{_RESOURCE}")
_RESOURCE_ID = re.compile(_WEB_PUBSUB)


def parse_scope(text: str) -> str:
    """A scope in the form in which scopes are compared: lower case, no slash at the end.

    Raises:
        ValueError: it is no scope; the text says how to write one.
    """
    scope = "/" if text == "/" else text.lower().rstrip("/")
    if _SCOPE.fullmatch(scope) is None:
        raise ValueError(
            "a scope is /subscriptions/ID, /subscriptions/ID/resourceGroups/NAME, a resource's "
            "id, or /providers/Microsoft.Management/managementGroups/NAME"
        )
    return scope


def check_resource_id(text: str) -> str:
    """Give the id of a Web PubSub resource back.

    Raises:
        ValueError: it is none.
    """
    if _RESOURCE_ID.fullmatch(text.lower()) is None:
        raise ValueError(f"write it as {DEFAULT_RESOURCE_ID}")
    return text


def management_group(name: str) -> str:
    """The scope of a management group."""
    return parse_scope(f"/providers/Microsoft.Management/managementGroups/{name}")


def is_group(scope: str) -> bool:
    """Whether a parsed scope is a management group."""
    return re.fullmatch(_GROUP, scope) is not None


def scopes_above(resource_id: str, management_groups: Iterable[str]) -> frozenset[str]:
    """All scopes whose assignments a resource inherits, its own included.

    Args:
        resource_id: of the Web PubSub resource.
        management_groups: names of those that hold its subscription, directly or not.
    """
    resource = parse_scope(resource_id)
    parts = resource.split("/")
    subscription, resource_group = "/".join(parts[:3]), "/".join(parts[:5])
    groups = map(management_group, management_groups)
    return frozenset({"/", *groups, subscription, resource_group, resource})


def contains(outer: str, inner: str) -> bool:
    """Whether one parsed scope lies in another, as far as their names tell.

    A subscription's management groups are not in its name.
    """
    return outer in ("/", inner) or inner.startswith(outer + "/")
