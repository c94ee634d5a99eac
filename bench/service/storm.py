"""Recovery storms: all reliable clients are cut at once, and come back at once.

Messages are on their way when the cut comes, and more are sent while everybody is away. The
storm is over when every client is back and has everything. The baseline only reconnects.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from .results import Comparison, Measure
from .servers import RELIABLE, Bare, BenchError, LocalService, UpgradeRequest, bare, local_service
from .wire import Counter, Peer, Silent, client_frame, connect, disconnect

STORM_TIMEOUT = 30.0
_NUMBER = re.compile(rb'"sequenceId":(\d+)')


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        clients: that are cut.
        messages: that are on their way when the cut comes, and as many while they are away.
    """

    clients: int = 1000
    messages: int = 10


class Session:
    """What a reliable client remembers over its connections."""

    def __init__(self) -> None:
        self.last = 0
        self.lost = 0
        self.connection_id = ""
        self.token = ""

    def greeted(self, greeting: bytes) -> None:
        """The first frame of the first connection."""
        frame = json.loads(greeting)
        self.connection_id, self.token = frame["connectionId"], frame["reconnectionToken"]

    def got(self, payload: bytes) -> None:
        """A message: the next one, or one of those that are sent again."""
        found = _NUMBER.search(payload)
        if found is None:
            raise BenchError(f"no sequenceId: {payload[:200]!r}")
        number = int(found[1])
        self.lost += max(0, number - self.last - 1)
        self.last = max(self.last, number)


class ReliableClient(Peer):
    """One connection of a session; acknowledges the first message it gets, as clients do."""

    def __init__(
        self, request: UpgradeRequest, loop: asyncio.AbstractEventLoop, session: Session
    ) -> None:
        super().__init__(request, loop)
        self.session = session
        self._acknowledged = False

    def message(self, payload: bytes) -> None:
        """One message."""
        self.session.got(payload)
        if not self._acknowledged:
            self._acknowledged = True
            number = self.session.last
            self.write(client_frame(f'{{"type":"sequenceAck","sequenceId":{number}}}'))


@dataclass(frozen=True)
class _Found:
    seconds: float
    micros: float


class ReliableCrowd:
    """Reliable clients and a publisher at the service."""

    def __init__(self, service: LocalService, size: Size) -> None:
        self._service = service
        self._size = size
        self._frame = client_frame(service.publish("x" * 128))
        self._clients: list[ReliableClient] = []
        self._published = 0
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Connect everybody."""
        request, speaker = self._service.receiver(RELIABLE), self._service.publisher()
        self._clients = await connect(
            lambda: ReliableClient(request, self._loop, Session()),
            request.port,
            self._size.clients,
        )
        for client in self._clients:
            client.session.greeted(client.opened.result())
        [self._publisher] = await connect(lambda: Silent(speaker, self._loop), speaker.port)

    def _publish(self) -> None:
        self._published += self._size.messages
        self._publisher.write(self._frame * self._size.messages)

    async def storm(self) -> _Found:
        """Cut all, publish, and let all recover."""
        self._publish()
        await asyncio.sleep(0.005)
        for client in self._clients:
            client.reset()
        self._publish()
        await asyncio.sleep(1)
        cpu, began = self._service.cpu, time.monotonic()
        self._clients = await asyncio.gather(
            *(self._recover(one.session) for one in self._clients)
        )
        while any(one.session.last < self._published for one in self._clients):
            if time.monotonic() - began > STORM_TIMEOUT:
                raise BenchError(f"not all messages came back within {STORM_TIMEOUT:.0f} s")
            await asyncio.sleep(0.002)
        seconds = time.monotonic() - began
        return _Found(seconds, 1e6 * (self._service.cpu - cpu) / len(self._clients))

    async def _recover(self, session: Session) -> ReliableClient:
        request = self._service.recovery(session.connection_id, session.token)
        [client] = await connect(
            lambda: ReliableClient(request, self._loop, session), request.port
        )
        return client

    def lost(self) -> int:
        """Messages that no client should have missed."""
        return sum(client.session.lost for client in self._clients)

    async def disconnect(self) -> None:
        """Everybody leaves."""
        await disconnect((*self._clients, self._publisher))


async def _reconnect(server: Bare, peers: list[Counter]) -> tuple[_Found, list[Counter]]:
    """Cut all and let all connect again."""
    for peer in peers:
        peer.reset()
    await asyncio.sleep(1)
    request, loop = server.receiver(), asyncio.get_running_loop()
    cpu, began = server.cpu, time.monotonic()
    peers = await connect(
        partial(Counter, request, loop), request.port, len(peers), at_once=len(peers)
    )
    seconds = time.monotonic() - began
    return _Found(seconds, 1e6 * (server.cpu - cpu) / len(peers)), peers


async def measure(rounds: int, size: Size) -> list[Measure]:
    """Both servers in turn: seconds until all is well, and CPU for each client."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        base, service = stack.enter_context(bare()), stack.enter_context(local_service())
        crowd = ReliableCrowd(service, size)
        await crowd.open()
        peers = await connect(partial(Counter, base.receiver(), loop), base.port, size.clients)
        of_bare, of_service = [], []
        for _ in range(rounds):
            found, peers = await _reconnect(base, peers)
            of_bare.append(found)
            of_service.append(await crowd.storm())
        lost = crowd.lost()
        await crowd.disconnect()
        await disconnect(peers)
    times = Comparison.of([one.seconds for one in of_bare], [one.seconds for one in of_service])
    costs = Comparison.of([one.micros for one in of_bare], [one.micros for one in of_service])
    name = f"recovery storm, {size.clients:,} clients"
    return [
        Measure(f"{name}: all are back", "s", times, "under 1 s, none lost", lost),
        Measure(f"{name}: CPU each", "µs", costs, lost=lost),
    ]
