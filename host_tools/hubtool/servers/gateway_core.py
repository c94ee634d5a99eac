"""Which connection belongs to whom, and which frames were handed over: the gateway without I/O."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from urllib.parse import quote

# WebSocket clients and servers would take these for a step in the path.
_STEPS = ("", ".", "..")


@dataclass
class Counts:
    """What went over the gateway since its start.

    Attributes:
        opened: connections to central systems.
        refused: devices that a central system did not let in, or that could not reach it.
        to_central, to_device: frames that were handed over.
        dropped: devices that were dropped because a frame could not be handed over.
        replaced: connections that gave way to a newer one of the same identity.
        unknown: connections of which the gateway knew nothing, as after its restart.
    """

    opened: int = 0
    refused: int = 0
    to_central: int = 0
    to_device: int = 0
    dropped: int = 0
    replaced: int = 0
    unknown: int = 0

    def __str__(self) -> str:
        """One line for the log."""
        return (
            f"carried {self.opened:,} connections: {self.to_central:,} frames to central systems, "
            f"{self.to_device:,} to devices; {self.refused:,} refused, "
            f"{self.replaced:,} replaced, {self.dropped:,} dropped, {self.unknown:,} unknown"
        )


class Routes:
    """The connections that are carried, at most one for an identity.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._newest: dict[Hashable, str] = {}
        self._identity: dict[str, Hashable] = {}
        self._last_event: dict[str, str] = {}

    def __contains__(self, connection: str) -> bool:
        return connection in self._identity

    def has_room(self, identity: Hashable) -> bool:
        """Whether one more may come; one that takes the place of an older one always may."""
        return identity in self._newest or len(self._identity) < self._limit

    def enter(self, connection: str, identity: Hashable) -> str | None:
        """Carry a connection, the newest of its identity.

        Returns:
            The connection that gives way and is carried no longer, or None. It is the same one
            when the service asks again about a connection, as it does when the answer was late.
        """
        older = self._newest.get(identity)
        if older is not None:
            self.leave(older)
        self._newest[identity] = connection
        self._identity[connection] = identity
        return older

    def leave(self, connection: str) -> bool:
        """Carry a connection no longer; False when it was not carried."""
        identity = self._identity.pop(connection, None)
        self._last_event.pop(connection, None)
        if identity is None:
            return False
        if self._newest.get(identity) == connection:
            del self._newest[identity]
        return True

    def is_repeat(self, connection: str, event_id: str) -> bool:
        """Whether an event was handed over already: a service repeats what it had no answer to."""
        return bool(event_id) and self._last_event.get(connection) == event_id

    def handed_over(self, connection: str, event_id: str) -> None:
        """Remember the event of a frame that is on its way."""
        if connection in self._identity:
            self._last_event[connection] = event_id


def encoded(value: str) -> str:
    """A value for a segment of a path or for a query, percent-encoded (OCPP-J 1.6, 3.1.1).

    Raises:
        ValueError: it would not stay one segment, or is no text.
    """
    if value in _STEPS:
        raise ValueError("is no name that can stand in a path")
    return quote(value, safe="")


def answer_to(status: int) -> int:
    """The status for the device when a central system answered its handshake with this one.

    401, 403 and 404 tell the device something, as do the other 4xx. 408 is repeated by the
    service, which is no use here. What is no refusal, such as 200 or a redirect, is 502.
    """
    if status == 408:
        return 503
    return status if 400 <= status <= 599 else 502
