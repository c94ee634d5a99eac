"""The operator: a client on the laptop that sees telemetry and gives commands."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from webpubsub import WebPubSubClient

from ..errors import HubtoolError
from ..secrets import Secret

USER_ID = "operator"
COMMANDS, REPLIES, TELEMETRY = "commands", "replies", "telemetry"
ROLES = (f"webpubsub.sendToGroup.{COMMANDS}",)
GROUPS = (TELEMETRY, REPLIES)


class Operator:
    """Counts telemetry by device, and waits for the answers to its commands.

    To be made inside a running event loop.

    Args:
        client: an open WebPubSubClient.
        on_telemetry: called with device and message.
    """

    def __init__(self, client: Any, on_telemetry: Callable[[str, dict[str, Any]], None]) -> None:
        self._client = client
        self._on_telemetry = on_telemetry
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.telemetry: dict[str, int] = {}
        self.listening = asyncio.create_task(self._listen())

    def check(self) -> None:
        """See that messages are still being taken.

        Raises:
            HubtoolError: they are not; the text says why.
        """
        if self.listening.done() and not self.listening.cancelled():
            error = self.listening.exception()
            raise HubtoolError(f"the operator's connection ended: {error or 'it was closed'}")

    async def _listen(self) -> None:
        async for message in self._client:
            data = message.data
            if not isinstance(data, dict) or "device" not in data:
                continue
            if message.group == TELEMETRY:
                device = str(data["device"])
                self.telemetry[device] = self.telemetry.get(device, 0) + 1
                self._on_telemetry(device, data)
            elif message.group == REPLIES:
                waiting = self._waiting.pop(str(data.get("reply")), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(data)

    async def command(
        self, device: str, name: str, arguments: dict[str, Any] | None = None, timeout: float = 10
    ) -> tuple[dict[str, Any], float]:
        """Give a command to one device.

        Returns:
            The answer, and the seconds until it was there.

        Raises:
            TimeoutError: no answer came within `timeout` seconds.
        """
        number = f"demo-{next(self._numbers)}"
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message: dict[str, Any] = {"command": name, "id": number, "device": device}
        if arguments:
            message["arguments"] = arguments
        started = time.perf_counter()
        try:
            await self._client.send_to_group(COMMANDS, message)
            return await asyncio.wait_for(answer, timeout), time.perf_counter() - started
        finally:
            self._waiting.pop(number, None)


@asynccontextmanager
async def operating(
    url: Secret, on_telemetry: Callable[[str, dict[str, Any]], None]
) -> AsyncIterator[Operator]:
    """Connect an operator, and listen as long as the block lasts.

    Raises:
        HubtoolError: the service does not let it in.
    """
    client = WebPubSubClient(url.get_secret_value())
    try:
        await client.open()
    except OSError as error:
        raise HubtoolError(f"the operator could not connect: {error}") from None
    operator = Operator(client, on_telemetry)
    try:
        yield operator
    finally:
        await client.close()
        operator.listening.cancel()
        await asyncio.gather(operator.listening, return_exceptions=True)
