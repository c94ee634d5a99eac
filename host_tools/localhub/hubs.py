"""Everything that belongs to one hub, and the hubs by name."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config, HubSettings
from .connection import Connection, Limits
from .dispatcher import Dispatcher
from .events import HubEvents
from .faults import Faults
from .hub import Hub
from .invocations import Invocations
from .keys import AccessKeys
from .link import LinkPool, LinkSettings, WebSocketLink
from .observers import HubObserver
from .streaming import Streaming
from .streams import StreamLimits
from .webhooks import Webhooks


class HubRuntime:
    """One hub at work.

    Args:
        settings: its settings.
        shared: what it has in common with the other hubs.

    Attributes:
        hub: connections, groups and users.
        events: tells the event handlers.
    """

    def __init__(self, settings: HubSettings, shared: Shared) -> None:
        name = settings.name.lower()
        service = shared.config.service
        keys = None if service.disable_local_auth else shared.keys
        self.events = HubEvents(name, settings.event_handlers, shared.webhooks, keys)
        self.hub = Hub(
            name,
            Limits(retention=service.session_retention_in_seconds),
            self._ended,
            shared.observers,
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
        self._pool = shared.pool
        self._link_settings = LinkSettings(
            keep_alive=settings.web_socket_keep_alive_interval_in_seconds
        )

    def _ended(self, connection: Connection, reason: str) -> None:
        self._invocations.ended(connection)
        self._streaming.ended(connection)
        self.events.disconnected(connection, reason)

    def recovered(self, connection: Connection) -> None:
        """A client has its session back."""
        self._streaming.recovered(connection)

    def link(self, connection: Connection) -> WebSocketLink:
        """A link for a connection of this hub."""
        return WebSocketLink(connection, self._dispatcher.receive, self._pool, self._link_settings)


class Shared:
    """What all hubs of a service have in common.

    Attributes:
        observers: who looks on at all hubs.
    """

    def __init__(
        self, config: Config, keys: AccessKeys, webhooks: Webhooks, pool: LinkPool, faults: Faults
    ) -> None:
        self.config = config
        self.keys = keys
        self.webhooks = webhooks
        self.pool = pool
        self.faults = faults
        self.observers: list[HubObserver] = []


class Hubs:
    """All hubs by name, without regard to case. A hub comes into being when it is first used."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._running: dict[str, HubRuntime] = {}

    def __iter__(self) -> Iterator[HubRuntime]:
        return iter(tuple(self._running.values()))

    @property
    def observers(self) -> list[HubObserver]:
        """Who looks on at all hubs; to be added to."""
        return self._shared.observers

    def settings(self, name: str) -> HubSettings:
        """The settings of a hub, whether it has come into being or not."""
        return self._shared.config.hub(name)

    def find(self, name: str) -> HubRuntime | None:
        """A hub that has come into being."""
        return self._running.get(name.lower())

    def get(self, name: str) -> HubRuntime:
        """A hub; made when it is not there yet."""
        runtime = self.find(name)
        if runtime is None:
            runtime = HubRuntime(self.settings(name), self._shared)
            self._running[name.lower()] = runtime
        return runtime

    def link_to_nobody(self) -> WebSocketLink:
        """A link for a peer that is turned away."""
        return WebSocketLink(None, _ignore, self._shared.pool, LinkSettings())


def _ignore(connection: Connection, opcode: int, payload: bytes) -> None:
    """What a peer sends that belongs to no connection."""
