"""Slow readers: some clients stop reading, and the others must not notice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from .results import Comparison, Measure, percentile
from .servers import Bare, LocalService, UpgradeRequest, bare, local_service
from .wire import Counter, Peer, Silent, client_frame, connect, disconnect

_SMALL_BUFFER = 4096
_SAMPLE_INTERVAL = 0.25
# What is under way when the last message was sent may still arrive, and counts.
_GRACE = 1.0
# Later it does not count, but it is not lost; nor is the news of why a connection ended.
_LATE = 10.0


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        slow: clients that stop reading.
        others: clients that read.
        rate: deliveries to the others in a second.
        payload: bytes in a message.
        seconds: for how long.
    """

    slow: int = 50
    others: int = 200
    rate: int = 10_000
    payload: int = 16384
    seconds: float = 8.0


class Reader(Peer):
    """Notes how long each message took; they come in order."""

    def __init__(
        self, request: UpgradeRequest, loop: asyncio.AbstractEventLoop, sent: list[float]
    ) -> None:
        super().__init__(request, loop)
        self._sent = sent
        self.delays: list[float] = []

    def message(self, payload: bytes) -> None:
        """One more."""
        self.delays.append(time.monotonic() - self._sent[len(self.delays)])


@dataclass(frozen=True)
class _Found:
    """Deliveries to the others in a second, how many they lack, p99 in ms, KiB per slow one."""

    rate: float
    missing: int
    p99: float
    kib: float


@dataclass
class Office:
    """An event handler that learns why connections end."""

    reasons: Tally[str] = field(default_factory=Tally)

    async def _allow(self, request: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": "*"})

    async def _note(self, request: web.Request) -> web.Response:
        self.reasons[(await request.json())["reason"]] += 1
        return web.Response(status=204)

    async def slow_clients(self, expected: int) -> int:
        """How many connections ended because they were slow; waits for those expected."""
        await _until(lambda: self.reasons["SlowClient"] >= expected)
        return self.reasons["SlowClient"]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """At work; gives its URL."""
        app = web.Application()
        app.add_routes([web.options("/", self._allow), web.post("/", self._note)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()


async def _run(server: Bare | LocalService, size: Size) -> _Found:
    loop = asyncio.get_running_loop()
    sent: list[float] = []
    request, speaker = server.receiver(), server.publisher()
    readers = await connect(lambda: Reader(request, loop, sent), request.port, size.others)
    lazy = await connect(
        partial(Counter, request, loop), request.port, size.slow, receive_buffer=_SMALL_BUFFER
    )
    for one in lazy:
        one.stop_reading()
    [publisher] = await connect(lambda: Silent(speaker, loop), speaker.port)
    frame = client_frame(server.publish("x" * size.payload))
    sampler = asyncio.create_task(_most_memory(server))
    try:
        await _publish_steadily(publisher, frame, sent, size)
    finally:
        sampler.cancel()
        kept = await sampler
    delays = [delay for reader in readers for delay in reader.delays]
    if isinstance(server, LocalService):
        await _until(lambda: all(len(reader.delays) == len(sent) for reader in readers))
    missing = sum(len(sent) - len(reader.delays) for reader in readers)
    await disconnect((*readers, *lazy, publisher))
    return _Found(
        len(delays) / size.seconds,
        missing,
        1000 * percentile(delays, 99) if len(delays) > 1 else float("inf"),
        kept / 1024 / size.slow,
    )


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that may be late."""
    deadline = time.monotonic() + _LATE
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


async def _publish_steadily(
    publisher: Silent, frame: bytes, sent: list[float], size: Size
) -> None:
    interval = size.others / size.rate
    began = time.monotonic()
    for number in range(round(size.seconds / interval)):
        await asyncio.sleep(began + number * interval - time.monotonic())
        sent.append(time.monotonic())
        publisher.write(frame)
    await asyncio.sleep(_GRACE)


async def _most_memory(server: Bare | LocalService) -> int:
    """Bytes that a server needed beyond those at the start, at its worst."""
    before = most = server.memory
    try:
        while True:
            await asyncio.sleep(_SAMPLE_INTERVAL)
            most = max(most, server.memory)
    except asyncio.CancelledError:
        return most - before


async def measure(rounds: int, size: Size) -> list[Measure]:
    """Both servers in turn, each new."""
    of_bare, of_service, closed = [], [], []
    for _ in range(rounds):
        with bare() as server:
            of_bare.append(await _run(server, size))
        office = Office()
        async with office.open() as url:
            with local_service(url) as service:
                of_service.append(await _run(service, size))
                closed.append(await office.slow_clients(size.slow))
    lost = sum(one.missing for one in of_service)
    rates = Comparison.of(
        [one.rate for one in of_bare], [one.rate for one in of_service], more_is_better=True
    )
    p99 = Comparison.of([one.p99 for one in of_bare], [one.p99 for one in of_service])
    memory = Comparison.of([one.kib for one in of_bare], [one.kib for one in of_service])
    name = f"{size.slow} slow readers"
    notes = {
        "offered": f"{size.rate:,}/s",
        "closed as SlowClient": f"{min(closed)} of {size.slow}",
    }
    return [
        Measure(
            f"{name}: the others' rate",
            "1/s",
            rates,
            f"at least {0.97 * size.rate:,.0f}",
            lost,
            notes,
        ),
        # The baseline's figures are those of the few messages that came, and of waiting.
        Measure(f"{name}: the others' p99", "ms", p99, "under 60 ms", plotted=False),
        Measure(f"{name}: memory for each", "KiB", memory, plotted=False),
    ]
