"""Observers of hubs: they are called for what happens in a hub, and cannot change it.

The page records with one, and tests count with them. Without any, a message costs one look at an
empty list, however many receivers it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Protocol

from ..protocol.messages import AckError, Message, SendEvent
from .connection import Connection


class HubObserver(Protocol):
    """What a hub calls. The calls come in the middle of its work: they must be quick, and must
    not raise. All do nothing unless they are overridden."""

    def connected(self, connection: Connection) -> None:
        """A connection is registered; it has no WebSocket yet."""

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


class Observers(HubObserver):
    """Any number of observers, called as one: hubs have no loops of their own over them."""

    def __init__(self) -> None:
        self._observers: list[HubObserver] = []

    def __len__(self) -> int:
        return len(self._observers)

    def __iter__(self) -> Iterator[HubObserver]:
        return iter(tuple(self._observers))

    def add(self, observer: HubObserver) -> None:
        """Call it from now on."""
        self._observers.append(observer)

    def remove(self, observer: HubObserver) -> None:
        """Call it no longer.

        Raises:
            ValueError: it was not added.
        """
        self._observers.remove(observer)

    def _call(self, method: str, *arguments: Any) -> None:
        for observer in self:
            getattr(observer, method)(*arguments)

    def connected(self, connection: Connection) -> None:
        """See HubObserver."""
        self._call("connected", connection)

    def disconnected(self, connection: Connection, reason: str) -> None:
        """See HubObserver."""
        self._call("disconnected", connection, reason)

    def joins(self, connection: Connection, group: str) -> None:
        """See HubObserver."""
        self._call("joins", connection, group)

    def leaves(self, connection: Connection, group: str) -> None:
        """See HubObserver."""
        self._call("leaves", connection, group)

    def sent(
        self,
        hub_name: str,
        message: Message,
        receivers: Collection[Connection],
        sender: Connection | None,
    ) -> None:
        """See HubObserver."""
        self._call("sent", hub_name, message, receivers, sender)

    def event(self, connection: Connection, request: SendEvent) -> None:
        """See HubObserver."""
        self._call("event", connection, request)

    def refused(self, connection: Connection, error: AckError) -> None:
        """See HubObserver."""
        self._call("refused", connection, error)
