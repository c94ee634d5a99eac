"""What a client may do, from the role strings of its token or its connect handler.

Role names and groups are case-sensitive, unknown roles are ignored, and neither right implies
the other (Client Access Tokens, section Role strings).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import RoleError
from .patterns import GroupPattern

JOIN_LEAVE_GROUP = "joinLeaveGroup"
SEND_TO_GROUP = "sendToGroup"

MAX_LITERALS = 1000
MAX_PATTERNS = 10
_PREFIX = "webpubsub."


class Permission:
    """One right of one connection: for every group, for some, or for none."""

    __slots__ = ("_every", "_granted", "_patterns", "_revoked")

    def __init__(self) -> None:
        self._every = False
        self._granted: set[str] = set()
        self._revoked: set[str] = set()
        self._patterns: tuple[GroupPattern, ...] = ()

    def allows(self, group: str) -> bool:
        """Whether the right covers this group. A revocation beats every role."""
        if group in self._revoked:
            return False
        if self._every or group in self._granted:
            return True
        return any(pattern.matches(group) for pattern in self._patterns)

    def allows_all(self) -> bool:
        """Whether the right was given for groups of every name."""
        return self._every

    def suffixes(self, name: str) -> list[str]:
        """The role names, without their common prefix, that amount to this right."""
        if self._every:
            return [name]
        patterns = [f"{name}s.{pattern.text}" for pattern in self._patterns]
        return patterns + [f"{name}.{group}" for group in self._granted]

    def grant(self, group: str | None) -> None:
        """Give the right for one group, or for all of them when None.

        Raises:
            RoleError: more than 1000 groups by name.
        """
        if group is None:
            self._every = True
            self._revoked.clear()
        else:
            if len(self._granted) >= MAX_LITERALS and group not in self._granted:
                raise RoleError(f"at most {MAX_LITERALS} groups by name for one permission")
            self._granted.add(group)
            self._revoked.discard(group)

    def grant_pattern(self, pattern: str) -> None:
        """Give the right for the groups that a pattern covers.

        Raises:
            RoleError: the pattern is malformed, or there are ten already.
        """
        if len(self._patterns) >= MAX_PATTERNS:
            raise RoleError(f"at most {MAX_PATTERNS} group patterns for one permission")
        self._patterns += (GroupPattern(pattern),)

    def revoke(self, group: str | None) -> None:
        """Take the right away for one group, whatever gave it, or entirely when None.

        Raises:
            RoleError: it has been taken away for 1000 groups by name.
        """
        if group is None:
            self._every = False
            self._granted.clear()
            self._revoked.clear()
            self._patterns = ()
        else:
            self._granted.discard(group)
            # A grant by name is gone now; what else could cover the group has to be kept off.
            if self.allows(group):
                if len(self._revoked) >= MAX_LITERALS:
                    raise RoleError(f"at most {MAX_LITERALS} groups by name can be revoked")
                self._revoked.add(group)


# What a connection without the role has; never changed.
_NONE = Permission()


class Permissions:
    """The two rights of one connection.

    Args:
        roles: role strings such as `webpubsub.sendToGroup.telemetry`.

    Raises:
        RoleError: a limit is exceeded, or a pattern is malformed.
    """

    __slots__ = ("_rights",)

    def __init__(self, roles: Iterable[str] = ()) -> None:
        self._rights: dict[str, Permission] = {}
        for role in dict.fromkeys(roles):
            self._add_role(role)

    def _add_role(self, role: str) -> None:
        if not role.startswith(_PREFIX):
            return
        name, dot, target = role[len(_PREFIX) :].partition(".")
        if name in (JOIN_LEAVE_GROUP, SEND_TO_GROUP):
            if not dot:
                self._right(name).grant(None)
            elif target:
                self._right(name).grant(target)
        elif name in (JOIN_LEAVE_GROUP + "s", SEND_TO_GROUP + "s") and dot:
            self._right(name[:-1]).grant_pattern(target)

    def _right(self, name: str) -> Permission:
        return self._rights.setdefault(name, Permission())

    def may_join(self, group: str) -> bool:
        """Whether the client may join and leave this group."""
        return self._rights.get(JOIN_LEAVE_GROUP, _NONE).allows(group)

    def may_send(self, group: str) -> bool:
        """Whether the client may publish to this group."""
        return self._rights.get(SEND_TO_GROUP, _NONE).allows(group)

    def grant(self, permission: str, group: str | None) -> None:
        """Give `joinLeaveGroup` or `sendToGroup`, for one group or for all when None."""
        self._right(permission).grant(group)

    def revoke(self, permission: str, group: str | None) -> None:
        """Take `joinLeaveGroup` or `sendToGroup` away, for one group or entirely when None.

        Raises:
            RoleError: it has been taken away for 1000 groups by name.
        """
        self._right(permission).revoke(group)

    def has(self, permission: str, group: str | None) -> bool:
        """Whether the connection has a permission for one group, or for all when None."""
        right = self._rights.get(permission, _NONE)
        return right.allows_all() if group is None else right.allows(group)

    def roles(self) -> list[str]:
        """The role strings that amount to these rights, without regard to revocations."""
        rights = self._rights.items()
        return [_PREFIX + suffix for name, right in rights for suffix in right.suffixes(name)]
