"""The baseline: a bare aiohttp WebSocket server. Prints its port.

`/receive` takes part in broadcasts, `/publish` makes one of every message, `/echo` answers with
the same, and `POST /send` broadcasts its body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import WSMsgType, web

# aiohttp's own 128 would make a thousand clients that come at once wait for a second SYN.
BACKLOG = 1024


class Broadcaster:
    """Sends each text to every receiver, one after the other."""

    def __init__(self) -> None:
        self._receivers: dict[web.WebSocketResponse, None] = {}

    async def receive(self, request: web.Request) -> web.WebSocketResponse:
        """A client that listens."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._receivers[socket] = None
        try:
            async for _ in socket:
                pass
        finally:
            del self._receivers[socket]
        return socket

    async def publish(self, request: web.Request) -> web.WebSocketResponse:
        """A client that speaks to all."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._broadcast(message.data)
        return socket

    async def send(self, request: web.Request) -> web.Response:
        """An application server that speaks to all."""
        await self._broadcast(await request.text())
        return web.Response(status=202)

    async def _broadcast(self, text: str) -> None:
        for receiver in tuple(self._receivers):
            try:
                await receiver.send_str(text)
            except ConnectionError:
                pass  # it is on its way out of the table


async def echo(request: web.Request) -> web.WebSocketResponse:
    """A client that wants its own messages back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def main(tell: Callable[[int], None]) -> None:
    """Serve on a free port until the process is ended."""
    broadcaster = Broadcaster()
    app = web.Application()
    app.add_routes(
        [
            web.get("/receive", broadcaster.receive),
            web.get("/publish", broadcaster.publish),
            web.get("/echo", echo),
            web.post("/send", broadcaster.send),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    tell(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(partial(print, flush=True)))
