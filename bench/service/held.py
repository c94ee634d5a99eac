"""Connections held: what each costs to open, and to keep in memory while it says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from ..measure import ROOT
from .results import Comparison, Measure
from .servers import (
    PLAIN,
    RELIABLE,
    Bare,
    BenchError,
    LocalService,
    UpgradeRequest,
    bare,
    first_line,
    local_service,
)
from .wire import Counter, Silent, client_frame, connect, disconnect

CONNECT_TIMEOUT = 120.0
_SETTLE = 0.5
# Descriptors that a server needs beside its connections.
_OTHERS = 100


@dataclass(frozen=True)
class Size:
    """How much is measured: connections, and the client processes that hold them."""

    connections: int = 10_000
    processes: int = 2


def possible(wanted: int) -> tuple[int, str]:
    """How many connections a server can hold, and a word about the limit of open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= wanted + _OTHERS:
        return wanted, f"{hard:,}"
    fewer = max(1, hard - _OTHERS)
    return fewer, f"{hard:,}, so {fewer:,} instead of {wanted:,}: raise `ulimit -Hn`"


class Holder:
    """A process that holds connections."""

    def __init__(self, requests: Sequence[UpgradeRequest]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.service.holder"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._write(json.dumps([asdict(request) for request in requests]))

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_connected(self) -> None:
        """Until all of its connections stand."""
        if first_line(self._process, CONNECT_TIMEOUT).strip() != "connected":
            raise BenchError("a client process could not connect: see above")

    def received_once(self) -> int:
        """How many of its connections are open and have got exactly one message."""
        self._write("count")
        return int(first_line(self._process, CONNECT_TIMEOUT))

    def end(self) -> None:
        """Lose all connections."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def _holders(requests: Sequence[UpgradeRequest], processes: int) -> Iterator[list[Holder]]:
    with ExitStack() as stack:
        holders = []
        for number in range(processes):
            holders.append(Holder(requests[number::processes]))
            stack.callback(holders[-1].end)
        for holder in holders:
            holder.wait_connected()
        yield holders


@dataclass(frozen=True)
class _Found:
    kib: float
    micros: float
    lost: int


@dataclass(frozen=True)
class _What:
    name: str
    unit: str
    goal: str
    read: Callable[[_Found], float]


_WHAT = (
    _What("memory each", "KiB", "ratio at least 0.67", lambda one: one.kib),
    _What("opening, CPU each", "µs", "", lambda one: one.micros),
)


def _hold(
    server: Bare | LocalService, requests: Sequence[UpgradeRequest], processes: int
) -> _Found:
    frame = client_frame(server.publish("x"))
    count = len(requests)
    # What the first connection and the first message load is not the cost of any other.
    asyncio.run(_publish(server, requests[0], frame))
    memory, cpu = server.memory, server.cpu
    with _holders(requests, processes) as holders:
        cpu = server.cpu - cpu
        time.sleep(_SETTLE)
        memory = server.memory - memory
        asyncio.run(_publish(server, requests[0], frame))
        deadline = time.monotonic() + 10
        reached = 0
        while reached < count and time.monotonic() < deadline:
            reached = sum(holder.received_once() for holder in holders)
    return _Found(memory / 1024 / count, 1e6 * cpu / count, count - reached)


async def _publish(server: Bare | LocalService, request: UpgradeRequest, frame: bytes) -> None:
    """One message to all; returns when a receiver of our own has it."""
    loop = asyncio.get_running_loop()
    [receiver] = await connect(lambda: Counter(request, loop), request.port)
    speaker = server.publisher()
    [publisher] = await connect(lambda: Silent(speaker, loop), speaker.port)
    publisher.write(frame)
    deadline = time.monotonic() + 30
    while not receiver.count and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await disconnect((receiver, publisher))


async def measure(rounds: int, size: Size) -> list[Measure]:
    """New processes in turn; memory in KiB and CPU in µs for each connection."""
    return await asyncio.to_thread(_measure, rounds, size)


def _measure(rounds: int, size: Size) -> list[Measure]:
    count, limit = possible(size.connections)
    found: dict[str, list[_Found]] = {"bare": [], "plain": [], "reliable": []}
    for _ in range(rounds):
        with bare() as server:
            found["bare"].append(_hold(server, [server.receiver()] * count, size.processes))
        for name, subprotocol in (("plain", PLAIN), ("reliable", RELIABLE)):
            with local_service() as service:
                # Each client has a token of its own: the service knows those it has checked.
                requests = [service.receiver(subprotocol, f"user-{n}") for n in range(count)]
                found[name].append(_hold(service, requests, size.processes))
    return [
        Measure(
            f"{count:,} connections, {name}: {what.name}",
            what.unit,
            Comparison.of(
                [what.read(one) for one in found["bare"]], [what.read(one) for one in several]
            ),
            what.goal,
            max(one.lost for one in several),
            {"open files": limit},
        )
        for name, several in found.items()
        if name != "bare"
        for what in _WHAT
    ]
