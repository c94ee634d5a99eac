"""The programs that have a budget, each on the model of the chip, on a local service."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localhub import LocalHub
from simboard.timeserver import TimeServer

from .build import Board, Boards
from .figures import Measured
from .running import Running

_ROLES = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
_HUB = "chargers"
_CONFIG = {"hubs": [{"name": _HUB}], "service": {"tls": {}}}
_USER = "CP-7"
# Programs without the firmware find their board on the network.
_WIFI = {"CHIP_WIFI": "1"}


@dataclass(frozen=True)
class Result:
    """What a program needed, in bytes of the chip.

    Attributes:
        idle: in use when it is connected, or after the last thing that it did.
        connecting: the most in use until then.
        recovering: the most in use during an outage and after it; None without one.
        first, last: size of Python's heap when it began, and when it was largest.
        back: whether it was connected again after the outage; True without one.
        names: that are not in the image.
        free, largest: of the IDF heap when connected.
        lowest: that the IDF heap had free.
        stays: modules in the order of their loading.
        passes: modules that were loaded for a use and are gone.
    """

    idle: int
    connecting: int
    recovering: int | None
    first: int
    last: int
    back: bool
    names: int
    free: int
    largest: int
    lowest: int
    stays: tuple[str, ...]
    passes: tuple[str, ...]


@dataclass(frozen=True)
class Rig:
    """What runs programs; each on a board and on a service of its own, so many at a time.

    Attributes:
        micropython: the model of the chip.
        boards: with the device code.
        folder: for copies of them.
        outage: seconds.
        patience: seconds that a program has to come back after that.
    """

    micropython: Path
    boards: Boards
    folder: Path
    outage: float
    patience: float = 60

    async def websocket(self) -> Result:
        """A WebSocket over ws."""
        return _result(*await self._both(_websocket), idle="used", end="used")

    async def client(self) -> Result:
        """A client with a token over verified TLS; then an outage."""
        return _result(*await self._both(_client), idle="used", end="recovered")

    async def firmware(self) -> Result:
        """The firmware with telemetry; then an outage."""
        return _result(*await self._both(_firmware), idle="used", end="recovered")

    async def firmware_with_app(self) -> Result:
        """The same with an app of 4 KB and its outbox, and a `report` before the outage."""
        return _result(*await self._both(_with_app), idle="used", end="recovered")

    async def _both(self, program: _Program) -> list[Measured]:
        return await asyncio.gather(self._run(program, False), self._run(program, True))

    async def _run(self, program: _Program, strict: bool) -> Measured:
        board = self.boards.watched if strict else self.boards.usual
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        board = await asyncio.to_thread(board.copy, folder)
        with TimeServer() as time_server:
            async with LocalHub(_CONFIG) as hub:
                _configure(board, hub, time_server.address)

                def start(name: str, environment: Mapping[str, str]) -> Running:
                    return Running(self.micropython, board, name, environment, strict)

                run = await program(_Scene(hub, board, start, self.outage, self.patience))
        return run.measured()


@dataclass(frozen=True)
class _Scene:
    hub: LocalHub
    board: Board
    start: Callable[[str, Mapping[str, str]], Running]
    seconds: float
    patience: float

    async def outage(self, run: Running, group: str) -> None:
        """Cut the connection, let nobody in for a time, and send what has to be replayed."""
        hub = self.hub
        with hub.faults.refuse_upgrades(for_seconds=self.seconds):
            for connection in hub.control.connections(_HUB):
                hub.control.drop(connection.id)
            for number in range(10):
                await asyncio.sleep(self.seconds / 10)
                hub.control.send(_HUB, {"n": number}, group=group)
        try:
            async with asyncio.timeout(self.patience):
                while all(connection.detached for connection in hub.control.connections(_HUB)):
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1.5)
        except TimeoutError:
            run.output.append("lost")
        # What it says now, and not what it said meanwhile.
        run.skip()
        await run.figures("running")
        run.call_moment("recovered")


_Program = Callable[[_Scene], Awaitable[Running]]


async def _websocket(scene: _Scene) -> Running:
    url = scene.hub.client_url(_HUB, user_id=_USER)
    async with scene.start("websocket", {"URL": url, **_WIFI}) as run:
        await run.figures("used")
        await run.until("qstr pool")
    return run


async def _client(scene: _Scene) -> Running:
    hub = scene.hub
    environment = {"ENDPOINT": hub.tls_endpoint or "", **_WIFI}
    async with scene.start("client", environment) as run:
        await run.until("ready")
        await scene.outage(run, "g")
    return run


async def _firmware(scene: _Scene, *, report: bool = False) -> Running:
    async with scene.start("node", {}) as run:
        await run.until("[hub] connected")
        # Telemetry each second; what connecting left behind has gone.
        for _ in range(4):
            await run.figures("running")
        if report:
            scene.hub.control.send(_HUB, {"command": "report"}, user_id=_USER)
        for _ in range(6):
            await run.figures("running")
        run.call_moment("used")
        await scene.outage(run, "site")
    return run


async def _with_app(scene: _Scene) -> Running:
    scene.board.add_app()
    return await _firmware(scene, report=True)


def _configure(board: Board, hub: LocalHub, time_server: str) -> None:
    """Write what the programs need to reach the service."""
    assert hub.tls_endpoint is not None
    assert hub.ca_der is not None
    url = hub.client_url(_HUB, user_id=_USER, roles=_ROLES, groups=["site"], tls=True)
    token = url.partition("access_token=")[2]
    (board.root / "ca").write_bytes(hub.ca_der)
    (board.root / "token").write_text(token)
    board.configure(hub.tls_endpoint, token, hub.ca_der, time_server)


def _result(usual: Measured, strict: Measured, idle: str, end: str) -> Result:
    used = usual.at(idle)
    # A watched build is a little larger.
    excess = strict.at(idle).used - used.used
    loaded = dict.fromkeys(strict.loaded)
    recovering = None if end == idle else strict.live(strict.highest(idle, end)) - excess
    return Result(
        idle=usual.live(used.used),
        connecting=max(usual.live(used.used), strict.live(strict.highest("boot", idle)) - excess),
        recovering=recovering,
        first=usual.boot.total,
        last=usual.largest_heap,
        back=usual.back and strict.back,
        names=usual.names,
        free=used.free,
        largest=used.largest,
        lowest=usual.lowest,
        stays=tuple(name for name in loaded if name in strict.there),
        passes=tuple(name for name in loaded if name not in strict.there),
    )
