"""Devices on MicroPython behind cutting proxies, the service, the peers, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localhub import LocalHub

from tests.support.interpreters import micropython_command, micropython_environment

from .access import HUB, ROLES, Access, Onlooker, negotiation
from .peers import MicrosoftPeer, Peer, WebSocketPeer
from .proxy import Proxy
from .verdict import Result, content, judge

HERE = Path(__file__).parent
# How far the publisher may be ahead of a device. Answers come behind the replay: more than one
# life of a connection carries would keep the device's own sends waiting for ever.
_WINDOW = 60
_PATIENCE = 60.0
# After so many seconds without a message, nothing more will come.
_STILL = 8.0
# Seconds for the next sequenceAck, which a timer of one second sends.
_ACK_PATIENCE = 3.0


@dataclass
class Options:
    """What to run.

    Attributes:
        cuts: cuts of all devices together.
        devices: how many run at once.
        seed: of the plan of cuts.
        tls: wss instead of ws.
        sdk: Microsoft's SDK publishes, and records as well.
        expire: sessions that the service is made to lose, per device.
        sabotage: a safeguard that the devices switch off, or "".
        pace: seconds between the bursts of the publisher.
        heap: of each device.
        timeout: seconds until the run counts as hanging.
    """

    cuts: int = 1000
    devices: int = 4
    seed: int = 1
    tls: bool = False
    sdk: bool = False
    expire: int = 0
    sabotage: str = ""
    pace: float = 0.05
    heap: str = "256K"
    timeout: float = 3600.0


class Device:
    """One device script, its proxy, and the diary of both."""

    def __init__(self, number: int, hub: LocalHub, options: Options) -> None:
        self.number = number
        self.asked: list[str] = []  # states in which it asked for a URL
        self.up, self.down = f"up-{number}", f"down-{number}"
        self.published = 0
        self.got: list[int] = []
        self.sessions: list[int] = []  # how many messages were there when a session began
        self.tried: set[int] = set()
        self.acknowledged: set[int] = set()
        self.failed: dict[int, str] = {}  # outcome and error
        self.losses: list[str] = []  # why sessions ended: code and reason
        self.bad = 0
        self.expired = 0
        self.unacknowledged = 0  # messages that it had got, and the service still kept
        self.end: dict[str, int] = {}
        self._ready = asyncio.Event()
        self.other: list[str] = []  # lines that no device should print
        self._hub, self._options = hub, options
        endpoint = hub.tls_endpoint if options.tls else hub.endpoint
        assert endpoint is not None
        port = urlsplit(endpoint).port
        assert port is not None
        cuts = options.cuts // options.devices + (number < options.cuts % options.devices)
        seed = f"{options.seed}-{number}"
        self.access = Access(number, hub, options.tls)
        self.proxy = Proxy(port, options.tls, cuts, seed, lambda: bool(self.access.sessions))

    @contextlib.asynccontextmanager
    async def running(self, ca: str, negotiate: str) -> AsyncIterator[None]:
        """The script, for as long as the context lasts."""
        environment = micropython_environment(
            NEGOTIATE=f"{negotiate}/{self.number}",
            NUMBER=str(self.number),
            SABOTAGE=self._options.sabotage,
            ACK_TIMEOUT="2" if self._options.sabotage == "resend" else "60",
            CA=ca if self._options.tls else "",
        )
        process = await asyncio.create_subprocess_exec(
            *micropython_command(HERE / "device_chaos.py", self._options.heap),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        reading = self._reading = asyncio.create_task(self._read(process))
        starting = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                (starting, reading), timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED
            )
            if reading.done():
                reading.result()
            yield
            await asyncio.wait_for(reading, _PATIENCE)
            await asyncio.wait_for(process.wait(), _PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            for task in (starting, reading):
                task.cancel()
            await asyncio.gather(starting, reading, return_exceptions=True)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            match word:
                case "TRY":
                    self.tried.add(int(rest))
                case "SENT":
                    self.acknowledged.add(int(rest))
                case "FAILED":
                    number, _, why = rest.partition(" ")
                    self.failed[int(number)] = why
                case "GOT":
                    self.got.append(int(rest))
                case "BAD":
                    self.got.append(int(rest))
                    self.bad += 1
                case "ASKED":
                    self.asked.append(rest)
                case "NEW":
                    self.sessions.append(len(self.got))
                case "LOST":
                    self.losses.append(rest)
                case "READY":
                    self._ready.set()
                case "END":
                    self.end = json.loads(rest)
                case _:
                    self.other.append(f"{word} {rest}")
        if not self.end:
            text = "\n".join(self.other)
            raise RuntimeError(
                f"device {self.number} ended early (seed {self._options.seed}):\n{text}"
            )

    async def publish(self, peer: Peer) -> None:
        """Publish to it, in bursts, until all cuts are done."""
        while not self.proxy.finished.is_set():
            for _ in range(self.published % 7):
                await peer.publish(self.down, content(self.published))
                self.published += 1
            if not self.published % 7:
                await peer.publish(self.down, content(self.published))
                self.published += 1
            await asyncio.sleep(self._options.pace)
            while self.published - len(self.got) > _WINDOW and not self.proxy.finished.is_set():
                await asyncio.sleep(0.02)

    async def expire_sometimes(self) -> None:
        """Have the service lose its session at even distances of the run."""
        for number in range(self._options.expire):
            share = (number + 1) / (self._options.expire + 1)
            while sum(self.proxy.phases.values()) < share * self._cuts:
                await asyncio.sleep(0.05)
            for identity in self.access.sessions:
                self._hub.control.expire(identity)
            self.expired += 1

    @property
    def _cuts(self) -> float:
        return self._options.cuts / self._options.devices

    def _kept(self) -> int:
        # Messages that the service keeps for a replay. The last one may stay: it is acknowledged
        # when the device asks for the next.
        connections, own = self._hub.control.connections(), self.access.sessions
        return sum(one.unacknowledged for one in connections if one.id in own)

    async def stop(self, peer: Peer) -> None:
        """End the script once it has had the time to receive everything."""
        last = self.published - 1
        await _settled(lambda: last in self.got[-_WINDOW:], lambda: len(self.got), _STILL)
        await _settled(lambda: self._kept() <= 1, self._kept, _ACK_PATIENCE)
        self.unacknowledged = max(0, self._kept() - 1)
        # Again and again: it has no session at a moment when the service has lost it.
        while not self._reading.done():
            await peer.publish(self.down, {"stop": True})
            await asyncio.wait((self._reading,), timeout=1)


async def _settled(done: Callable[[], bool], state: Callable[[], int], patience: float) -> None:
    # Waits until it is done, or nothing has moved for so many seconds.
    before, since = state(), time.monotonic()
    while not done() and time.monotonic() - since < patience:
        await asyncio.sleep(0.05)
        if (now := state()) != before:
            before, since = now, time.monotonic()


async def run(options: Options) -> Result:
    """Run it all.

    Raises:
        TimeoutError: it hangs. RuntimeError: a device ended early.
    """
    begun = time.monotonic()
    config: dict[str, Any] = {"hubs": [{"name": HUB}]}
    if options.tls:
        config["service"] = {"tls": {"port": 0}}
    async with LocalHub(config) as hub, contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ca = folder / "ca.der"
        ca.write_bytes(hub.ca_der or b"")
        recorder = WebSocketPeer(hub.client_url(HUB, user_id="recorder", roles=ROLES))
        peers: dict[str, Peer] = {"up": await stack.enter_async_context(recorder)}
        if options.sdk:
            other = MicrosoftPeer(hub.client_url(HUB, user_id="microsoft", roles=ROLES))
            peers["sdk"] = await stack.enter_async_context(other)
        publisher = peers.get("sdk", recorder)
        devices = [Device(number, hub, options) for number in range(options.devices)]
        for device in devices:
            for peer in peers.values():
                await peer.join(device.up)
            await stack.enter_async_context(device.proxy)
        ways_in = []
        for device in devices:
            device.access.by_way_of(device.proxy.port)
            ways_in.append(device.access)
        hub.control.observe(Onlooker(ways_in))
        negotiate = await stack.enter_async_context(negotiation(ways_in))
        work = [_serve(device, publisher, str(ca), negotiate) for device in devices]
        await asyncio.wait_for(asyncio.gather(*work), options.timeout)
        result = Result()
        for device in devices:
            judge(device, {name: peer.received for name, peer in peers.items()}, result)
    result.seconds = time.monotonic() - begun
    return result


async def _serve(device: Device, publisher: Peer, ca: str, negotiate: str) -> None:
    async with device.running(ca, negotiate):
        expiring = asyncio.create_task(device.expire_sometimes())
        await device.publish(publisher)
        await expiring
        await device.stop(publisher)
