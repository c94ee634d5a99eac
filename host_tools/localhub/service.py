"""The service as a whole: listeners, keys, start and orderly stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from .client_endpoint import ClientEndpoint
from .config import Config
from .errors import ConfigError
from .frames import GOING_AWAY
from .hubs import Hubs
from .keys import load_keys
from .link import WriteBatch
from .tokens import TokenValidator, client_audience, make_client_token

_log = logging.getLogger("localhub")
# A thousand clients that come back at once must not wait for a SYN to be sent again.
_BACKLOG = 1024
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104


class LocalHub:
    """A local Web PubSub service in this event loop.

        async with LocalHub({"hubs": [{"name": "chargers"}]}) as hub:
            url = hub.client_url("chargers", user_id="cp-7")

    Args:
        config: a configuration, a mapping like the TOML file, the path of a TOML file, or None
            for the defaults: loopback, a free port, new keys, anonymous clients denied.

    Raises:
        ConfigError: on construction or on entering, when the configuration cannot be used.

    Attributes:
        config: the configuration.
        endpoint: `http://127.0.0.1:N`.
    """

    def __init__(self, config: Config | Mapping[str, Any] | Path | str | None = None) -> None:
        self.config = Config.load(config)
        self._keys = load_keys(self.config)
        self._runner: web.AppRunner | None = None
        self.endpoint = ""

    async def __aenter__(self) -> LocalHub:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Accept connections from now on.

        Raises:
            ConfigError: the port is taken, or the host is not one of this computer.
        """
        service = self.config.service
        self._hubs = Hubs(self.config, WriteBatch(asyncio.get_running_loop()))
        validator = TokenValidator(self._keys, disabled=service.disable_local_auth)
        endpoint = ClientEndpoint(self._hubs, validator, self._hosts)
        app = web.Application()
        app.add_routes(endpoint.routes())
        self._runner = web.AppRunner(
            app, access_log=None, logger=logging.getLogger("localhub.http"), shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.SockSite(self._runner, _listen(service.host, service.port or 0))
        await site.start()
        port = self._runner.addresses[0][1]
        host = _ANY_ADDRESS.get(service.host, service.host)
        self.endpoint = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Send every client away with 1001, and stop."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for runtime in self._hubs:
            runtime.hub.close(
                runtime.hub.connections.values(), GOING_AWAY, "The service is shutting down."
            )
        await runner.cleanup()

    def _hosts(self) -> set[str]:
        """`host[:port]` of every endpoint that the service goes by."""
        known = {self.endpoint, *self.config.service.public_endpoints}
        return {endpoint.partition("://")[2].rstrip("/") for endpoint in known if endpoint}

    @property
    def connection_string(self) -> str:
        """For application servers: `Endpoint=...;AccessKey=...;Version=1.0;`. Holds a secret."""
        return self._keys.connection_string(self.endpoint)

    def client_url(
        self,
        hub_name: str,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        lifetime: float = 3600,
    ) -> str:
        """A client access URL with a token. Holds a secret.

        Args:
            hub_name: the hub.
            user_id: None for a client without one.
            roles: role strings such as `webpubsub.joinLeaveGroup`.
            groups: groups that the client is in from the start.
            lifetime: seconds until the token expires.
        """
        endpoint = self.endpoint
        token = make_client_token(
            self._keys.primary,
            client_audience(endpoint, hub_name),
            user_id=user_id,
            roles=roles,
            groups=groups,
            lifetime=lifetime,
        )
        scheme, _, rest = endpoint.partition("://")
        websocket = "wss" if scheme == "https" else "ws"
        return f"{websocket}://{rest}/client/hubs/{hub_name}?access_token={token}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}: choose another port"
        ) from None


Ready = Callable[[LocalHub], None]


async def serve(config: Config | Mapping[str, Any] | Path | str | None, *, ready: Ready) -> None:
    """Run the service until cancelled, then shut it down in order.

    Args:
        config: as for LocalHub; without a port it listens on 7080.
        ready: called once, when connections are accepted.

    Raises:
        ConfigError: the configuration cannot be used, or the port is taken.
    """
    async with LocalHub(config) as hub:
        ready(hub)
        await asyncio.Event().wait()
