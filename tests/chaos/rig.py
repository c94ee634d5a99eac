"""Devices on MicroPython behind cutting proxies, the service, the peers, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from localhub import LocalHub

from .micropython import DEVICE, command
from .peers import MicrosoftPeer, Peer, Records, WebSocketPeer
from .proxy import Proxy

HUB = "chaos"
HERE = Path(__file__).parent
ALPHABET = '0123456789abcdefg "\\é€😀' * 30
# How far the publisher may be ahead of a device: the service keeps 1000 messages of a session.
_WINDOW = 300
_PATIENCE = 60.0
# After so many seconds without a message, nothing more will come.
_STILL = 8.0
# Seconds for the last sequenceAck, which a timer of one second sends.
_ACK_PATIENCE = 6.0


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


@dataclass
class Result:
    """What came of it; counts.

    Attributes:
        lost, doubled, disordered, damaged: by direction ("up", "down", "sdk").
        sent: messages by direction.
        failed: sends that failed, by error and outcome.
        unknown: sends of unknown outcome because the session was really lost.
        gone: messages to a device that had no session when they were published.
        phases, ways: cuts, see Proxy.
        devices: counters of each device.
        seconds: the whole run.
    """

    sent: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    disordered: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    gone: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    devices: list[dict[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def total(self, name: str) -> int:
        """A counter of all devices together."""
        return sum(device[name] for device in self.devices)

    @property
    def faults(self) -> list[str]:
        """What is wrong; empty after a good run."""
        counts = {
            "lost": self.lost,
            "doubled": self.doubled,
            "out of order": self.disordered,
            "damaged": self.damaged,
            "failed": self.failed,
        }
        return [
            f"{name} ({which}): {count}"
            for name, counter in counts.items()
            for which, count in counter.items()
            if count
        ]


def padding(number: int) -> str:
    """What a message carries beside its number."""
    return ALPHABET[: number * 37 % 600]


def content(number: int) -> dict[str, Any]:
    """The message of a number."""
    return {"n": number, "p": padding(number)}


class Device:
    """One device script, its proxy, and the diary of both."""

    def __init__(self, number: int, hub: LocalHub, options: Options) -> None:
        self.number = number
        self.user = f"device-{number}"
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
        self.proxy = Proxy(port, options.tls, cuts, seed, lambda: bool(self.connections))

    @property
    def connections(self) -> list[str]:
        """Ids of the sessions that the service has for it."""
        control = self._hub.control
        return [each.id for each in control.connections(HUB) if each.user_id == self.user]

    @contextlib.asynccontextmanager
    async def running(self, ca: str) -> AsyncIterator[None]:
        """The script, for as long as the context lasts."""
        roles = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
        url = self._hub.client_url(HUB, user_id=self.user, roles=roles, tls=self._options.tls)
        parts = urlsplit(url)
        environment = {
            **os.environ,
            "MICROPYPATH": f"{DEVICE}:.frozen",
            "URL": urlunsplit(parts._replace(netloc=f"{parts.hostname}:{self.proxy.port}")),
            "NUMBER": str(self.number),
            "SABOTAGE": self._options.sabotage,
            "ACK_TIMEOUT": "3" if self._options.sabotage == "resend" else "60",
            "CA": ca if self._options.tls else "",
        }
        process = await asyncio.create_subprocess_exec(
            *command(HERE / "device_chaos.py", self._options.heap),
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
            raise RuntimeError(f"{self.user} ended early (seed {self._options.seed}):\n{text}")

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
            for identity in self.connections:
                self._hub.control.expire(identity)
            self.expired += 1

    @property
    def _cuts(self) -> float:
        return self._options.cuts / self._options.devices

    def _kept(self) -> int:
        # Messages that the service keeps for a replay. The last one may stay: it is acknowledged
        # when the device asks for the next.
        control = self._hub.control
        return sum(len(control._find(each)._unacked) for each in self.connections)  # type: ignore[attr-defined]

    async def stop(self, peer: Peer) -> None:
        """End the script once it has had the time to receive everything."""
        last = self.published - 1
        count, since = -1, 0.0
        while last not in self.got[-_WINDOW:]:
            now = time.monotonic()
            if len(self.got) > count:
                count, since = len(self.got), now
            if now - since > _STILL:
                break
            await asyncio.sleep(0.05)
        end = time.monotonic() + _ACK_PATIENCE
        while (unacknowledged := self._kept()) > 1 and time.monotonic() < end:
            await asyncio.sleep(0.05)
        self.unacknowledged = max(0, unacknowledged - 1)
        # Again and again: it has no session at a moment when the service has lost it.
        while not self._reading.done():
            await peer.publish(self.down, {"stop": True})
            await asyncio.wait((self._reading,), timeout=1)


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
        roles = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
        recorder = WebSocketPeer(hub.client_url(HUB, user_id="recorder", roles=roles))
        peers: dict[str, Peer] = {"up": await stack.enter_async_context(recorder)}
        if options.sdk:
            other = MicrosoftPeer(hub.client_url(HUB, user_id="microsoft", roles=roles))
            peers["sdk"] = await stack.enter_async_context(other)
        publisher = peers.get("sdk", recorder)
        devices = [Device(number, hub, options) for number in range(options.devices)]
        for device in devices:
            for peer in peers.values():
                await peer.join(device.up)
            await stack.enter_async_context(device.proxy)
        work = [_serve(device, publisher, str(ca)) for device in devices]
        await asyncio.wait_for(asyncio.gather(*work), options.timeout)
        result = Result()
        for device in devices:
            _judge(device, {name: peer.received for name, peer in peers.items()}, result)
    result.seconds = time.monotonic() - begun
    return result


async def _serve(device: Device, publisher: Peer, ca: str) -> None:
    async with device.running(ca):
        expiring = asyncio.create_task(device.expire_sometimes())
        await device.publish(publisher)
        await expiring
        await device.stop(publisher)


def _judge(device: Device, records: dict[str, Records], result: Result) -> None:
    result.devices.append(device.end)
    result.phases += device.proxy.phases
    result.ways += device.proxy.ways
    unasked = len(device.losses) - device.expired
    if unasked > 0:
        result.failed[f"sessions lost: {', '.join(device.losses)}"] += unasked
    if device.unacknowledged:
        result.failed["no sequenceAck for messages"] += device.unacknowledged
    if device.other:
        result.failed[f"unexpected output: {device.other[0]}"] += len(device.other)
    excused = set()
    for number, why in device.failed.items():
        if why.endswith("SessionLost") and len(device.sessions) > 1:
            excused.add(number)
        else:
            result.failed[why] += 1
    result.unknown += len(excused)
    for name, received in records.items():
        messages = received[device.up]
        numbers = [message["n"] for message in messages]
        result.sent[name] += len(device.tried)
        result.lost[name] += len(device.tried - set(numbers) - excused)
        result.doubled[name] += len(numbers) - len(set(numbers))
        result.damaged[name] += sum(message != content(message["n"]) for message in messages)
        result.disordered[name] += _disorder(numbers)
    result.sent["down"] += device.published
    missing = set(range(device.published)) - set(device.got)
    gone = {number for number in missing if _between_sessions(number, device)}
    result.gone += len(gone)
    result.lost["down"] += len(missing - gone)
    result.doubled["down"] += len(device.got) - len(set(device.got))
    result.damaged["down"] += device.bad
    result.disordered["down"] += _disorder(device.got)


def _disorder(numbers: list[int]) -> int:
    # Steps back, doubled ones apart.
    first = list(dict.fromkeys(numbers))
    return sum(later < earlier for earlier, later in pairwise(first))


def _between_sessions(number: int, device: Device) -> bool:
    # Whether a new session began between the neighbours of a message that did not come.
    before = max((at for at, got in enumerate(device.got) if got < number), default=-1)
    after = next((at for at, got in enumerate(device.got) if got > number), len(device.got))
    return any(before < place <= after for place in device.sessions[1:])
