"""For tests: see who is connected, speak as the application server, and make things go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .auth.keys import AccessKeys, KeyName
from .faults import ActiveFault
from .faults.commands import FaultCommands
from .hub.connection import Connection, ReliableConnection
from .hub.hub import Hub
from .hub.observers import HubObserver
from .key_store import KeyStore
from .protocol.messages import DataKind, Payload
from .runtime import Connections, Hubs
from .transport.websocket import ServerWebSocket

if TYPE_CHECKING:
    from .entra.directory import Directory


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """One connection, as it is now.

    Attributes:
        id: connection id.
        hub: its hub, in lower case.
        user_id: None when it has none.
        subprotocol: negotiated subprotocol, or None.
        groups: the groups that it is a member of.
        detached: whether it is a session that waits for its client to come back.
        connected_at: seconds since 1970.
        unacknowledged: how many messages a reliable connection keeps until its client
            acknowledges them; 0 for others.
    """

    id: str
    hub: str
    user_id: str | None
    subprotocol: str | None
    groups: frozenset[str]
    detached: bool
    connected_at: float
    unacknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What a service has in memory at one moment; tests look here whether anything grows.

    Attributes:
        hubs: names of the hubs that are in use, in lower case.
        connections: what counts against `service.limits.connections`: client connections, those
            whose connect handler is being asked, and sessions that wait for their client.
        websockets: WebSockets with a transport, those of rejected recoveries included.
        http_connections: TCP connections that are not, or not yet, WebSockets.
        unsent_bytes: bytes that wait in their transports.
        partial_messages: WebSockets that have buffered a large part of a message.
        partial_message_bytes: how many bytes these are.
        pending_events: events that wait for an event handler, or that one is being asked about.
        observers: observers of the hubs; an open page is one.
        stream_timers: timers that end streams which fall silent; one for each publisher.
        validations: answers of event handlers to validations that are remembered.
    """

    hubs: tuple[str, ...]
    connections: int
    websockets: int
    http_connections: int
    unsent_bytes: int
    partial_messages: int
    partial_message_bytes: int
    pending_events: int
    observers: int
    stream_timers: int
    validations: int


class Control:
    """Commands to a running service. They raise LookupError for an unknown connection.

    Args:
        hubs: the hubs.
        faults: makes things go wrong.
        key_store: the access keys.
        count: makes `counters`.
        directory: Microsoft Entra ID; None where it is not configured.
    """

    def __init__(
        self,
        hubs: Hubs,
        faults: FaultCommands,
        key_store: KeyStore,
        count: Callable[[], Counters],
        directory: Directory | None = None,
    ) -> None:
        self._hubs = hubs
        self._connections = Connections(hubs)
        self._faults = faults
        self._key_store = key_store
        self._count = count
        self._directory = directory
        self._refusals: ActiveFault | None = None
        self._lost_acks: ActiveFault | None = None

    # -- seeing ----------------------------------------------------------------------------

    def connections(self, hub_name: str | None = None) -> list[ConnectionInfo]:
        """All connections, detached sessions included; of one hub, or of all when None."""
        return [
            _info(connection)
            for runtime in self._hubs
            if hub_name is None or runtime.hub.name == hub_name.lower()
            for connection in runtime.hub.connections.values()
        ]

    def _find(self, connection_id: str) -> Connection:
        connection = self._connections.find(connection_id)
        if connection is None:
            raise LookupError(f"no connection '{connection_id}'")
        return connection

    @property
    def counters(self) -> Counters:
        """What the service has in memory now."""
        return self._count()

    def hub(self, name: str) -> Hub:
        """A hub itself: its connections, groups and users. It is created when it is not in use.

        Args:
            name: in any spelling.
        """
        return self._hubs.get(name).hub

    @property
    def observers(self) -> tuple[HubObserver, ...]:
        """The observers of all hubs: those of `observe`, and the page's while one is open."""
        return tuple(self._hubs.observers)

    def observe(self, observer: HubObserver) -> None:
        """Call an observer for what happens in any hub, until `stop_observing`."""
        self._hubs.observers.add(observer)

    def stop_observing(self, observer: HubObserver) -> None:
        """Call an observer no longer.

        Raises:
            ValueError: it was not observing.
        """
        self._hubs.observers.remove(observer)

    # -- speaking --------------------------------------------------------------------------

    def send(
        self,
        hub_name: str,
        content: Any,
        *,
        group: str | None = None,
        user_id: str | None = None,
        connection_id: str | None = None,
    ) -> None:
        """Send as the application server would.

        Args:
            hub_name: the hub.
            content: bytes go as binary, str as text, everything else as JSON.
            group: publish to a group.
            user_id: send to all connections of a user.
            connection_id: send to one connection. Without any of the three: to all.
        """
        hub = self._hubs.get(hub_name).hub
        payload = _payload(content)
        if group is not None:
            hub.send_to_group(group, payload)
        elif user_id is not None:
            hub.send_to_user(user_id, payload)
        elif connection_id is not None:
            hub.send_to_connection(connection_id, payload)
        else:
            hub.send_to_all(payload)

    def close(self, connection_id: str, reason: str = "", code: int = 1000) -> None:
        """Close a connection as the service does: for good, with a `disconnected` frame."""
        self._find(connection_id).close(code, reason)

    # -- keys ------------------------------------------------------------------------------

    @property
    def keys(self) -> AccessKeys:
        """The access keys, and the key that signs what `:generateToken` makes. Secrets."""
        return self._key_store.keys

    @property
    def directory(self) -> Directory | None:
        """Microsoft Entra ID as the service uses it; None where it is not configured."""
        return self._directory

    def rotate_key(self, which: KeyName) -> None:
        """Replace the `primary` or the `secondary` access key by a new one.

        Connections that live go on; new ones and calls need a token of either present key. The
        new key is in `LocalHub.connection_string` or `secondary_connection_string`.

        Raises:
            ValueError: there is no key of that name.
            ConfigError: the state file cannot be written; nothing has changed.
        """
        self._key_store.rotate(which)

    # -- the most common faults; `LocalHub.faults` has them all ----------------------------

    def drop(self, connection_id: str, how: Literal["rst", "fin"] = "rst") -> None:
        """Lose a connection's socket without a Close frame; a reliable session stays.

        Args:
            connection_id: whose.
            how: "rst" for a TCP reset, "fin" for a plain end of the stream.
        """
        websocket = self._find(connection_id).websocket
        if isinstance(websocket, ServerWebSocket):
            websocket.cut(how)

    def expire(self, connection_id: str) -> None:
        """End a session without a word, as if its client had stayed away for too long."""
        self._find(connection_id).drop("Connection recovery timed out.")

    def refuse_upgrades(self, status: int = 503, count: int = 1) -> None:
        """Answer the next upgrades with an HTTP status; 0 upgrades ends it."""
        if self._refusals is not None:
            self._refusals.end()
        self._refusals = self._faults.refuse_upgrades(status, count=count) if count else None

    def withhold_acks(self, count: int = 1) -> None:
        """Execute the next requests, but lose their acks; 0 ends it."""
        if self._lost_acks is not None:
            self._lost_acks.end()
        self._lost_acks = self._faults.drop_acks(count=count) if count else None


def _info(connection: Connection) -> ConnectionInfo:
    session = connection if isinstance(connection, ReliableConnection) else None
    return ConnectionInfo(
        id=connection.id,
        hub=connection.hub_name,
        user_id=connection.user_id,
        subprotocol=connection.protocol_name,
        groups=frozenset(connection.groups),
        detached=session is not None and session.detached,
        connected_at=connection.connected_at,
        unacknowledged=0 if session is None else session.unacknowledged,
    )


def _payload(content: Any) -> Payload:
    if isinstance(content, (bytes, bytearray)):
        return Payload(DataKind.BINARY, bytes(content))
    if isinstance(content, str):
        return Payload(DataKind.TEXT, content.encode())
    return Payload(DataKind.JSON, json.dumps(content, separators=(",", ":")).encode())
