"""The client endpoint: `/client/hubs/{hub}` and `/client?hub=` (client protocol, section 1)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from aiohttp import web

from .connection import Identity, ReliableConnection
from .errors import RoleError, TokenError
from .frames import POLICY_VIOLATION
from .handshake import (
    Refused,
    check_upgrade,
    negotiate,
    offered_subprotocols,
    raw_codec,
    switching_protocols,
)
from .hubs import Hubs
from .names import is_group_name, is_hub_name
from .raw_codec import RawCodec
from .tokens import GROUP_CLAIM, TokenValidator, strings
from .upgrade import ConnectionGone, take_over

_log = logging.getLogger("localhub")


class ClientEndpoint:
    """Lets clients in.

    Args:
        hubs: the hubs.
        validator: checks tokens.
        public_hosts: gives `host[:port]` of every endpoint that the service goes by.
    """

    def __init__(
        self,
        hubs: Hubs,
        validator: TokenValidator,
        public_hosts: Callable[[], Collection[str]],
    ) -> None:
        self._hubs = hubs
        self._validator = validator
        self._public_hosts = public_hosts

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        paths = ("/client/hubs/{hub}", "/client", "/client/")
        return [web.get(path, self._handle, allow_head=False) for path in paths]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._admit(request)
        except Refused as refusal:
            _log.info("Refused %s: %d %s", request.path, refusal.status, refusal)
            return web.Response(status=refusal.status, text=f"{refusal}\n")
        except ConnectionGone:
            return web.Response(status=400)

    async def _admit(self, request: web.Request) -> web.StreamResponse:
        name = _hub_name(request)
        accept = check_upgrade(request.headers)
        if request.query.get("awps_connection_id"):
            return self._recover(request, name, accept)
        return await self._connect(request, name, accept)

    async def _connect(self, request: web.Request, name: str, accept: str) -> web.StreamResponse:
        identity = self._identify(request, name)
        raw = raw_codec(request.query)
        offered = offered_subprotocols(request.headers)
        negotiated = negotiate(offered, None, raw)
        runtime = self._hubs.get(name)
        try:
            connection = runtime.hub.connect(negotiated.codec, identity, negotiated.name)
        except RoleError as error:
            raise Refused(400, f"Illegal role in the token: {error}.") from None
        link = runtime.link(connection)
        try:
            response = take_over(request, link, switching_protocols(accept, negotiated.name))
        except ConnectionGone:
            connection.end("The client hung up during the handshake.")
            raise
        connection.attach(link)
        return response

    def _identify(self, request: web.Request, hub: str) -> Identity:
        """Who the client is, by its token or the anonymous policy."""
        token = _token(request)
        if token is None:
            if self._hubs.settings(hub).anonymous_connect_policy == "allow":
                return Identity()
            raise Refused(
                401,
                f"No access token, and hub '{hub}' denies anonymous clients: send a token, or "
                "set anonymous_connect_policy to allow.",
            )
        hosts = {request.host, *self._public_hosts()}
        try:
            claims = self._validator.claims(token, hub, hosts)
        except TokenError as error:
            raise Refused(401, f"Access token refused: {error}.") from None
        groups = strings(claims.get(GROUP_CLAIM))
        if not all(is_group_name(group) for group in groups):
            raise Refused(400, f"Illegal group name in the token's claim '{GROUP_CLAIM}'.")
        return Identity(
            user_id=claims.get("sub") or None,
            roles=strings(claims.get("role")),
            groups=groups,
            claims=claims,
        )

    # -- recovery --------------------------------------------------------------------------

    def _recover(self, request: web.Request, name: str, accept: str) -> web.StreamResponse:
        """Give a client its session back; a JWT is neither needed nor looked at."""
        session = self._session(request, name)
        if session is None:
            return self._turn_away(request, accept)
        link = self._hubs.get(name).link(session)
        response = take_over(request, link, switching_protocols(accept, session.protocol_name))
        session.recover(link)
        return response

    def _session(self, request: web.Request, name: str) -> ReliableConnection | None:
        runtime = self._hubs.find(name)
        if runtime is None:
            return None
        session = runtime.hub.connections.get(request.query["awps_connection_id"])
        token = request.query.get("awps_reconnection_token", "")
        if isinstance(session, ReliableConnection) and session.may_recover(token):
            return session
        return None

    def _turn_away(self, request: web.Request, accept: str) -> web.StreamResponse:
        """Refuse a recovery with 1008: an HTTP error would make clients try again."""
        negotiated = negotiate(offered_subprotocols(request.headers), None, RawCodec())
        link = self._hubs.link_to_nobody()
        response = take_over(request, link, switching_protocols(accept, negotiated.name))
        link.close(POLICY_VIOLATION, "The session cannot be recovered.")
        return response


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
