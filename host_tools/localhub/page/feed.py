"""The live feed of one page: a WebSocket that tells what happens and how things are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from .recorder import Recorder, Tape
from .state import View

ROWS_EVERY = 0.1
STATE_EVERY = 1.0
# The same after a connection or a membership began or ended, so that the page shows soon what
# its user has just done.
STATE_SOON = 0.25
_CHANGES = frozenset({"connected", "disconnected", "joined", "left"})
# How long a page may take to read what it was sent, and to answer a ping.
_PATIENCE = 20.0
_MAX_ASKED = 4096

GetState = Callable[[View], dict[str, Any]]


class Feeds:
    """All feeds of a service.

    Args:
        recorder: keeps what happens.
        get_state: how things are, for a view.
        get_start: the first message of a feed.
    """

    # Feeds that may be open; each looks at all connections once a second.
    MAX = 16

    def __init__(
        self, recorder: Recorder, get_state: GetState, get_start: Callable[[], dict[str, Any]]
    ) -> None:
        self._recorder = recorder
        self._get_state = get_state
        self._get_start = get_start
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Feed a page until it leaves."""
        if len(self._open) >= self.MAX:
            text = f"{self.MAX} pages are open: close one of them.\n"
            return web.Response(status=503, text=text)
        socket = web.WebSocketResponse(
            heartbeat=_PATIENCE, timeout=1.0, max_msg_size=_MAX_ASKED, compress=False
        )
        await socket.prepare(request)
        self._open.add(socket)
        feed = _Feed(request, socket, self._recorder, self._get_state)
        try:
            await feed.run(self._get_start())
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Send all pages away; they try to come back."""
        going = [socket.close(code=1001, message=b"The service stops.") for socket in self._open]
        await asyncio.gather(*going, return_exceptions=True)


class _Feed:
    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        recorder: Recorder,
        get_state: GetState,
    ) -> None:
        self._transport = request.transport
        self._socket = socket
        self._recorder = recorder
        self._get_state = get_state
        self._view = View()
        self._state_due = 0.0
        self._state_told = 0.0
        self._state: dict[str, Any] = {}

    async def run(self, start: dict[str, Any]) -> None:
        telling = asyncio.create_task(self._tell(start))
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._listen(message.data)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    def _listen(self, text: str) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            self._view = View.read(json.loads(text))
            self._state_due = 0.0

    async def _tell(self, start: dict[str, Any]) -> None:
        tape = self._recorder.start()
        try:
            await self._send({"start": start})
            while not self._socket.closed:
                await self._send(self._news(tape))
                await asyncio.sleep(ROWS_EVERY)
        except (TimeoutError, ConnectionError):
            # The page does not read: what is under way to it must not stay.
            if self._transport is not None:
                self._transport.abort()
        finally:
            self._recorder.stop(tape)

    def _news(self, tape: Tape) -> dict[str, Any]:
        news: dict[str, Any] = {}
        rows, skipped = tape.take()
        if rows:
            news["rows"] = rows
        if skipped:
            news["skipped"] = skipped
        now = time.monotonic()
        if any(row["kind"] in _CHANGES for row in rows):
            self._state_due = min(self._state_due, self._state_told + STATE_SOON)
        if now >= self._state_due:
            self._state_told = now
            self._state_due = now + STATE_EVERY
            recorder = self._recorder
            news["counts"] = {
                "clock": now,
                "received": recorder.received,
                "delivered": recorder.delivered,
            }
            state = self._get_state(self._view)
            if state != self._state:
                self._state = news["state"] = state
        return news

    async def _send(self, news: dict[str, Any]) -> None:
        if news:
            text = json.dumps(news, separators=(",", ":"))
            await asyncio.wait_for(self._socket.send_str(text), _PATIENCE)
