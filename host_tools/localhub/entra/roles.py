"""Role definitions, and what assignments of them allow (Azure RBAC, data actions only)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PROVIDER = "Microsoft.SignalRService/WebPubSub"


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A role.

    Attributes:
        id: its GUID, in lower case.
        name: as people call it; case does not count.
        data_actions: patterns of what it allows; `*` stands for anything, slashes included.
        not_data_actions: patterns of what it leaves out of these.
    """

    id: str
    name: str
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows(self, data_action: str) -> bool:
        """Whether it holds a data action, written in full."""
        return _any(self.data_actions, data_action) and not _any(
            self.not_data_actions, data_action
        )


# The ids are published in "Azure built-in roles". The last three manage resources only: who has
# them, and nothing else, gets a 403 from the data plane.
BUILT_IN = (
    RoleDefinition(
        "12cf5a90-567b-43ae-8102-96cf46c7d9b4", "Web PubSub Service Owner", (f"{PROVIDER}/*",)
    ),
    RoleDefinition(
        "bfb1c7d2-fb1a-466b-b2ba-aee63b92deaf",
        "Web PubSub Service Reader",
        (f"{PROVIDER}/*/read",),
    ),
    RoleDefinition("8cf5e20a-e4b2-4e9d-b3a1-5ceb692c2761", "SignalR/Web PubSub Contributor"),
    RoleDefinition("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
    RoleDefinition("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
)


def _any(patterns: Iterable[str], data_action: str) -> bool:
    return any(matches(pattern, data_action) for pattern in patterns)


def matches(pattern: str, data_action: str) -> bool:
    """Whether a pattern of a role covers a data action; case does not count."""
    first, *others = pattern.lower().split("*")
    action = data_action.lower()
    if not others:
        return action == first
    *between, last = others
    end = len(action) - len(last)
    if not (action.startswith(first) and action.endswith(last) and len(first) <= end):
        return False
    # The leftmost place is always a right one; a regular expression would try all of them.
    at = len(first)
    for part in between:
        at = action.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


class RoleBook:
    """The roles that exist, found by name or id."""

    def __init__(self, custom: Iterable[RoleDefinition] = ()) -> None:
        self._roles: dict[str, RoleDefinition] = {}
        for role in (*BUILT_IN, *custom):
            self._roles[role.id] = self._roles[role.name.lower()] = role

    def find(self, text: str) -> RoleDefinition:
        """A role by its name, its GUID, or the resource id of its definition.

        Raises:
            ValueError: there is none; the text names those that exist.
        """
        role = self._roles.get(text.lower()) or self._roles.get(text.lower().rpartition("/")[2])
        if role is None:
            known = sorted({role.name for role in self._roles.values()})
            raise ValueError(f"no role '{text[:100]}': there are {', '.join(known)}")
        return role


class Grants:
    """What the principals may do on this resource.

    Args:
        roles: by object id of the principal, in lower case: the roles that reach the resource.
    """

    def __init__(self, roles: Mapping[str, Iterable[RoleDefinition]]) -> None:
        self._roles = {principal: tuple(held) for principal, held in roles.items()}

    def may(self, object_id: str, data_action: str) -> bool:
        """Whether one of a principal's roles allows a data action.

        Args:
            object_id: of the principal.
            data_action: without `Microsoft.SignalRService/WebPubSub/`.
        """
        held = self._roles.get(object_id.lower(), ())
        return any(role.allows(f"{PROVIDER}/{data_action}") for role in held)
