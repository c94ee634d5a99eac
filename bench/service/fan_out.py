"""Fan-out: one publisher, many receivers, W messages in flight.

A message is in flight until every receiver has it; then the publisher sends the next one. What
becomes due in one turn of the client's event loop leaves in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from .results import Comparison, Measure
from .servers import RELIABLE, Bare, BenchError, LocalService, UpgradeRequest, bare, local_service
from .wire import Peer, Silent, client_frame, connect, disconnect

RUN_TIMEOUT = 120.0
# Reliable clients acknowledge as Azure's SDKs do, every second, and before the 1,000 messages
# are reached that the service keeps for each of them.
ACK_INTERVAL = 1.0
_ACK_AT_LATEST = 250
_GOALS = {
    ("plain", 1): "ratio at least 1.0",
    ("reliable", 1): "ratio at least 0.7",
    ("plain", 16): "ratio at least 1.0",
    ("reliable", 16): "ratio at least 0.8",
}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        clients: receivers.
        payload: bytes in one message.
        messages: for each number in flight, how many messages make one run of the baseline,
            and of the service.
    """

    clients: int = 1000
    payload: int = 128
    messages: tuple[tuple[int, int, int], ...] = ((1, 150, 150), (16, 150, 480))


class Receiver(Peer):
    """Counts messages; acknowledges them if `reliable`."""

    def __init__(
        self, request: UpgradeRequest, loop: asyncio.AbstractEventLoop, crowd: Crowd
    ) -> None:
        super().__init__(request, loop)
        self._crowd = crowd
        self._reliable = request.subprotocol == RELIABLE
        self.count = 0
        self.acknowledged = 0

    def message(self, payload: bytes) -> None:
        """One more."""
        number = self.count
        self.count = number + 1
        self._crowd.got(number)
        if number - self.acknowledged >= _ACK_AT_LATEST:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Everything so far, if that is expected."""
        if self._reliable and self.count > self.acknowledged:
            self.acknowledged = self.count
            # Nothing was ever lost on this connection: the count is the last sequenceId.
            self.write(client_frame(f'{{"type":"sequenceAck","sequenceId":{self.count}}}'))


class Crowd:
    """A publisher and its receivers at one server."""

    def __init__(self, server: Bare | LocalService, frame: bytes) -> None:
        self.server = server
        self._loop = asyncio.get_running_loop()
        self._frame = frame
        self.receivers: list[Receiver] = []
        self._publisher: Silent | None = None
        # By number of the message: how many receivers do not have it yet.
        self._missing: list[int] = []
        self._unsent = 0
        self._due = 0
        self._incomplete = 0
        self._done: asyncio.Future[None] | None = None

    async def gather(self, request: UpgradeRequest, publisher: UpgradeRequest, count: int) -> None:
        """Connect everybody."""
        self.receivers = await connect(
            lambda: Receiver(request, self._loop, self), request.port, count
        )
        [self._publisher] = await connect(lambda: Silent(publisher, self._loop), publisher.port)

    async def run(self, messages: int, in_flight: int) -> float:
        """CPU of the server for one delivery, in microseconds.

        Raises:
            BenchError: messages are missing.
        """
        self._missing += [len(self.receivers)] * messages
        self._unsent = self._incomplete = messages
        self._done = self._loop.create_future()
        ticker = self._loop.create_task(self._acknowledge_often())
        before = self.server.cpu
        self._publish_soon(min(in_flight, messages))
        try:
            await asyncio.wait_for(self._done, RUN_TIMEOUT)
        except TimeoutError:
            lost = sum(self._missing)
            raise BenchError(f"{lost} deliveries are missing after {RUN_TIMEOUT} s") from None
        finally:
            ticker.cancel()
        return 1e6 * (self.server.cpu - before) / (messages * len(self.receivers))

    def got(self, number: int) -> None:
        """A receiver has a message."""
        missing = self._missing
        missing[number] -= 1
        if not missing[number]:
            self._incomplete -= 1
            if self._unsent:
                self._publish_soon(1)
            elif not self._incomplete and self._done is not None:
                self._done.set_result(None)

    def _publish_soon(self, messages: int) -> None:
        if not self._due:
            self._loop.call_soon(self._publish)
        self._due += messages
        self._unsent -= messages

    def _publish(self) -> None:
        due, self._due = self._due, 0
        assert self._publisher is not None
        self._publisher.write(self._frame * due)

    async def _acknowledge_often(self) -> None:
        while True:
            await asyncio.sleep(ACK_INTERVAL)
            for receiver in self.receivers:
                receiver.acknowledge()

    def lost(self) -> int:
        """Deliveries that are missing, or too many."""
        return sum(abs(len(self._missing) - receiver.count) for receiver in self.receivers)

    async def disconnect(self) -> None:
        """Everybody leaves."""
        await disconnect(self.receivers)
        if self._publisher is not None:
            await disconnect([self._publisher])


async def measure(rounds: int, size: Size) -> list[Measure]:
    """Plain and reliable beside the baseline, in turn; CPU of the server per delivery in µs."""
    data = "x" * size.payload
    with ExitStack() as stack:
        base = stack.enter_context(bare())
        services = {
            "plain": stack.enter_context(local_service()),
            "reliable": stack.enter_context(local_service()),
        }
        crowd = Crowd(base, client_frame(base.publish(data)))
        await crowd.gather(base.receiver(), base.publisher(), size.clients)
        crowds = {"bare": crowd}
        for name, service in services.items():
            crowds[name] = crowd = Crowd(service, client_frame(service.publish(data)))
            request = service.receiver(RELIABLE) if name == "reliable" else service.receiver()
            await crowd.gather(request, service.publisher(), size.clients)
        found = await _in_turn(crowds, rounds, size.messages)
        lost = {name: crowd.lost() for name, crowd in crowds.items()}
        for crowd in crowds.values():
            await crowd.disconnect()
    return [
        Measure(
            name=f"fan-out, {name}, {in_flight} in flight",
            unit="µs",
            comparison=Comparison.of(found["bare", in_flight], found[name, in_flight]),
            goal=_GOALS.get((name, in_flight), ""),
            lost=lost[name],
        )
        for in_flight, _, _ in size.messages
        for name in services
    ]


async def _in_turn(
    crowds: dict[str, Crowd], rounds: int, plan: Sequence[tuple[int, int, int]]
) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {}
    for crowd in crowds.values():
        await crowd.run(max(1, plan[0][1] // 10), 1)  # warms up what is made at the first use
    for _ in range(rounds):
        for in_flight, of_bare, of_service in plan:
            for name, crowd in crowds.items():
                messages = of_bare if name == "bare" else of_service
                value = await crowd.run(messages, in_flight)
                found.setdefault((name, in_flight), []).append(value)
    return found
