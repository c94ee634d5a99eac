"""Sends over HTTP: keep-alive connections, each with one call at a time. One client receives."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from .results import Comparison, Measure
from .servers import HOST, Bare, BenchError, LocalService, bare, local_service
from .wire import Counter, connect, disconnect

RUN_TIMEOUT = 60.0
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
# A token names the second of its making; the SDKs make one for each call.
_TOKEN_AGE = 1.0


@dataclass(frozen=True)
class Size:
    """How much is measured: `calls` with `payload` bytes over each of the connections."""

    connections: int = 8
    payload: int = 128
    calls: int = 500


class Caller(asyncio.Protocol):
    """Makes the next call when the last one is answered."""

    def __init__(self, server: Bare | LocalService, data: str) -> None:
        self._server = server
        self._data = data
        self._request = b""
        self._made = 0.0
        self._left = 0
        self._answer = b""
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None

    def start(self, calls: int) -> asyncio.Future[None]:
        """Make that many; the future is done when all are answered."""
        self._left = calls
        self._done = asyncio.get_running_loop().create_future()
        self._call()
        return self._done

    def _call(self) -> None:
        now = time.monotonic()
        if now - self._made > _TOKEN_AGE:
            self._made, self._request = now, self._server.post(self._data)
        assert self._transport is not None
        self._transport.write(self._request)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to call."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up, or we did."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(BenchError("the server closed a keep-alive connection"))

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._answer = b""
        assert self._done is not None
        if not head.startswith(b"HTTP/1.1 202 "):
            self._done.set_exception(BenchError(f"refused: {head[:100]!r} {body[:200]!r}"))
            return
        self._left -= 1
        if self._left:
            self._call()
        else:
            self._done.set_result(None)


class Office:
    """Callers and a receiver at one server."""

    def __init__(self, server: Bare | LocalService) -> None:
        self.server = server
        self._callers: list[Caller] = []
        self._sent = 0

    async def open(self, connections: int, data: str) -> None:
        """Connect everybody."""
        loop = asyncio.get_running_loop()
        request = self.server.receiver()
        [self._receiver] = await connect(lambda: Counter(request, loop), request.port)
        for _ in range(connections):
            _, caller = await loop.create_connection(
                lambda: Caller(self.server, data), HOST, self.server.port
            )
            self._callers.append(caller)

    async def run(self, calls: int) -> float:
        """CPU of the server for one call, in microseconds."""
        before = self.server.cpu
        waiting = asyncio.gather(*(caller.start(calls) for caller in self._callers))
        await asyncio.wait_for(waiting, RUN_TIMEOUT)
        self._sent += calls * len(self._callers)
        return 1e6 * (self.server.cpu - before) / (calls * len(self._callers))

    async def close(self) -> int:
        """Hang up; gives the number of messages that did not arrive."""
        deadline = time.monotonic() + 5
        while self._receiver.count < self._sent and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for caller in self._callers:
            caller.close()
        await disconnect([self._receiver])
        return abs(self._sent - self._receiver.count)


async def measure(rounds: int, size: Size) -> list[Measure]:
    """Both servers in turn. The baseline checks no token."""
    with ExitStack() as stack:
        base = Office(stack.enter_context(bare()))
        service = Office(stack.enter_context(local_service()))
        found: dict[Office, list[float]] = {base: [], service: []}
        for office in found:
            await office.open(size.connections, "x" * size.payload)
            await office.run(max(1, size.calls // 10))
        for _ in range(rounds):
            for office, values in found.items():
                values.append(await office.run(size.calls))
        lost = [await office.close() for office in found]
    ratio = Comparison.of(found[base], found[service])
    return [Measure(f"REST send, {size.connections} connections", "µs", ratio, lost=lost[1])]
