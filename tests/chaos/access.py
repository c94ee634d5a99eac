"""How the devices get in: a fresh URL for each session, and what the service sees of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

from aiohttp import web
from localhub import LocalHub
from localhub.hub.connection import Connection
from localhub.hub.observers import HubObserver

from tests.support.protocol import ROLES

HUB = "chaos"


class Access:
    """One device's way in. The user id of each URL is its own, so that none is used twice unseen.

    Args:
        number: of the device.
        hub: the service.
        tls: wss instead of ws.

    Attributes:
        urls: how many were handed out.
        let_in: how many sessions began with each of them.
        joined: ids of the sessions that were in a group.
        endings: why sessions ended, as the service has it.
    """

    def __init__(self, number: int, hub: LocalHub, tls: bool) -> None:
        self.urls = 0
        self.let_in: Counter[str] = Counter()
        self.joined: set[str] = set()
        self.endings: list[str] = []
        self._user = f"device-{number}."
        self._hub, self._tls = hub, tls
        self._port: int | None = None

    def by_way_of(self, port: int) -> None:
        """Lead to a proxy."""
        self._port = port

    def fresh_url(self) -> str:
        """A client access URL."""
        user = f"{self._user}{self.urls}"
        self.urls += 1
        url = urlsplit(self._hub.client_url(HUB, user_id=user, roles=ROLES, tls=self._tls))
        return urlunsplit(url._replace(netloc=f"{url.hostname}:{self._port}"))

    def owns(self, user_id: str | None) -> bool:
        """Whether a user id is of this device."""
        return (user_id or "").startswith(self._user)

    @property
    def sessions(self) -> list[str]:
        """Ids of the sessions that the service has for it."""
        connections = self._hub.control.connections(HUB)
        return [each.id for each in connections if self.owns(each.user_id)]


class Onlooker(HubObserver):
    """Takes down what the service sees of the devices' sessions."""

    def __init__(self, ways_in: list[Access]) -> None:
        self._ways_in = ways_in

    def _of(self, connection: Connection) -> Access | None:
        return next((each for each in self._ways_in if each.owns(connection.user_id)), None)

    def connected(self, connection: Connection) -> None:
        """A session begins."""
        if (access := self._of(connection)) and connection.user_id:
            access.let_in[connection.user_id] += 1

    def disconnected(self, connection: Connection, reason: str) -> None:
        """It is over."""
        if access := self._of(connection):
            access.endings.append(reason)

    def joins(self, connection: Connection, group: str) -> None:
        """It is in its group."""
        if access := self._of(connection):
            access.joined.add(connection.id)


@contextlib.asynccontextmanager
async def negotiation(ways_in: list[Access]) -> AsyncIterator[str]:
    """A server that hands out URLs, `/NUMBER` for each device; the URL of it all."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"url": ways_in[int(request.match_info["number"])].fresh_url()})

    application = web.Application()
    application.router.add_get("/{number}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
