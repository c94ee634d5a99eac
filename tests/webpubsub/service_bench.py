"""A local service that device scripts can command while they talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from localhub import LocalHub

from tests.support.protocol import ROLES

HUB = "chargers"
CONFIG = {"hubs": [{"name": HUB, "anonymous_connect_policy": "allow"}, {"name": "closed"}]}


class Bench:
    """The service, and a TCP port that takes one JSON command in a line: [name, argument...].

    Commands are the methods of LocalHub.control and those of this class that begin with `do_`.
    """

    def __init__(self, hub: LocalHub) -> None:
        self.hub = hub
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What the device script needs to know."""
        url = self.hub.client_url(HUB, user_id="cp-7", roles=ROLES)
        return {
            "ENDPOINT": self.hub.endpoint,
            "CONTROL": str(self.port),
            "URL": url,
            "POWERLESS_URL": self.hub.client_url(HUB, user_id="cp-8"),
            "FAULTS": self.hub.faults_url or "",
            "EXPIRED_URL": self.hub.client_url(HUB, user_id="cp-9", lifetime=-600),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Execute commands until the device hangs up."""
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                name, *arguments = json.loads(line)
                function = getattr(self, "do_" + name, None) or getattr(self.hub.control, name)
                result = function(*arguments)
                writer.write(json.dumps(result).encode() + b"\n")
        writer.close()

    def abort(self) -> None:
        """Hang up on every device."""
        for writer in self._writers:
            writer.transport.abort()

    def do_sessions(self) -> list[dict[str, Any]]:
        """All connections, as far as JSON can say."""
        return [
            {"id": info.id, "groups": sorted(info.groups), "detached": info.detached}
            for info in self.hub.control.connections(HUB)
        ]

    def do_publish(self, group: str, first: int, count: int) -> None:
        """Publish numbers to a group."""
        for number in range(first, first + count):
            self.hub.control.send(HUB, number, group=group)

    def do_publish_text(self, group: str, size: int) -> None:
        """Publish one text of so many characters to a group."""
        self.hub.control.send(HUB, "x" * size, group=group)

    def do_tell(self, connection_id: str, content: Any) -> None:
        """Send a server message."""
        self.hub.control.send(HUB, content, connection_id=connection_id)


@contextlib.asynccontextmanager
async def running_bench(config: dict[str, Any] = CONFIG) -> AsyncIterator[Bench]:
    """A bench for as long as the context lasts."""
    async with LocalHub(config) as hub:
        bench = Bench(hub)
        server = await asyncio.start_server(bench.serve, "127.0.0.1", 0)
        bench.port = server.sockets[0].getsockname()[1]
        try:
            yield bench
        finally:
            server.close()
            bench.abort()
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def bench_environment() -> AsyncIterator[dict[str, str]]:
    """The environment of a script, with a service of its own."""
    async with running_bench() as bench:
        yield bench.environment
