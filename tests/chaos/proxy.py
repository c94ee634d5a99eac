"""A TCP proxy that cuts connections by plan."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.support.tcp_proxy import Streams, TcpProxy, end

from .wire import IDLE, Conversation

# How long a connection that is to be cut when it is quiet may fail to become so.
_PATIENCE = 2.0
_QUIET = 0.03


@dataclass(frozen=True)
class Cut:
    """How one connection shall end.

    Attributes:
        moment: "bytes": after `after` bytes of one direction. "answer": with an answer due, and
            `within` bytes of what comes down. "quiet": when nothing is on its way.
        up: the direction that counts, and that is cut in mid-item.
        after: bytes that pass before.
        within: see moment.
        reset: RST instead of FIN.
        late: who learns of it only after `delay` seconds: "device", "service" or nobody.
        delay: see late.
    """

    moment: str
    up: bool
    after: int
    within: int
    reset: bool
    late: str
    delay: float


def plan(dice: random.Random) -> Cut:
    """The next cut: every part of a connection's life is hit, and the first bytes often."""
    return Cut(
        moment=dice.choices(("bytes", "answer", "quiet"), (6, 2, 2))[0],
        up=dice.random() < 0.5,
        # A handshake takes hundreds of bytes, with TLS two thousand.
        after=dice.choice((dice.randrange(600), dice.randrange(6000), dice.randrange(3000))),
        within=dice.randrange(60),
        reset=dice.random() < 0.5,
        late=dice.choice(("device", "service", "", "")),
        delay=dice.uniform(0.02, 0.2),
    )


class Proxy(TcpProxy):
    """Passes on to a service, and cuts `cuts` connections.

    Args:
        target: port of the service.
        tls: whether TLS passes.
        cuts: how many.
        seed: of the plan.
        retained: says whether the service keeps a session for the device.

    Attributes:
        phases: how many cuts fell into each phase.
        ways: how many were FIN or RST, upwards or downwards.
        finished: set when all cuts are done.
    """

    def __init__(
        self, target: int, tls: bool, cuts: int, seed: str, retained: Callable[[], bool]
    ) -> None:
        super().__init__(target)
        self.phases: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        self.finished = asyncio.Event()
        self._tls, self._left = tls, cuts
        self._dice = random.Random(seed)
        self._retained = retained

    async def __aenter__(self) -> Self:
        if not self._left:
            self.finished.set()
        return await super().__aenter__()

    async def _pass_on(self, near: Streams, far: Streams) -> None:
        cut = plan(self._dice) if self._left else None
        conversation = Conversation(self._tls, self._retained())
        passage = _Passage(conversation, cut, near, far)
        if await passage.run() and cut is not None and self._left:
            self._left -= 1
            self.phases[conversation.phase] += 1
            self.ways[f"{'RST' if cut.reset else 'FIN'}, {'up' if cut.up else 'down'}"] += 1
            sides = {"device": near[1], "service": far[1]}
            late = sides.pop(cut.late, None)
            for side in sides.values():
                end(side, reset=cut.reset)
            if late is not None:
                await asyncio.sleep(cut.delay)
                end(late, reset=cut.reset)
            if not self._left:
                self.finished.set()
        else:
            for side in (near[1], far[1]):
                end(side, reset=False)
        await asyncio.sleep(0.2)
        # A socket with unread bytes would answer with a reset where FIN was meant; not now.
        for side in (near[1], far[1]):
            side.transport.abort()


class _Passage:
    # What lets bytes through one connection until it is cut, or ended by a peer.
    def __init__(
        self, conversation: Conversation, cut: Cut | None, near: Streams, far: Streams
    ) -> None:
        self._conversation = conversation
        self._cut = cut
        self._near, self._far = near, far
        self._passed = {True: 0, False: 0}
        self._last = time.monotonic()

    async def run(self) -> bool:
        """True when it was the cut that ended it."""
        tasks = [
            asyncio.create_task(self._pump(self._near[0], self._far[1], up=True)),
            asyncio.create_task(self._pump(self._far[0], self._near[1], up=False)),
        ]
        if self._cut is not None and self._cut.moment == "quiet":
            tasks.append(asyncio.create_task(self._quiet()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return any(task.exception() is None and task.result() for task in done)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: bool
    ) -> bool:
        while True:
            if self._allowed(1, up) == 0 and self._cut and self._cut.moment == "bytes":
                return True
            data = await source.read(65536)
            if not data:
                return False
            allowed = self._allowed(len(data), up)
            self._conversation.feed(data[:allowed], up)
            self._passed[up] += allowed
            self._last = time.monotonic()
            sink.write(data[:allowed])
            if allowed < len(data):
                return True
            await sink.drain()

    def _allowed(self, count: int, up: bool) -> int:
        # How many of `count` bytes may pass in this direction.
        cut = self._cut
        if cut is None:
            return count
        if cut.moment == "bytes" and cut.up == up:
            return min(count, cut.after - self._passed[up])
        waits = cut.moment == "answer" and not up and self._conversation.answer_due
        if waits and self._passed[True] + self._passed[False] >= cut.after:
            return min(count, cut.within)
        return count

    async def _quiet(self) -> bool:
        begun = time.monotonic()
        while True:
            await asyncio.sleep(_QUIET / 3)
            now = time.monotonic()
            quiet = now - self._last >= _QUIET and self._conversation.phase == IDLE
            if quiet or now - begun > _PATIENCE:
                return True
