"""Publishing with an acknowledgement: every client sends its next message when the last is
acknowledged. The baseline echoes the same text."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from .results import Comparison, Measure
from .servers import Bare, BenchError, LocalService, UpgradeRequest, bare, local_service
from .wire import Peer, client_frame, connect, disconnect

RUN_TIMEOUT = 60.0


@dataclass(frozen=True)
class Size:
    """How much is measured: `messages` of `payload` bytes by each of the clients."""

    clients: int = 50
    payload: int = 128
    messages: int = 300


class Sender(Peer):
    """Sends the next message when the last one is answered."""

    def __init__(
        self, request: UpgradeRequest, loop: asyncio.AbstractEventLoop, data: str
    ) -> None:
        super().__init__(request, loop)
        self._data = data
        self._acknowledged = request.subprotocol is not None
        self._left = 0
        self._ack_id = 0
        self._done: asyncio.Future[None] | None = None

    def start(self, messages: int) -> asyncio.Future[None]:
        """Send that many; the future is done when all are answered."""
        self._left = messages
        self._done = self.opened.get_loop().create_future()
        self._send()
        return self._done

    def _send(self) -> None:
        self._ack_id += 1
        if self._acknowledged:
            text = LocalService.publish(self._data, self._ack_id)
        else:
            text = Bare.publish(self._data)
        self.write(client_frame(text))

    def message(self, payload: bytes) -> None:
        """An answer."""
        assert self._done is not None
        expected = b'"ackId":%d,"success":true' % self._ack_id
        if self._acknowledged and expected not in payload:
            self._done.set_exception(BenchError(f"not acknowledged: {payload[:200]!r}"))
            return
        self._left -= 1
        if self._left:
            self._send()
        else:
            self._done.set_result(None)


async def _run(server: Bare | LocalService, senders: list[Sender], messages: int) -> float:
    """CPU of the server for one message, in microseconds."""
    before = server.cpu
    waiting = asyncio.gather(*(sender.start(messages) for sender in senders))
    await asyncio.wait_for(waiting, RUN_TIMEOUT)
    return 1e6 * (server.cpu - before) / (messages * len(senders))


async def measure(rounds: int, size: Size) -> list[Measure]:
    """Both servers in turn."""
    loop = asyncio.get_running_loop()
    data = "x" * size.payload
    with ExitStack() as stack:
        base, service = stack.enter_context(bare()), stack.enter_context(local_service())
        requests: dict[Bare | LocalService, UpgradeRequest] = {
            base: base.echo(),
            service: service.publisher(),
        }
        crowds: dict[Bare | LocalService, list[Sender]] = {}
        found: dict[Bare | LocalService, list[float]] = {base: [], service: []}
        for server, request in requests.items():
            crowds[server] = await connect(
                partial(Sender, request, loop, data), request.port, size.clients
            )
            await _run(server, crowds[server], max(1, size.messages // 10))
        for _ in range(rounds):
            for server, senders in crowds.items():
                found[server].append(await _run(server, senders, size.messages))
        await disconnect((*crowds[base], *crowds[service]))
    ratio = Comparison.of(found[base], found[service])
    return [Measure(f"publish with ack, {size.clients} clients", "µs", ratio)]
