"""A hub of the service: its connections, groups and users, and sending to them.

It knows neither HTTP nor sockets. The client side uses it for what clients ask for
(`requests.dispatcher`), the server side for what application servers ask for (`rest.calls`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ..errors import LimitError
from ..protocol.codec import Codec
from ..protocol.messages import Message, Payload
from .connection import (
    CallLater,
    Connection,
    Identity,
    Limits,
    ReliableConnection,
    new_connection_id,
)
from .delivery import Delivery
from .observers import Observers

Ended = Callable[[Connection, str], None]


class Hub:
    """One hub and everything that is connected to it.

    Args:
        name: in lower case; the names of hubs are compared without regard to case.
        limits: what sessions may keep, and for how long.
        on_ended: called with a connection and a reason when a connection is over.
        observers: called for what happens; those of all hubs of a service.
        call_later: sets the timers of sessions that wait for their client; None when they wait
            until `ReliableConnection.expire` is called.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        on_ended: Ended | None = None,
        observers: Observers | None = None,
        call_later: CallLater | None = None,
    ) -> None:
        self.name = name
        self.observers = Observers() if observers is None else observers
        self.connections: dict[str, Connection] = {}
        self._limits = limits
        self._call_later = call_later
        self._groups: dict[str, dict[Connection, None]] = {}
        self._users: dict[str, dict[Connection, None]] = {}
        self._on_ended = on_ended

    # -- connections -----------------------------------------------------------------------

    def connect(
        self,
        codec: Codec,
        identity: Identity,
        protocol_name: str | None = None,
        connection_id: str | None = None,
    ) -> Connection:
        """Register a new connection; it gets its WebSocket later.

        Args:
            codec: the protocol that it speaks.
            identity: user id, roles and groups.
            protocol_name: negotiated subprotocol, custom ones included.
            connection_id: None for a new one.

        Raises:
            RoleError: the roles of the identity break a limit.
            LimitError: it has more groups than a connection may be in.
        """
        if len(identity.groups) > self._limits.groups:
            raise self._too_many_groups()
        connection: Connection
        connection_id = connection_id or new_connection_id()
        if codec.reliable:
            connection = ReliableConnection(
                self.name,
                codec,
                identity,
                protocol_name,
                self._ended,
                connection_id,
                self._limits,
                self._call_later,
            )
        else:
            connection = Connection(
                self.name, codec, identity, protocol_name, self._ended, connection_id
            )
        self.connections[connection.id] = connection
        if connection.user_id:
            self._users.setdefault(connection.user_id, {})[connection] = None
        self.observers.connected(connection)
        for group in identity.groups:
            self.join(connection, group)
        return connection

    def _ended(self, connection: Connection, reason: str) -> None:
        self.connections.pop(connection.id, None)
        for group in tuple(connection.groups):
            self.leave(connection, group)
        if connection.user_id:
            _discard(self._users, connection.user_id, connection)
        self.observers.disconnected(connection, reason)
        if self._on_ended is not None:
            self._on_ended(connection, reason)

    @property
    def groups(self) -> Collection[str]:
        """The groups that have members."""
        return self._groups.keys()

    @property
    def users(self) -> Collection[str]:
        """The ids of the users that are connected."""
        return self._users.keys()

    def connections_of_user(self, user_id: str) -> Collection[Connection]:
        """All connections of a user, detached sessions included."""
        return tuple(self._users.get(user_id, ()))

    # -- groups ----------------------------------------------------------------------------

    def members(self, group: str) -> Collection[Connection]:
        """All members of a group, detached sessions included."""
        return tuple(self._groups.get(group, ()))

    def join(self, connection: Connection, group: str) -> None:
        """Make a connection a member of a group; repeating it changes nothing.

        Raises:
            LimitError: it is in as many groups as a connection may be.
        """
        if group not in connection.groups and len(connection.groups) >= self._limits.groups:
            raise self._too_many_groups()
        if not connection.ended:
            self.observers.joins(connection, group)
            connection.groups.add(group)
            self._groups.setdefault(group, {})[connection] = None

    def check_group_limit(self, connection: Connection, groups: Collection[str]) -> None:
        """Make sure that a connection may join all of these groups.

        Raises:
            LimitError: it would be in more than a connection may be.
        """
        if len(connection.groups.union(groups)) > self._limits.groups:
            raise self._too_many_groups()

    def _too_many_groups(self) -> LimitError:
        return LimitError(
            f"a connection is in at most {self._limits.groups} groups "
            "(service.limits.groups_per_connection)"
        )

    def leave(self, connection: Connection, group: str) -> None:
        """End a membership, if there is one."""
        self.observers.leaves(connection, group)
        connection.groups.discard(group)
        _discard(self._groups, group, connection)

    # -- sending ---------------------------------------------------------------------------

    def send_to_group(
        self,
        group: str,
        payload: Payload,
        *,
        sender: Connection | None = None,
        no_echo: bool = False,
    ) -> None:
        """Publish to a group.

        Args:
            group: any name; without members nobody gets the message.
            payload: the content.
            sender: the publishing client; None when the application server sends.
            no_echo: whether the sender does not get its own message.
        """
        message = Message(payload, group, sender.user_id if sender is not None else None)
        receivers = self.members(group)
        if no_echo:
            receivers = [connection for connection in receivers if connection is not sender]
        self.deliver(message, receivers, sender)

    def send_to_all(self, payload: Payload) -> None:
        """Send a server message to every connection of the hub."""
        self.deliver(Message(payload), self.connections.values())

    def send_to_user(self, user_id: str, payload: Payload) -> None:
        """Send a server message to every connection of a user."""
        self.deliver(Message(payload), self.connections_of_user(user_id))

    def send_to_connection(self, connection_id: str, payload: Payload) -> None:
        """Send a server message to one connection, if it exists."""
        connection = self.connections.get(connection_id)
        if connection is not None:
            self.deliver(Message(payload), (connection,))

    def deliver(
        self,
        message: Message,
        receivers: Iterable[Connection],
        sender: Connection | None = None,
        time_to_live: float | None = None,
    ) -> None:
        """Send one message to connections; one that cannot keep up may end meanwhile.

        Args:
            message: a group message or a server message.
            receivers: who gets it.
            sender: the client that published it; None for the application server.
            time_to_live: seconds after which a session that waits for its client drops it;
                None for never.
        """
        receivers = tuple(receivers)
        delivery = Delivery(message, time_to_live)
        self.observers.sent(self.name, message, receivers, sender)
        for connection in receivers:
            connection.deliver(delivery)

    def close(self, connections: Iterable[Connection], code: int, reason: str) -> None:
        """End connections, each with a `disconnected` message and a Close frame.

        Args:
            connections: which.
            code: close code, RFC 6455 section 7.4.
            reason: for the client, and for the `disconnected` event.
        """
        for connection in tuple(connections):
            connection.close(code, reason)


def _discard(index: dict[str, dict[Connection, None]], name: str, connection: Connection) -> None:
    members = index.get(name)
    if members is not None:
        members.pop(connection, None)
        if not members:
            del index[name]
