"""Everything that belongs to one hub, and the hubs by name."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config, HubSettings
from .connection import Connection, Limits
from .dispatcher import Dispatcher
from .hub import Hub
from .link import LinkSettings, WebSocketLink, WriteBatch


def _ignore(connection: Connection, opcode: int, payload: bytes) -> None:
    """What a peer sends that belongs to no connection."""


class HubRuntime:
    """One hub at work.

    Attributes:
        hub: connections, groups and users.
        settings: its settings.
        dispatcher: executes what its clients ask for.
    """

    def __init__(self, settings: HubSettings, config: Config, batch: WriteBatch) -> None:
        self.settings = settings
        self.hub = Hub(
            settings.name.lower(), Limits(retention=config.service.session_retention_in_seconds)
        )
        self.dispatcher = Dispatcher(self.hub, config.service.ack_delay_in_seconds)
        self._batch = batch
        self._link_settings = LinkSettings(
            keep_alive=settings.web_socket_keep_alive_interval_in_seconds
        )

    def link(self, connection: Connection) -> WebSocketLink:
        """A link for a connection of this hub."""
        return WebSocketLink(connection, self.dispatcher.receive, self._batch, self._link_settings)


class Hubs:
    """All hubs by name, without regard to case. A hub comes into being when it is first used."""

    def __init__(self, config: Config, batch: WriteBatch) -> None:
        self._config = config
        self._batch = batch
        self._running: dict[str, HubRuntime] = {}

    def __iter__(self) -> Iterator[HubRuntime]:
        return iter(tuple(self._running.values()))

    def settings(self, name: str) -> HubSettings:
        """The settings of a hub, whether it has come into being or not."""
        return self._config.hub(name)

    def find(self, name: str) -> HubRuntime | None:
        """A hub that has come into being."""
        return self._running.get(name.lower())

    def link_to_nobody(self) -> WebSocketLink:
        """A link for a peer that is turned away."""
        return WebSocketLink(None, _ignore, self._batch, LinkSettings())

    def get(self, name: str) -> HubRuntime:
        """A hub; made when it is not there yet."""
        runtime = self._running.get(name.lower())
        if runtime is None:
            runtime = HubRuntime(self._config.hub(name), self._config, self._batch)
            self._running[name.lower()] = runtime
        return runtime
