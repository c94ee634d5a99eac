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

from .results import Measure, Ratio
from .servers import RELIABLE, Bare, BenchError, Door, LocalService, bare, local_service
from .wire import Counter, Peer, Silent, client_frame, connect, part

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


class Link(Peer):
    """One connection of a session; acknowledges the first message it gets, as clients do."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop, session: Session) -> None:
        super().__init__(door, loop)
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
        self._links: list[Link] = []
        self._published = 0
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Connect everybody."""
        door, speaker = self._service.receiver(RELIABLE), self._service.publisher()
        self._links = await connect(
            lambda: Link(door, self._loop, Session()), door.port, self._size.clients
        )
        for link in self._links:
            link.session.greeted(link.opened.result())
        [self._publisher] = await connect(lambda: Silent(speaker, self._loop), speaker.port)

    def _publish(self) -> None:
        self._published += self._size.messages
        self._publisher.write(self._frame * self._size.messages)

    async def storm(self) -> _Found:
        """Cut all, publish, and let all recover."""
        self._publish()
        await asyncio.sleep(0.005)
        for link in self._links:
            link.reset()
        self._publish()
        await asyncio.sleep(1)
        cpu, began = self._service.cpu, time.monotonic()
        self._links = await asyncio.gather(*(self._recover(one.session) for one in self._links))
        while any(one.session.last < self._published for one in self._links):
            if time.monotonic() - began > STORM_TIMEOUT:
                raise BenchError(f"not all messages came back within {STORM_TIMEOUT:.0f} s")
            await asyncio.sleep(0.002)
        seconds = time.monotonic() - began
        return _Found(seconds, 1e6 * (self._service.cpu - cpu) / len(self._links))

    async def _recover(self, session: Session) -> Link:
        door = self._service.recovery(session.connection_id, session.token)
        [link] = await connect(lambda: Link(door, self._loop, session), door.port)
        return link

    def lost(self) -> int:
        """Messages that no client should have missed."""
        return sum(link.session.lost for link in self._links)

    async def part(self) -> None:
        """Everybody leaves."""
        await part((*self._links, self._publisher))


async def _reconnect(server: Bare, peers: list[Counter]) -> tuple[_Found, list[Counter]]:
    """Cut all and let all connect again."""
    for peer in peers:
        peer.reset()
    await asyncio.sleep(1)
    door, loop = server.receiver(), asyncio.get_running_loop()
    cpu, began = server.cpu, time.monotonic()
    peers = await connect(partial(Counter, door, loop), door.port, len(peers), at_once=len(peers))
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
        await crowd.part()
        await part(peers)
    times = Ratio.of([one.seconds for one in of_bare], [one.seconds for one in of_service])
    costs = Ratio.of([one.micros for one in of_bare], [one.micros for one in of_service])
    name = f"recovery storm, {size.clients:,} clients"
    return [
        Measure(f"{name}: all are back", "s", times, "under 1 s, none lost", lost),
        Measure(f"{name}: CPU each", "µs", costs, lost=lost),
    ]
