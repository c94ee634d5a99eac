"""The hubs at work: each with its events, requests and WebSockets, and all of them by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from .auth.keys import AccessKeys
from .config import Config, HubSettings
from .events.cloud_events import HubEvents, ServiceToken
from .events.queue import Backlog
from .events.webhooks import Webhooks
from .faults import Faults
from .hub.admission import Admission
from .hub.connection import Connection, Limits
from .hub.hub import Hub
from .hub.observers import Observers
from .requests.dispatcher import Dispatcher
from .requests.invocations import Invocations
from .requests.streaming import Streaming
from .requests.streams import StreamLimits
from .transport.websocket import OpenWebSockets, ServerWebSocket, WebSocketSettings


class HubRuntime:
    """One hub at work.

    Args:
        settings: its settings.
        shared: what it has in common with the other hubs.
        forget_idle: called when a connection is over.

    Attributes:
        hub: connections, groups and users.
        events: tells the event handlers.
    """

    def __init__(
        self,
        settings: HubSettings,
        shared: Shared,
        forget_idle: Callable[[HubRuntime], None],
    ) -> None:
        self._admission = shared.admission
        self._forget_idle = forget_idle
        name = settings.name.lower()
        service = shared.config.service
        keys = None if service.disable_local_auth else shared.keys
        self.events = HubEvents(
            name,
            settings.event_handlers,
            shared.webhooks,
            keys,
            shared.backlog,
            shared.service_token,
        )
        self.hub = Hub(
            name,
            Limits(
                retention=service.session_retention_in_seconds,
                groups=service.limits.groups_per_connection,
            ),
            self._ended,
            shared.observers,
            lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call),
        )
        self._invocations = Invocations(self.hub, self.events)
        self._streaming = Streaming(
            self.hub,
            StreamLimits(
                service.max_streams_per_connection, service.stream_idle_timeout_in_seconds
            ),
        )
        self._dispatcher = Dispatcher(
            self.hub,
            self.events,
            self._invocations,
            self._streaming,
            shared.faults,
            service.ack_delay_in_seconds,
        )
        self._websockets = shared.websockets
        self._websocket_settings = WebSocketSettings(
            keep_alive=settings.web_socket_keep_alive_interval_in_seconds
        )

    def _ended(self, connection: Connection, reason: str) -> None:
        self._invocations.ended(connection)
        self._streaming.ended(connection)
        self.events.disconnected(connection, reason)
        self._admission.leave(connection.address)
        self._forget_idle(self)

    @property
    def stream_timers(self) -> int:
        """How many timers wait for streams to fall silent."""
        return self._streaming.timers

    def recovered(self, connection: Connection) -> None:
        """A client has recovered its session."""
        self._streaming.recovered(connection)

    def websocket(self, connection: Connection) -> ServerWebSocket:
        """A new WebSocket for a connection of this hub; it has no transport yet."""
        return ServerWebSocket(
            connection, self._dispatcher.receive, self._websockets, self._websocket_settings
        )


class Shared:
    """What all hubs of a service have in common.

    Attributes:
        service_token: makes tokens of the service's managed identity; None without one.
        admission: counts their connections.
        backlog: counts their events that wait for a handler.
        observers: called for what happens in any of the hubs.
    """

    def __init__(
        self,
        config: Config,
        keys: AccessKeys,
        webhooks: Webhooks,
        websockets: OpenWebSockets,
        faults: Faults,
        service_token: ServiceToken | None = None,
    ) -> None:
        self.config = config
        self.keys = keys
        self.webhooks = webhooks
        self.websockets = websockets
        self.faults = faults
        self.service_token = service_token
        limits = config.service.limits
        self.admission = Admission(limits.connections, limits.connections_per_address)
        self.backlog = Backlog(limits.pending_events)
        self.observers = Observers()


class Hubs:
    """All hubs by name, without regard to case.

    A hub is created when it is first used. One that the configuration does not list is removed
    with its last connection, so that made-up names leave nothing in memory.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._running: dict[str, HubRuntime] = {}
        self._listed = frozenset(hub.name.lower() for hub in shared.config.hubs)

    def __iter__(self) -> Iterator[HubRuntime]:
        return iter(tuple(self._running.values()))

    @property
    def observers(self) -> Observers:
        """The observers of all hubs."""
        return self._shared.observers

    def settings(self, name: str) -> HubSettings:
        """The settings of a hub, whether it is in use or not."""
        return self._shared.config.hub(name)

    def find(self, name: str) -> HubRuntime | None:
        """A hub that is in use; None when it is not."""
        return self._running.get(name.lower())

    def get(self, name: str) -> HubRuntime:
        """A hub; created when it is used for the first time."""
        runtime = self.find(name)
        if runtime is None:
            runtime = HubRuntime(self.settings(name), self._shared, self.forget_idle)
            self._running[name.lower()] = runtime
        return runtime

    def forget_idle(self, runtime: HubRuntime) -> None:
        """Drop a hub that has no connections, unless the configuration lists it."""
        hub = runtime.hub
        if hub.connections or hub.name in self._listed:
            return
        if self._running.get(hub.name) is runtime:
            del self._running[hub.name]

    @property
    def admission(self) -> Admission:
        """Counts the connections of all hubs."""
        return self._shared.admission

    @property
    def pending_events(self) -> int:
        """How many events of all hubs wait for their handlers."""
        return self._shared.backlog.count

    def websockets_exhausted(self) -> bool:
        """Whether there may be no more WebSockets without a connection.

        Those that have one are limited by `admission`; recoveries that are rejected share the
        limit of HTTP connections.
        """
        limits = self._shared.config.service.limits
        return len(self._shared.websockets) >= limits.connections + limits.http_connections

    def unassigned_websocket(self) -> ServerWebSocket:
        """A WebSocket without a connection, on which a recovery is rejected with a Close frame."""
        return ServerWebSocket(None, _ignore, self._shared.websockets, WebSocketSettings())


class Connections:
    """The connections of all hubs, detached sessions included.

    Args:
        hubs: the hubs; those that come later count, too.
    """

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs

    def __iter__(self) -> Iterator[Connection]:
        for runtime in self._hubs:
            yield from tuple(runtime.hub.connections.values())

    def find(self, connection_id: str) -> Connection | None:
        """The connection with this id; None when there is none."""
        for runtime in self._hubs:
            connection = runtime.hub.connections.get(connection_id)
            if connection is not None:
                return connection
        return None


def _ignore(connection: Connection, opcode: int, payload: bytes) -> None:
    """Takes the data messages of a WebSocket without a connection."""
