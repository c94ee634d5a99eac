"""The other end: whoever publishes to the devices, and whoever takes down what they say.

Neither shares a line of code with the device client, and both talk to the service directly.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from types import TracebackType
from typing import Any, Protocol

from azure.messaging.webpubsubclient.aio import WebPubSubClient as MicrosoftClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.protocol import JSON

# Otherwise it says on stderr that it is being closed.
logging.getLogger("azure.messaging.webpubsubclient").setLevel(logging.CRITICAL)

Records = dict[str, list[dict[str, Any]]]


class Peer(Protocol):
    """A client that joins groups and publishes JSON.

    Attributes:
        received: what came, by group, in order.
    """

    received: Records

    async def join(self, group: str) -> None: ...

    async def publish(self, group: str, content: dict[str, Any]) -> None: ...

    async def __aenter__(self) -> Peer: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class WebSocketPeer:
    """On a bare WebSocket of the `websockets` package, with the plain JSON subprotocol."""

    def __init__(self, url: str) -> None:
        self.received: Records = defaultdict(list)
        self._url = url
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._last = 0

    async def __aenter__(self) -> WebSocketPeer:
        self._ws: ClientConnection = await connect(
            self._url, subprotocols=[Subprotocol(JSON)], compression=None
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._ws.close()
        await self._reading

    async def _read(self) -> None:
        async for text in self._ws:
            frame = json.loads(text)
            if frame["type"] == "ack":
                answer = self._answers.pop(frame["ackId"])
                if frame["success"]:
                    answer.set_result(None)
                else:
                    answer.set_exception(RuntimeError(str(frame["error"])))
            elif frame["type"] == "message" and frame["from"] == "group":
                self.received[frame["group"]].append(frame["data"])

    async def _ask(self, **frame: Any) -> None:
        self._last += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._last] = answer
        await self._ws.send(json.dumps({**frame, "ackId": self._last}))
        await asyncio.wait_for(answer, 30)

    async def join(self, group: str) -> None:
        """Join a group; returns when the service has acknowledged."""
        await self._ask(type="joinGroup", group=group)

    async def publish(self, group: str, content: dict[str, Any]) -> None:
        """Publish; returns when the service has acknowledged."""
        await self._ask(
            type="sendToGroup", group=group, noEcho=True, dataType="json", data=content
        )


class MicrosoftPeer:
    """Microsoft's client SDK for Python, unmodified, with the reliable JSON subprotocol."""

    def __init__(self, url: str) -> None:
        self.received: Records = defaultdict(list)
        self._client = MicrosoftClient(url)

    async def __aenter__(self) -> MicrosoftPeer:
        async def record(event: Any) -> None:
            self.received[event.group].append(event.data)

        await self._client.subscribe(CallbackType.GROUP_MESSAGE, record)
        await self._client.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def join(self, group: str) -> None:
        """Join a group; returns when the service has acknowledged."""
        await self._client.join_group(group)

    async def publish(self, group: str, content: dict[str, Any]) -> None:
        """Publish; returns when the service has acknowledged."""
        await self._client.send_to_group(group, content, WebPubSubDataType.JSON, no_echo=True)
