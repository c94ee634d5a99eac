"""TCP proxies between a device and a service: what passes is counted, and connections are cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# struct linger: on, zero seconds. Closing then resets the connection.
_RESET = struct.pack("ii", 1, 0)


def end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """End one direction with FIN, or the connection with RST."""
    raw: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, RuntimeError):
        if reset:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        elif not writer.transport.is_closing():
            writer.write_eof()


class TcpProxy:
    """Listens on loopback and passes connections on to a server; a subclass says how.

    Attributes:
        port: where it listens.
        target: port of the server; None refuses connections.
    """

    def __init__(self, target: int | None = None) -> None:
        self.target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect((reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, near: Streams) -> None:
        if self.target is None:
            end(near[1], reset=True)
            return
        far = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await self._pass_on(near, far)
        finally:
            for side in (near[1], far[1]):
                side.close()

    async def _pass_on(self, near: Streams, far: Streams) -> None:
        """Let bytes through until the connection is to end; it is closed after that."""
        raise NotImplementedError


class Traffic:
    """What passed through one connection.

    Attributes:
        up, down: bytes from and to the device.
        turns: how often the direction changed from up to down: the round trips after TCP's own.
    """

    def __init__(self) -> None:
        self.up = self.down = self.turns = 0
        self._upwards = False

    def add(self, count: int, upwards: bool) -> None:
        """Count a piece."""
        if upwards:
            self.up += count
        else:
            self.down += count
            self.turns += self._upwards
        self._upwards = upwards


class CountingProxy(TcpProxy):
    """Counts what passes, and ends connections after some bytes.

        async with CountingProxy() as proxy:
            proxy.target = port

    Attributes:
        connections: the traffic of each connection, in order.
        cuts: how many connections were cut.
        cut: asked for each new connection: after how many bytes of both directions together it
            ends, and whether with a reset; None lets it live.
    """

    def __init__(self, cut: Callable[[], tuple[int, bool] | None] = lambda: None) -> None:
        super().__init__()
        self.connections: list[Traffic] = []
        self.cuts = 0
        self.cut = cut

    async def _pass_on(self, near: Streams, far: Streams) -> None:
        traffic = Traffic()
        self.connections.append(traffic)
        limits = self.cut()
        limit = limits[0] if limits else None

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: bool) -> None:
            while True:
                left = 65536 if limit is None else limit - traffic.up - traffic.down
                if left <= 0:
                    return
                data = await source.read(left)
                if not data:
                    return
                traffic.add(len(data), up)
                sink.write(data)
                await sink.drain()

        pumps = [
            asyncio.create_task(pump(near[0], far[1], True)),
            asyncio.create_task(pump(far[0], near[1], False)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump_task in done:
                pump_task.exception()
        finally:
            for pump_task in pumps:
                pump_task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            if limit is not None and traffic.up + traffic.down >= limit:
                self.cuts += 1
                if limits and limits[1]:
                    for side in (near[1], far[1]):
                        end(side, reset=True)
