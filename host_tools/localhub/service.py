"""The service: hubs, listeners, keys, start and orderly stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .auth.callers import Authenticate, by_access_key, either, switched_off
from .auth.tokens import TokenIssuer, TokenValidator, client_audience, make_client_token
from .clients.endpoint import ClientEndpoint
from .config import Config
from .control import Control, Counters
from .errors import ConfigError
from .events.webhooks import Webhooks
from .faults import Faults
from .faults.commands import FaultCommands
from .faults.endpoint import PATH as FAULTS_PATH
from .faults.endpoint import FaultsEndpoint, throttled
from .key_store import KeyStore
from .protocol.frames import GOING_AWAY
from .rest.bodies import MAX_BODY
from .rest.data_plane import DataPlane
from .runtime import Connections, Hubs, Shared
from .transport import http_log
from .transport.http_connections import HttpConnections, track_requests
from .transport.listener import Listener, allow_descriptors, bind
from .transport.partial_messages import PartialMessages
from .transport.server import cleanup
from .transport.websocket import OpenWebSockets
from .visitors import Visitors

if TYPE_CHECKING:
    from .entra.directory import Directory
    from .transport.tls import LocalAuthority

_log = logging.getLogger("localhub")

DEFAULT_PORT = 7080
DEFAULT_STATE_FILE = Path(".state", "localhub.json")
_GC_THRESHOLDS = (10_000, 20, 50)
_CLOSE_TIMEOUT = 1.0
_EVENTS_TIMEOUT = 2.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104

Source = Config | Mapping[str, Any] | Path | str | None


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
        endpoint: `http://127.0.0.1:N`; empty before the start.
        tls_endpoint: `https://localhost:N`, or None without `service.tls`.
        control: for tests: see what is going on, and speak as the application server.
        faults: for tests: make things go wrong.
    """

    def __init__(self, config: Source = None) -> None:
        self.config = Config.load(config)
        self.endpoint = ""
        self.tls_endpoint: str | None = None
        self._key_store = KeyStore(self.config)
        self._keys = self._key_store.keys
        self._visitors = Visitors(self._keys.issuing)
        self._watcher: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._http_connections: HttpConnections | None = None
        self._listeners: list[Listener] = []
        self._authority: LocalAuthority | None = None
        self._scratch: Path | None = None
        self._faults = Faults()
        self._directory = self._make_directory()
        self._webhooks = Webhooks(
            self.config.service.event_handler_timeout_in_seconds,
            self.config.service.event_handler_retry_delays_in_seconds,
        )

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

    # -- start and stop --------------------------------------------------------------------

    async def start(self) -> None:
        """Accept connections from now on.

        Raises:
            ConfigError: a port is taken, or the host is not one of this computer.
        """
        limits = self.config.service.limits
        partial_messages = PartialMessages(limits.unfinished_message_bytes)
        self._websockets = OpenWebSockets(asyncio.get_running_loop(), partial_messages)
        self._hubs = Hubs(
            Shared(
                self.config,
                self._keys,
                self._webhooks,
                self._websockets,
                self._faults,
                None if self._directory is None else self._directory.service_token,
            )
        )
        self.faults = FaultCommands(self._faults, Connections(self._hubs))
        self.control = Control(
            self._hubs, self.faults, self._key_store, self._counters, self._directory
        )
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=http_log.logger,
            shutdown_timeout=_CLOSE_TIMEOUT,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._http_connections = HttpConnections(
            self._runner.server, limits.http_connections, limits.request_timeout_in_seconds
        )
        try:
            self._listen()
            if self._key_store.watches:
                self._watcher = asyncio.create_task(self._key_store.watch())
        except BaseException:
            await self.stop()
            raise

    def _application(self) -> web.Application:
        validator = TokenValidator(self._keys, disabled=self.config.service.disable_local_auth)
        clients = ClientEndpoint(
            self._hubs,
            validator,
            self._hosts,
            self._faults,
            self.config.service.forward_basic_authorization,
        )
        issuer = TokenIssuer(self._keys, lambda: self.endpoint, self._hosts)
        servers = DataPlane(self._hubs, self._authenticate(validator), issuer.issue)
        app = web.Application(
            client_max_size=MAX_BODY, middlewares=[track_requests, throttled(self._faults)]
        )
        app.add_routes([*clients.routes(), *servers.routes()])
        if self.config.service.faults:
            app.add_routes(FaultsEndpoint(self.faults, self._visitors).routes())
        if self._directory is not None:
            app.add_routes(self._directory.routes())
        if self.has_page:
            # Imported only where it is configured.
            from .page import PageEndpoint

            page = PageEndpoint(
                self._hubs,
                self.config,
                self._hosts,
                lambda: (self.endpoint, self.tls_endpoint),
                self.faults if self.config.service.faults else None,
                self._visitors,
            )
            page.add_to(app)
        return app

    def _authenticate(self, validator: TokenValidator) -> Authenticate:
        """By an access key, or by Microsoft Entra ID where it is configured."""
        by_key = by_access_key(validator)
        if self.config.service.disable_aad_auth:
            return either(by_key, switched_off)
        return by_key if self._directory is None else either(by_key, self._directory.authenticate)

    def _make_directory(self) -> Directory | None:
        settings, service = self.config.entra, self.config.service
        if self.config.uses_managed_identity and (settings is None or settings.metadata_url):
            raise ConfigError(
                "event_handlers.auth: a managed identity needs the local issuer: add a table "
                '[entra] without metadata_url, or set auth.type to "None"'
            )
        if settings is None:
            return None
        if settings.metadata_url is None and service.tls is None:
            raise ConfigError(
                "entra: the local issuer answers over TLS only: add a table [service.tls], or "
                "run `hubtool serve --tls`"
            )
        # Loads cryptography, which is slow.
        from .entra.directory import Directory

        path, state_file = self.config.path, self.config.state_file
        return Directory(
            settings,
            Path() if path is None else path.parent,
            None if state_file is None else state_file.parent,
            lambda: self.tls_endpoint or "",
        )

    def _listen(self) -> None:
        service = self.config.service
        host = _ANY_ADDRESS.get(service.host, service.host)
        if not _is_loopback(service.host):
            use = " and use the page" if self.has_page else ""
            _log.warning(
                "Listening on %s: others on the network can connect%s.", service.host, use
            )
        port = self._add_listener(service.host, service.port or 0)
        self.endpoint = f"http://{_bracketed(host)}:{port}"
        if service.tls is not None:
            port = self._add_listener(service.host, service.tls.port, tls=True)
            name = "localhost" if _is_loopback(host) else _bracketed(host)
            self.tls_endpoint = f"https://{name}:{port}"

    def _add_listener(self, host: str, port: int, *, tls: bool = False) -> int:
        context = self._load_authority().server_context(host) if tls else None
        assert self._http_connections is not None
        bound = bind(host, port)
        self._listeners.append(Listener(bound, self._http_connections, context))
        return int(bound.getsockname()[1])

    def _load_authority(self) -> LocalAuthority:
        # Loads cryptography, which is slow: only who wants TLS waits for it.
        from .transport.tls import LocalAuthority

        state_file = self.config.state_file
        if state_file is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="localhub-"))
        folder = self._scratch or (state_file or DEFAULT_STATE_FILE).parent
        self._authority = LocalAuthority(folder)
        return self._authority

    async def stop(self) -> None:
        """Send every client away with 1001, deliver the last events, and stop."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        self._faults.clear()
        for listener in self._listeners:
            await listener.stop()
        self._listeners.clear()
        if self._http_connections is not None:
            await self._http_connections.close()
        for runtime in self._hubs:
            everyone = runtime.hub.connections.values()
            runtime.hub.close(everyone, GOING_AWAY, "The service is shutting down.")
        await self._websockets.wait_closed(_CLOSE_TIMEOUT)
        await asyncio.gather(
            *(runtime.events.queues.drain(_EVENTS_TIMEOUT) for runtime in self._hubs)
        )
        await cleanup(runner)
        await self._webhooks.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _counters(self) -> Counters:
        partial_messages, http = self._websockets.partial_messages, self._http_connections
        return Counters(
            hubs=tuple(runtime.hub.name for runtime in self._hubs),
            connections=len(self._hubs.admission),
            websockets=len(self._websockets),
            http_connections=0 if http is None else len(http),
            unsent_bytes=0 if http is None else http.unsent_bytes,
            partial_messages=len(partial_messages),
            partial_message_bytes=partial_messages.total,
            pending_events=self._hubs.pending_events,
            observers=len(self._hubs.observers),
            stream_timers=sum(runtime.stream_timers for runtime in self._hubs),
            validations=self._webhooks.validations,
        )

    # -- endpoints, keys and tokens --------------------------------------------------------

    def _hosts(self) -> list[str]:
        """`host[:port]` of every endpoint that the service goes by; `endpoint` comes first."""
        known = (self.endpoint, self.tls_endpoint, *self.config.service.public_endpoints)
        return [endpoint.partition("://")[2].rstrip("/") for endpoint in known if endpoint]

    @property
    def has_page(self) -> bool:
        """Whether there is a page at `/`: unless switched off, where only loopback listens."""
        service = self.config.service
        return _is_loopback(service.host) if service.page is None else service.page

    @property
    def page_url(self) -> str | None:
        """The address of the page, once the service runs; None without one. Holds a secret."""
        return self._visitors.address(f"{self.endpoint}/") if self.has_page else None

    @property
    def faults_url(self) -> str | None:
        """Where programs command faults; None unless they may. Holds a secret."""
        url = f"{self.endpoint}{FAULTS_PATH}"
        return self._visitors.address(url) if self.config.service.faults else None

    @property
    def connection_string(self) -> str:
        """For application servers: `Endpoint=...;AccessKey=...;Version=1.0;`. Holds a secret."""
        return self._keys.connection_string(self.endpoint)

    @property
    def secondary_connection_string(self) -> str:
        """The same with the secondary key: for servers while the primary one is replaced."""
        return self._keys.connection_string(self.endpoint, "secondary")

    @property
    def ca_pem_path(self) -> Path | None:
        """The CA of `tls_endpoint` as a PEM file; None without TLS."""
        return None if self._authority is None else self._authority.pem_path

    @property
    def ca_der(self) -> bytes | None:
        """The CA of `tls_endpoint` in DER, for boards; None without TLS."""
        return None if self._authority is None else self._authority.der

    @property
    def entra_principals(self) -> tuple[str, ...]:
        """Names of the local issuer's principals; none without it."""
        return () if self._directory is None else self._directory.names

    def entra_environment(self, name: str) -> dict[str, str]:
        """The environment variables that make azure-identity be one of these principals.

        They work with EnvironmentCredential or ManagedIdentityCredential, and so with
        DefaultAzureCredential; REQUESTS_CA_BUNDLE makes them trust the local CA. Holds a secret.

        Raises:
            ConfigError: there is no such principal.
        """
        if self._directory is None:
            raise ConfigError("Microsoft Entra ID is not configured: add a table [entra]")
        return {
            **self._directory.environment(name),
            "REQUESTS_CA_BUNDLE": str(self.ca_pem_path),
        }

    def client_url(
        self,
        hub_name: str,
        user_id: str | None = None,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        lifetime: float = 3600,
        tls: bool = False,
    ) -> str:
        """A client access URL with a token. Holds a secret.

        Args:
            hub_name: the hub.
            user_id: None for a client without one.
            roles: role strings such as `webpubsub.joinLeaveGroup`.
            groups: groups that the client is in from the start.
            lifetime: seconds until the token expires.
            tls: for `tls_endpoint` instead of `endpoint`.

        Raises:
            ConfigError: `tls` is asked for, and the service has none.
        """
        endpoint = self.tls_endpoint if tls else self.endpoint
        if endpoint is None:
            raise ConfigError("no TLS listener: add a table [service.tls] with a port")
        token = make_client_token(
            self._keys.primary,
            client_audience(endpoint, hub_name),
            user_id=user_id,
            roles=roles,
            groups=groups,
            lifetime=lifetime,
        )
        websocket = endpoint.replace("http", "ws", 1)
        return f"{websocket}/client/hubs/{hub_name}?access_token={token}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def serve(config: Source, *, ready: Callable[[LocalHub], None]) -> None:
    """Run the service until cancelled, then shut it down in order.

    Args:
        config: as for LocalHub; but without a port it listens on 7080, and without a state file
            generated keys are kept in `.state/localhub.json`.
        ready: called once, when connections are accepted.

    Raises:
        ConfigError: the configuration cannot be used, or a port is taken.
    """
    settled = Config.load(config).for_serving(DEFAULT_PORT, DEFAULT_STATE_FILE)
    limits = settled.service.limits
    # 1000 more than sockets of clients, for connections to event handlers and for files.
    allow_descriptors(limits.connections + limits.http_connections + 1000)
    async with LocalHub(settled) as hub:
        # Objects that exist now live as long as the process: freeze() keeps the garbage collector
        # from visiting them again. Of thousands of connections none is garbage, either, so it
        # runs less often.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        ready(hub)
        await asyncio.Event().wait()
