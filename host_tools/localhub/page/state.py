"""What the page shows of hubs and connections, as plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from ..hub.connection import Connection, ReliableConnection
from ..hub.hub import Hub
from ..runtime import Hubs
from ..transport.websocket import ServerWebSocket
from .preview import short

# A page with more of them would be neither quick nor readable: whoever has more, filters.
MAX_CONNECTIONS = 200
MAX_NAMES = 50
_MAX_FILTER = 128


@dataclass(frozen=True, slots=True)
class View:
    """Which connections a page shows.

    Attributes:
        hub: only of this hub, in lower case; None for all.
        text: only with this in user id, connection id, protocol or a group, without regard to
            case.
    """

    hub: str | None = None
    text: str = ""

    @classmethod
    def read(cls, value: object) -> View:
        """What a page asks for; whatever makes no sense counts as not said."""
        fields = value if isinstance(value, dict) else {}
        hub, text = fields.get("hub"), fields.get("text")
        return cls(
            hub.lower() if isinstance(hub, str) and hub else None,
            text[:_MAX_FILTER].strip().lower() if isinstance(text, str) else "",
        )

    def shows(self, connection: Connection) -> bool:
        """Whether a connection is to be shown, its hub aside."""
        names = (connection.id, connection.user_id or "", connection.protocol_name or "")
        return any(self.text in name.lower() for name in chain(names, connection.groups))


def state(hubs: Hubs, configured: Iterable[str], view: View) -> dict[str, Any]:
    """Hubs and connections as they are now.

    Args:
        hubs: the hubs.
        configured: names of hubs that are to be there although nobody has used them yet.
        view: which connections.

    Returns:
        `hubs`; `connections`, the newest of each hub first, at most MAX_CONNECTIONS; `matching`,
        how many there are.
    """
    running = [runtime.hub for runtime in hubs]
    chosen = [hub for hub in running if view.hub in (None, hub.name)]
    everybody = _connections(chosen)
    if view.text:
        found = [connection for connection in everybody if view.shows(connection)]
        everybody, matching = iter(found), len(found)
    else:
        matching = sum(len(hub.connections) for hub in chosen)
    names = dict.fromkeys(name.lower() for name in configured)
    names |= {hub.name: None for hub in running}
    by_name = {hub.name: hub for hub in running}
    return {
        "hubs": [_hub(name, by_name.get(name)) for name in names],
        "connections": [_connection(one) for one in islice(everybody, MAX_CONNECTIONS)],
        "matching": matching,
    }


def _connections(hubs: Iterable[Hub]) -> Iterator[Connection]:
    return chain.from_iterable(reversed(hub.connections.values()) for hub in hubs)


def _hub(name: str, hub: Hub | None) -> dict[str, Any]:
    if hub is None:
        return {"name": name, "connections": 0, "groups": [], "users": []}
    return {
        "name": name,
        "connections": len(hub.connections),
        "groups": [short(group) for group in islice(hub.groups, MAX_NAMES)],
        "users": [short(user) for user in islice(hub.users, MAX_NAMES)],
    }


def _connection(connection: Connection) -> dict[str, Any]:
    websocket = connection.websocket if isinstance(connection.websocket, ServerWebSocket) else None
    detached = isinstance(connection, ReliableConnection) and connection.detached
    return {
        "id": connection.id,
        "hub": connection.hub_name,
        "user": None if connection.user_id is None else short(connection.user_id),
        "protocol": connection.protocol_name,
        **_some("groups", sorted(islice(connection.groups, MAX_NAMES)), len(connection.groups)),
        **_some("roles", roles := connection.permissions.roles(), len(roles)),
        "since": round(connection.connected_at * 1000),
        "received": None if websocket is None else websocket.received,
        "sent": None if websocket is None else websocket.sent,
        "live": not detached,
    }


def _some(name: str, values: Collection[str], count: int) -> dict[str, Any]:
    """The first of many names, and how many there are."""
    return {name: [short(value) for value in islice(values, MAX_NAMES)], f"{name}_count": count}
