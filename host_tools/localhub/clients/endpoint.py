"""The client endpoint: `/client/hubs/{hub}` and `/client?hub=` (client protocol, section 1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable

from aiohttp import web
from micropython_webpubsub.hosts import Host, host_of, ip_address, parse_host
from multidict import MultiMapping

from ..auth.tokens import GROUP_CLAIM, TokenValidator, strings
from ..errors import HandlerError, LimitError, RoleError, TokenError
from ..events.cloud_events import ConnectRequest
from ..faults import Faults
from ..hub.connection import Connection, Identity, ReliableConnection, new_connection_id
from ..names import OTHER_CLIENTS, is_group_name, is_hub_name, not_served
from ..protocol.frames import POLICY_VIOLATION
from ..protocol.simple_codec import SimpleCodec
from ..runtime import HubRuntime, Hubs
from ..transport.upgrade import ConnectionGone, take_over
from .handshake import (
    Refused,
    check_upgrade,
    negotiate,
    offered_subprotocols,
    simple_codec,
    switching_protocols,
)

_log = logging.getLogger("localhub")


class ClientEndpoint:
    """Authenticates clients, upgrades their requests, and registers them with their hub.

    Args:
        hubs: the hubs.
        validator: checks tokens.
        public_hosts: gives `host[:port]` of every endpoint that the service goes by, its own
            first.
        faults: may refuse upgrades, and act on connections.
        forward_basic: whether connect handlers get `Authorization: Basic`.
    """

    def __init__(
        self,
        hubs: Hubs,
        validator: TokenValidator,
        public_hosts: Callable[[], Collection[str]],
        faults: Faults,
        forward_basic: bool = False,
    ) -> None:
        self._hubs = hubs
        self._validator = validator
        self._public_hosts = public_hosts
        self._faults = faults
        self._forward_basic = forward_basic

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        paths = ("/client/hubs/{hub}", "/client", "/client/")
        other = "/clients/{kind:" + "|".join(OTHER_CLIENTS) + "}{rest:(?:/[\\s\\S]*)?}"
        return [
            *(web.get(path, self._handle, allow_head=False) for path in paths),
            web.route("*", other, self._not_served),
        ]

    async def _not_served(self, request: web.Request) -> web.StreamResponse:
        """What MQTT and Socket.IO clients get, whose paths Azure has (client protocol)."""
        text = not_served(request.match_info["kind"])
        _log.info("Refused a client at %s: 404 %s", request.path[:200], text)
        return web.Response(status=404, text=f"{text}\n")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._admit(request)
        except Refused as refusal:
            _log.info("Refused a client at %s: %d %s", request.path, refusal.status, refusal)
            return web.Response(
                status=refusal.status, text=f"{refusal}\n", headers=refusal.headers
            )
        except ConnectionGone:
            return web.Response(status=400)

    async def _admit(self, request: web.Request) -> web.StreamResponse:
        hub_name = _hub_name(request)
        refusal = self._faults.refusal(hub_name)
        if refusal is not None:
            raise Refused(refusal.status, "Refused on command.", refusal.headers)
        accept = check_upgrade(request.headers)
        if request.query.get("awps_connection_id"):
            return self._recover(request, hub_name, accept)
        return await self._connect(request, hub_name, accept)

    # -- a new connection ------------------------------------------------------------------

    async def _connect(
        self, request: web.Request, hub_name: str, accept: str
    ) -> web.StreamResponse:
        identity = self._identify(request, hub_name)
        simple = simple_codec(request.query)
        offered = offered_subprotocols(request.headers)
        admission = self._hubs.admission
        try:
            admission.enter(identity.address)
        except LimitError as error:
            raise Refused(429, f"Connection count reaches limit: {error}.") from None
        runtime = self._hubs.get(hub_name)
        try:
            if runtime.events.overloaded():
                raise Refused(503, "The event handlers do not keep up: try again later.")
            connection = await self._register(request, runtime, identity, simple, offered)
        except BaseException:
            admission.leave(identity.address)
            self._hubs.forget_idle(runtime)
            raise
        websocket = runtime.websocket(connection)
        head = switching_protocols(accept, connection.protocol_name)

        def on_upgraded() -> None:
            connection.attach(websocket)
            self._faults.watch(connection, websocket)

        try:
            response = take_over(request, websocket, head, on_upgraded)
        except ConnectionGone:
            connection.end("The client hung up during the handshake.")
            raise
        runtime.events.connected(connection)
        return response

    async def _register(
        self,
        request: web.Request,
        runtime: HubRuntime,
        identity: Identity,
        simple: SimpleCodec,
        offered: list[str],
    ) -> Connection:
        """Ask the connect handler, negotiate a subprotocol, and register with the hub."""
        connection_id = new_connection_id()
        chosen = None
        if runtime.events.asks_on_connect():
            asked = ConnectRequest(
                connection_id=connection_id,
                identity=identity,
                query=_lists(request.query, "access_token"),
                headers=self._shown_headers(request),
                subprotocols=offered,
            )
            identity, chosen = await _ask_handler(runtime, asked)
        negotiated = negotiate(offered, chosen, simple)
        try:
            return runtime.hub.connect(negotiated.codec, identity, negotiated.name, connection_id)
        except (RoleError, LimitError) as error:
            if runtime.events.asks_on_connect():
                _log.warning("The connect event handler granted what cannot be: %s.", error)
                raise Refused(500, "The connect event handler failed.") from None
            what = "role" if isinstance(error, RoleError) else "group"
            raise Refused(400, f"Illegal {what} in the access token: {error}.") from None

    def _shown_headers(self, request: web.Request) -> dict[str, list[str]]:
        """The request's headers as a connect handler gets them: without tokens."""
        headers = _lists(request.headers, "authorization")
        given = request.headers.get("Authorization", "")
        if self._forward_basic and given.lower().startswith("basic "):
            headers["Authorization"] = [given]
        return headers

    def _identify(self, request: web.Request, hub_name: str) -> Identity:
        """Who the client is, by its token or the anonymous policy."""
        token = _token(request)
        if token is None:
            if self._hubs.settings(hub_name).anonymous_connect_policy == "allow":
                return Identity(address=request.remote or "", origin=self._origin(request))
            raise Refused(
                401,
                f"No access token, and hub '{hub_name}' denies anonymous clients: send a token, "
                "or set anonymous_connect_policy to allow.",
            )
        hosts = {request.host, *self._public_hosts()}
        try:
            claims = self._validator.claims(token, hub_name, hosts)
        except TokenError as error:
            raise Refused(401, f"Access token refused: {error}.") from None
        # Whoever has a key may sign for an endpoint that the configuration does not list.
        signed = [host for one in strings(claims.get("aud")) if (host := host_of(one)) is not None]
        groups = strings(claims.get(GROUP_CLAIM))
        if not all(is_group_name(group) for group in groups):
            raise Refused(400, f"Illegal group name in the token's claim '{GROUP_CLAIM}'.")
        return Identity(
            user_id=claims.get("sub") or None,
            roles=strings(claims.get("role")),
            groups=groups,
            claims=claims,
            address=request.remote or "",
            origin=self._origin(request, signed),
        )

    def _origin(self, request: web.Request, signed: Iterable[Host] = ()) -> Host:
        """The host of the endpoint by which a client came.

        A client writes what it likes into Host, and event handlers look up keys by it: a name
        counts when the service goes by it, when it is one of this computer's, or when the token
        was made for it. For other names it is that of the service's own endpoint.
        """
        here, *others = [host for one in self._public_hosts() if (host := parse_host(one))]
        named = parse_host(request.host)
        if named is None:
            return here
        known = {host.name for host in (here, *others, *signed)}
        transport = request.transport
        local = None if transport is None else transport.get_extra_info("sockname")
        arrived = named.address is not None and named.address == ip_address(local and local[0])
        return named if named.name in known or named.is_loopback or arrived else here

    # -- recovery --------------------------------------------------------------------------

    def _recover(self, request: web.Request, hub_name: str, accept: str) -> web.StreamResponse:
        """Recover a session by its reconnection token; an access token is not looked at."""
        session = self._session(request, hub_name)
        if session is None:
            return self._reject_recovery(request, accept)
        runtime = self._hubs.get(hub_name)
        websocket = runtime.websocket(session)
        head = switching_protocols(accept, session.protocol_name)

        def on_upgraded() -> None:
            session.recover(websocket)
            runtime.recovered(session)
            self._faults.watch(session, websocket)

        return take_over(request, websocket, head, on_upgraded)

    def _session(self, request: web.Request, hub_name: str) -> ReliableConnection | None:
        runtime = self._hubs.find(hub_name)
        if runtime is None:
            return None
        session = runtime.hub.connections.get(request.query["awps_connection_id"])
        token = request.query.get("awps_reconnection_token", "")
        if isinstance(session, ReliableConnection) and session.may_recover(token):
            return session
        return None

    def _reject_recovery(self, request: web.Request, accept: str) -> web.StreamResponse:
        """Reject a recovery with 1008: after an HTTP error clients would try again."""
        if self._hubs.websockets_exhausted():
            raise Refused(429, "Too many recoveries of sessions that do not exist.")
        negotiated = negotiate(offered_subprotocols(request.headers), None, SimpleCodec())
        websocket = self._hubs.unassigned_websocket()
        head = switching_protocols(accept, negotiated.name)
        reason = "The session cannot be recovered."
        return take_over(
            request, websocket, head, lambda: websocket.close(POLICY_VIOLATION, reason)
        )


async def _ask_handler(runtime: HubRuntime, asked: ConnectRequest) -> tuple[Identity, str | None]:
    """Ask the connect handler; the client gets its 4xx, and 500 for any other failure."""
    try:
        return await runtime.events.connect(asked)
    except HandlerError as error:
        if error.status is not None and 400 <= error.status < 500:
            raise Refused(error.status, "The connect event handler refused the client.") from None
        # Why is in the log: a stranger learns nothing about the handler.
        raise Refused(500, "The connect event handler failed.") from None


def _lists(mapping: MultiMapping[str], without: str) -> dict[str, list[str]]:
    names = dict.fromkeys(mapping.keys())
    return {name: list(mapping.getall(name)) for name in names if name.lower() != without}


def _hub_name(request: web.Request) -> str:
    name = request.match_info.get("hub") or request.query.get("hub")
    if not name:
        raise Refused(400, "No hub: write /client/hubs/NAME or /client/?hub=NAME.")
    if not is_hub_name(name):
        raise Refused(400, "Illegal hub name: 1 to 128 letters, digits or _`,.[] after a letter.")
    return name


def _token(request: web.Request) -> str | None:
    token = request.query.get("access_token")
    if token:
        return token
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return None
