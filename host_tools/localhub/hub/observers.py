"""Whoever looks on: told what happens in a hub, and unable to change it.

A hub keeps a list of its observers, which is empty unless somebody looks. Then a message costs
one look at an empty list, however many receivers it has.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..protocol.messages import AckError, Message, SendEvent
    from .connection import Connection


class HubObserver(Protocol):
    """Looks on. It is called in the middle of things: it must be quick, and must not raise."""

    def connected(self, connection: Connection) -> None:
        """A connection is registered; it has no link yet."""

    def disconnected(self, connection: Connection, reason: str) -> None:
        """A connection is over, session included."""

    def joins(self, connection: Connection, group: str) -> None:
        """A connection becomes a member of a group, or is one already."""

    def leaves(self, connection: Connection, group: str) -> None:
        """A connection stops being a member of a group, if it is one."""

    def sent(
        self,
        hub_name: str,
        message: Message,
        receivers: Collection[Connection],
        sender: Connection | None,
    ) -> None:
        """A message goes to connections.

        Args:
            hub_name: the hub, in lower case.
            message: a group message or a server message.
            receivers: who gets it; maybe nobody.
            sender: the client that published it; None for the application server.
        """

    def event(self, connection: Connection, request: SendEvent) -> None:
        """A client sends an event to the application server."""

    def refused(self, connection: Connection, error: AckError) -> None:
        """A request of a client is not executed."""
