r"""Group patterns of roles: `?` one character except `.`, `*` a run without `.`, `**` any run.

A backslash escapes `\`, `*` and `?`. The matcher tracks all states of the pattern at once in the
bits of one integer. A regular expression would do as well but for one thing: the group name
comes from a client, and `*a*a*a*a*b` makes a backtracking matcher take minutes.
"""

from __future__ import annotations

from ..errors import RoleError

MAX_LENGTH = 1024
MAX_STARS = 5


class GroupPattern:
    """One compiled pattern.

    Args:
        pattern: the text of the pattern, without the role name in front.

    Raises:
        RoleError: too long, too many `*`, or an escape of something that needs none.
    """

    __slots__ = ("_any", "_end", "_literals", "_no_dot", "_one", "_stars", "text")

    def __init__(self, pattern: str) -> None:
        if not pattern or len(pattern) > MAX_LENGTH:
            raise RoleError(f"a group pattern has 1 to {MAX_LENGTH} characters")
        self.text = pattern
        self._literals: dict[str, int] = {}
        self._one = self._no_dot = self._any = 0
        self._stars: list[int] = []
        stars = position = index = 0
        while index < len(pattern):
            character = pattern[index]
            state = 1 << position
            if character == "*":
                width = 2 if pattern.startswith("**", index) else 1
                if width == 2:
                    self._any |= state
                else:
                    self._no_dot |= state
                self._stars.append(state)
                stars += width
                index += width - 1
            elif character == "?":
                self._one |= state
            else:
                if character == "\\":
                    index += 1
                    character = pattern[index : index + 1]
                    if character not in ("\\", "*", "?"):
                        raise RoleError(
                            rf"group pattern '{pattern}': '\' escapes only '\', '*' and '?'"
                        )
                self._literals[character] = self._literals.get(character, 0) | state
            index += 1
            position += 1
        if stars > MAX_STARS:
            raise RoleError(f"group pattern '{pattern}': at most {MAX_STARS} '*'")
        self._end = 1 << position

    def _skip_stars(self, states: int) -> int:
        """Add the states that are reached because a star may stand for nothing."""
        for star in self._stars:
            if states & star:
                states |= star << 1
        return states

    def matches(self, group: str) -> bool:
        """Whether the pattern covers all of a group name; takes time linear in its length."""
        states = self._skip_stars(1)
        for character in group:
            step = self._literals.get(character, 0)
            stay = self._any
            if character != ".":
                step |= self._one
                stay |= self._no_dot
            states = self._skip_stars((states & step) << 1 | states & stay)
            if not states:
                return False
        return bool(states & self._end)
