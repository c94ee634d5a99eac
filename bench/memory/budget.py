"""What each program may need: the goals, and what holds until they are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# A figure may be so much above what it is held to.
SLACK = 0.05


@dataclass(frozen=True)
class Limit:
    """Of one figure.

    Attributes:
        goal: bytes, or a count; None where there is none.
        today: what it is, when that is what it is held to: while it is above the goal by more than
            the slack, and where so much less has been reached that the goal would let much creep
            in again. None when the goal is what it is held to.
        before: of version 0.1.0, in words.
    """

    goal: int | None
    today: int | None = None
    before: str = ""

    @property
    def held(self) -> int | None:
        """The most that a test lets pass; None for a figure that is only shown."""
        basis = self.today if self.today is not None else self.goal
        return None if basis is None else int(basis * (1 + SLACK))


# Figures that an outage is in.
_AFTER = ("recovering", "last")


@dataclass(frozen=True)
class Budget:
    """Of one program.

    Attributes:
        title: what it is.
        limits: by the name of the figure in `programs.Result`.
        returns: whether it comes back after an outage each time; otherwise what was measured from
            then on is shown and held to nothing.
    """

    title: str
    limits: Mapping[str, Limit]
    returns: bool = True

    def held(self) -> dict[str, int]:
        """The most that a test lets pass, by figure."""
        return {
            figure: limit.held
            for figure, limit in self.limits.items()
            if limit.held is not None and (self.returns or figure not in _AFTER)
        }


_BEFORE = "800 to 900"

BUDGETS = {
    "websocket": Budget(
        "WebSocket alone, connected over ws, two buffers",
        {
            "idle": Limit(30000, 26900, before="about 42,000"),
            "connecting": Limit(56000, 31400),
            "last": Limit(56000),
            "names": Limit(300, 96),
        },
    ),
    "client": Budget(
        "client with a token over verified wss, connected",
        {
            "idle": Limit(48000, 46900, before="68,640"),
            "connecting": Limit(56000, 52000, before="above 56,000"),
            "recovering": Limit(56000),
            "last": Limit(56000, before="112,000"),
            "names": Limit(300, 162, before="some 600"),
        },
    ),
    "firmware": Budget(
        "firmware with telemetry over verified wss, connected",
        {
            "idle": Limit(74000, 67000, before="does not get there"),
            "connecting": Limit(82000, 74800),
            "recovering": Limit(82000, 75200),
            "last": Limit(105000),
            "names": Limit(300, 243, _BEFORE),
        },
    ),
    "firmware_with_app": Budget(
        "firmware with an app of 4 KB and an outbox over verified wss, after `report`",
        {
            "idle": Limit(84000, 80300, before="does not get there"),
            "connecting": Limit(None),
            "recovering": Limit(None),
            "last": Limit(105000),
            "names": Limit(300, 278, _BEFORE),
        },
    ),
}
