"""A TCP proxy that counts what passes, and that cuts connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from types import TracebackType


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


class Proxy:
    """Listens on loopback and passes on to a server.

        async with Proxy() as proxy:
            proxy.target = port

    Attributes:
        port: where it listens.
        target: port of the server; None refuses connections.
        connections: the traffic of each connection, in order.
        cuts: how many connections were cut.
        cut: asked for each new connection: after how many bytes of both directions together it
            ends, and whether with a reset; None lets it live.
    """

    def __init__(self, cut: Callable[[], tuple[int, bool] | None] = lambda: None) -> None:
        self.target: int | None = None
        self.connections: list[Traffic] = []
        self.cuts = 0
        self.cut = cut
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.target is None:
            _reset(writer)
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        traffic = Traffic()
        self.connections.append(traffic)
        limits = self.cut()
        end = limits[0] if limits else None

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: bool) -> None:
            while True:
                left = 65536 if end is None else end - traffic.up - traffic.down
                if left <= 0:
                    return
                data = await source.read(left)
                if not data:
                    return
                traffic.add(len(data), up)
                sink.write(data)
                await sink.drain()

        pumps = [
            asyncio.create_task(pump(reader, far_writer, True)),
            asyncio.create_task(pump(far_reader, writer, False)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump_task in done:
                pump_task.exception()
        finally:
            for pump_task in pumps:
                pump_task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            cut = end is not None and traffic.up + traffic.down >= end
            self.cuts += cut
            for each in (writer, far_writer):
                if cut and limits and limits[1]:
                    _reset(each)
                else:
                    each.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
