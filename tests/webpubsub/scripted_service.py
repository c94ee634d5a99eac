"""A service that says what the path tells it to: for frames that a right service never sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.protocol import JSON, RELIABLE_JSON


def message(sequence_id: int | None, data: Any, **more: Any) -> str:
    """A server message."""
    frame = {"type": "message", "from": "server", "dataType": "json", "data": data, **more}
    if sequence_id is not None:
        frame["sequenceId"] = sequence_id
    return json.dumps(frame)


class ScriptedService:
    """Each `/client/hubs/NAME` is a play of its own; every connection to it is written down.

    A play's first connection gets a connected frame and then its lines; a further one gets a
    connected frame only, a recovery what `_recovered` says.
    """

    def __init__(self) -> None:
        self.port = 0
        self.log: dict[str, list[str]] = {}
        self.frames: dict[str, list[Any]] = {}

    async def serve(self, ws: ServerConnection) -> None:
        """Play."""
        assert ws.request is not None
        url = urlsplit(ws.request.path)
        play, query = url.path.rsplit("/", 1)[1], parse_qs(url.query)
        if play == "log":
            name = query["of"][0]
            report = {"log": self.log.get(name, []), "frames": self.frames.get(name, [])}
            await ws.send(json.dumps(report))
            return
        log = self.log.setdefault(play, [])
        with contextlib.suppress(ConnectionClosed):
            if "awps_connection_id" in query:
                log.append("recover" + (" with token" if "access_token" in query else ""))
                await getattr(self, f"_recover_{play}", self._refuse)(ws)
            else:
                log.append("connect")
                if log.count("connect") == 1:
                    await getattr(self, "_" + play)(ws)
                else:
                    await self._connected(ws, f"c{log.count('connect')}")
            async for text in ws:
                frame = json.loads(text)
                if frame["type"] == "ping":
                    await ws.send('{"type":"pong"}')
                else:
                    self.frames.setdefault(play, []).append(frame)
        log.append(f"closed {ws.close_code}")

    @staticmethod
    async def _connected(ws: ServerConnection, connection_id: str = "c1", **more: Any) -> None:
        frame = {"type": "system", "event": "connected", "connectionId": connection_id}
        await ws.send(json.dumps({**frame, "reconnectionToken": "t+/=", **more}))

    @staticmethod
    async def _refuse(ws: ServerConnection) -> None:
        await ws.close(1008, "no such session")

    async def _say(self, ws: ServerConnection, *lines: str | bytes) -> None:
        await self._connected(ws)
        for line in lines:
            await ws.send(line)

    async def _illegal(self, ws: ServerConnection) -> None:
        await self._say(ws, message(1, "before"), '{"type":"message",')

    _kept = _illegal

    async def _wrong(self, ws: ServerConnection) -> None:
        await self._say(ws, '{"type":"ack","ackId":"x","success":true}')

    async def _badid(self, ws: ServerConnection) -> None:
        await self._say(ws, message(None, 1, sequenceId="first"))

    async def _binary(self, ws: ServerConnection) -> None:
        await self._say(ws, message(1, "before").encode())

    async def _oversized(self, ws: ServerConnection) -> None:
        await self._say(ws, message(1, "x" * 5000))

    async def _deep(self, ws: ServerConnection) -> None:
        nested = "[" * 1800 + "]" * 1800
        await self._say(ws, message(1, 0).replace('"data": 0', f'"data":{nested}'))

    async def _early(self, ws: ServerConnection) -> None:
        await ws.send(message(1, "too early"))

    async def _speechless(self, ws: ServerConnection) -> None:
        """Takes none of our subprotocols."""

    async def _mute(self, ws: ServerConnection) -> None:
        """Never says connected."""

    async def _code(self, ws: ServerConnection, code: int) -> None:
        await self._connected(ws)
        await ws.recv()
        await ws.close(code, "because")

    async def _code1008(self, ws: ServerConnection) -> None:
        await self._code(ws, 1008)

    async def _code1007(self, ws: ServerConnection) -> None:
        await self._code(ws, 1007)

    async def _code1000(self, ws: ServerConnection) -> None:
        await self._code(ws, 1000)

    async def _tokenless(self, ws: ServerConnection) -> None:
        await self._connected(ws, reconnectionToken=None)
        await ws.close(1001, "reload")

    async def _repeats(self, ws: ServerConnection) -> None:
        numbers = (1, 2, 2, 1, 3, 5, 4, 6)
        await self._say(ws, *(message(number, number) for number in numbers))

    async def _unknown(self, ws: ServerConnection) -> None:
        await self._say(
            ws,
            '{"type":"somethingNew","x":[1]}',
            '{"type":"pong"}',
            '{"type":"ack","ackId":999,"success":true}',
            '{"type":"system","event":"somethingNew"}',
            message(1, "\U0001f600 ü", more={"a": 1}),
        )

    async def _renewed(self, ws: ServerConnection) -> None:
        await self._connected(ws)
        await ws.send(message(1, 1))
        ws.transport.abort()

    async def _recover_renewed(self, ws: ServerConnection) -> None:
        # A second connected frame is allowed: a new token, and no news for the program.
        await self._connected(ws, reconnectionToken="t2")
        await ws.send(message(1, 1))
        await ws.send(message(2, 2))

    async def _forgetful(self, ws: ServerConnection) -> None:
        # The link goes before the service has read what the client acknowledges.
        await self._connected(ws)
        for number in (1, 2, 3):
            await ws.send(message(number, number))
        await ws.recv()
        ws.transport.abort()

    async def _recover_forgetful(self, ws: ServerConnection) -> None:
        for number in (1, 2, 3):
            await ws.send(message(number, number))

    async def _swapped(self, ws: ServerConnection) -> None:
        await self._connected(ws)
        await self._answer(ws, 2)
        await ws.send(message(1, "old 1"))
        await ws.send(message(2, "old 2"))
        await ws.recv()  # a request that gets no answer
        ws.transport.abort()

    async def _recover_swapped(self, ws: ServerConnection) -> None:
        # The session is not there any more, and this service begins another one instead.
        await self._connected(ws, "other", reconnectionToken="t2")
        await self._answer(ws, 4)
        await ws.send(message(1, "new 1"))

    async def _answer(self, ws: ServerConnection, most: int) -> None:
        """Acknowledge the next requests; they are written down."""
        async for text in ws:
            frame = json.loads(text)
            if frame["type"] == "ping":
                await ws.send('{"type":"pong"}')
                continue
            self.frames.setdefault("swapped", []).append(frame)
            if "ackId" in frame:
                ack = {"type": "ack", "ackId": frame["ackId"], "success": True}
                await ws.send(json.dumps(ack))
                most -= 1
            if not most:
                return

    async def _stubborn(self, ws: ServerConnection) -> None:
        await self._connected(ws)
        ws.transport.abort()

    async def _recover_stubborn(self, ws: ServerConnection) -> None:
        if self.log["stubborn"].count("recover") < 3:
            ws.transport.abort()


@contextlib.asynccontextmanager
async def scripted_service() -> AsyncIterator[dict[str, str]]:
    """The environment of a script, with a service of its own."""
    service = ScriptedService()

    def select(ws: ServerConnection, offered: Any) -> Any:
        if ws.request is not None and "speechless" in ws.request.path:
            return None
        return next((name for name in offered if name in (RELIABLE_JSON, JSON)), None)

    async with serve(
        service.serve,
        "127.0.0.1",
        0,
        subprotocols=[RELIABLE_JSON, JSON],  # type: ignore[list-item]
        select_subprotocol=select,
        compression=None,
        ping_interval=None,
        close_timeout=2,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield {"ENDPOINT": f"ws://127.0.0.1:{port}"}
        await asyncio.sleep(0)
