"""For tests: see who is connected, speak as the application server, and make things go wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from .auth.keys import KeyName
from .faults import ActiveFault
from .faults.commands import FaultCommands
from .hub.connection import Connection, ReliableConnection
from .hub.observers import HubObserver
from .key_store import KeyStore
from .protocol.messages import DataKind, Payload
from .runtime import Connections, Hubs
from .transport.websocket import WebSocketLink


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
    """

    id: str
    hub: str
    user_id: str | None
    subprotocol: str | None
    groups: frozenset[str]
    detached: bool
    connected_at: float


class Control:
    """Commands to a running service. They raise LookupError for an unknown connection."""

    def __init__(self, hubs: Hubs, faults: FaultCommands, key_store: KeyStore) -> None:
        self._hubs = hubs
        self._connections = Connections(hubs)
        self._faults = faults
        self._key_store = key_store
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
        link = self._find(connection_id).link
        if isinstance(link, WebSocketLink):
            link.cut(how)

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
    return ConnectionInfo(
        id=connection.id,
        hub=connection.hub_name,
        user_id=connection.user_id,
        subprotocol=connection.protocol_name,
        groups=frozenset(connection.groups),
        detached=isinstance(connection, ReliableConnection) and connection.detached,
        connected_at=connection.connected_at,
    )


def _payload(content: Any) -> Payload:
    if isinstance(content, (bytes, bytearray)):
        return Payload(DataKind.BINARY, bytes(content))
    if isinstance(content, str):
        return Payload(DataKind.TEXT, content.encode())
    return Payload(DataKind.JSON, json.dumps(content, separators=(",", ":")).encode())
