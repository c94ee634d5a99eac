"""The long run on the model of the chip: a board with everything on it, and outages.

Firmware with a token over wss, telemetry, an app of 4 KB with an outbox; the link is cut again
and again, half of the times without a sign for the board, and somebody gives it a command now and
then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from hubtool.board.deployment import prepare
from localhub import LocalHub
from micropython_webpubsub.boards import Board, load_board
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

from tests.support.boards import PASSWORD, SSID, slot_files, write_files, write_radio
from tests.support.protocol import JSON, ROLES

APP = Path(__file__).with_name("soak_app.py")
HUB, USER = "chargers", "CP-7"
# A message to the board each so many seconds.
PACE = 1.0
# What is allowed, bytes; with the slack of docs/memory.md.
LIVE_AT_MOST = 94_000
RESERVE_AT_LEAST = 17_000
# Seconds after the last outage until everything must have arrived.
PATIENCE = 150
# How a board begins to say that it resets itself for want of memory.
_TOLD = "[memory] does not come back"


@dataclass(frozen=True)
class Plan:
    """What happens in a run.

    Attributes:
        version: of the model: oldest, newest or a number.
        seconds: how long outages may begin.
        outages: length of each, seconds.
        command_interval: seconds from a command to the next one.
        heap_cut: the share of Python's heap that is taken away from the board.
        network_cut: bytes of the other heap that are taken away; so many that the board is to say
            that it cannot live, and to reset.
    """

    version: str
    seconds: float
    outages: tuple[float, ...]
    command_interval: float = 60
    heap_cut: float = 0.0
    network_cut: int = 0


@dataclass
class Result:
    """What came of it.

    Attributes:
        sent, missed, again: messages to the board, those that it missed, those that came twice.
        kept, lost, repeated: messages of its outbox, those that never came, and repeats that their
            ids gave away.
        commands, unanswered, answered_again: of the operator. An answer into a dead link is given
            up when its acknowledgement is overdue, and the console says so: that is not silence.
        live: highest bytes of Python's heap in a report.
        heap: Python's heap at the start, and at its largest.
        idf_idle, idf_free, idf_lowest: of the IDF heap: what the first report has, the least that
            any of them has, and the least ever.
        restarts: of the board.
        announced_reset: it said that it resets for want of memory.
        console: what the board wrote.
    """

    sent: int = 0
    missed: int = 0
    again: int = 0
    kept: int = 0
    lost: int = 0
    repeated: int = 0
    commands: int = 0
    unanswered: list[str] = field(default_factory=list)
    answered_again: int = 0
    live: int = 0
    heap: tuple[int, int] = (0, 0)
    idf_idle: int = 0
    idf_free: int = 10**9
    idf_lowest: int = 0
    restarts: list[str] = field(default_factory=list)
    announced_reset: bool = False
    console: str = ""

    def faults(self) -> list[str]:
        """What is not as it should be, in words; empty when all is well."""
        found = []
        for name in ("missed", "again", "lost", "unanswered", "answered_again", "restarts"):
            if value := getattr(self, name):
                found.append(f"{name}: {value}")
        if not self.sent or not self.kept or not self.commands:
            found.append("nothing was sent")
        if self.live > LIVE_AT_MOST:
            found.append(f"{self.live} bytes live, {LIVE_AT_MOST} are allowed")
        if self.idf_idle < RESERVE_AT_LEAST:
            found.append(f"{self.idf_idle} bytes left when connected, not {RESERVE_AT_LEAST}")
        if self.heap[1] > self.heap[0]:
            found.append(f"Python's heap grew from {self.heap[0]} to {self.heap[1]}")
        return found


class _Operator:
    """A client on the hub that takes what the board sends, and gives commands."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, result: Result) -> None:
        self._socket, self._result = socket, result
        self.up: dict[int, int] = {}  # number in the outbox -> how often it came
        self.answers: dict[str, list[Any]] = {}
        self._ids: set[str] = set()
        self._more = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            data, group = message.get("data"), message.get("group")
            if group == "up":
                if data["_id"] in self._ids:
                    self._result.repeated += 1
                else:
                    self._ids.add(data["_id"])
                    self.up[data["n"]] = self.up.get(data["n"], 0) + 1
            elif group == "telemetry":
                self._take_report(data)
            elif group == "replies":
                self.answers.setdefault(data["reply"], []).append(data.get("result"))
            self._more.set()

    def _take_report(self, report: dict[str, Any]) -> None:
        result = self._result
        result.live = max(result.live, report["heap_used"])
        first, most = result.heap
        result.heap = (first or report["heap_total"], max(most, report["heap_total"]))
        result.idf_idle = result.idf_idle or report["idf_free"]
        result.idf_free = min(result.idf_free, report["idf_free"])

    async def send(self, group: str, data: dict[str, Any]) -> None:
        frame = {"type": "sendToGroup", "group": group, "data": data, "dataType": "json"}
        await self._socket.send_json(frame)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for something to be true after a message; False when it did not become so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._more.clear()
                    await self._more.wait()
        return condition()


def chip_board(cut: float = 0.0) -> Board:
    """The board file of a stock ESP32; its heap is to grow by less when it is cut."""
    board = load_board("esp32_generic")
    memory = board.memory
    if not cut or memory is None:
        return board
    growth = memory.growth - round(cut * (memory.first + memory.growth))
    return board.model_copy(update={"memory": memory.model_copy(update={"growth": growth})})


async def run(plan: Plan, folder: Path) -> Result:
    """Run a board through a plan.

    Args:
        plan: what happens.
        folder: for its flash; empty.
    """
    result = Result()
    async with (
        _time_server() as clock,
        LocalHub({"hubs": [{"name": HUB}], "service": {"tls": {}}}) as hub,
        _operator(hub, result) as operator,
    ):
        flash = await asyncio.to_thread(_flash, hub, clock, plan, folder)
        radio = write_radio(folder / "radio.json")
        board = await asyncio.to_thread(
            SimulatedBoard, "esp32_generic", flash=flash, radio=radio, chip=plan.version
        )
        try:
            if plan.network_cut:
                await asyncio.to_thread(board.wait_for, _TOLD, plan.seconds)
                await asyncio.to_thread(board.wait_for, "[board]", 60)
                return result
            await asyncio.to_thread(board.wait_for, "[hub] connected", 120)
            await asyncio.to_thread(board.wait_for, "[app] started", 60)
            await _play(plan, board, operator, result)
        except TimeoutError as error:
            result.unanswered.append(str(error).splitlines()[0])
        finally:
            result.restarts = board.restarts
            result.console = board.console
            given_up = board.console.count("[command] the answer was not sent")
            result.unanswered = result.unanswered[given_up:]
            result.announced_reset = "[memory] does not come back" in board.console
            result.idf_lowest = board.memory.minimum if board.memory else 0
            await asyncio.to_thread(board.close)
    return result


@contextlib.asynccontextmanager
async def _time_server() -> AsyncIterator[str]:
    with TimeServer() as server:
        yield server.address


@contextlib.asynccontextmanager
async def _operator(hub: LocalHub, result: Result) -> AsyncIterator[_Operator]:
    groups = ("up", "telemetry", "replies")
    url = hub.client_url(HUB, user_id="ops", roles=ROLES, groups=groups)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(JSON,)) as socket,
    ):
        operator = _Operator(socket, result)
        try:
            yield operator
        finally:
            operator.reading.cancel()


def _flash(hub: LocalHub, clock: str, plan: Plan, folder: Path) -> Path:
    """A flash with what `hubtool deploy` and `hubtool configure` put on a board."""
    board = chip_board(plan.heap_cut)
    url = hub.client_url(HUB, user_id=USER, roles=ROLES, groups=("down", "commands"), tls=True)
    assert hub.ca_der is not None
    settings = slot_files(
        ca=hub.ca_der,
        token=url.partition("access_token=")[2],
        hub={"endpoint": hub.tls_endpoint},
        telemetry={"interval": 5},
        clock={"ntp": [clock]},
    )
    path = folder / "flash.bin"
    path.write_bytes(b"\xff" * board.flash.size)
    deployed = {item.path: item.data for item in prepare(app=APP, memory=board.memory)}
    files = {**deployed, **settings}
    if plan.network_cut:
        # The first program of a board that runs.
        files["/boot.py"] = b"import _chip\n_chip.take(%d)\n" % plan.network_cut
    write_files(path, files)
    return path


async def _play(plan: Plan, board: SimulatedBoard, operator: _Operator, result: Result) -> None:
    over = asyncio.Event()

    async def publish() -> None:
        while not over.is_set():
            await operator.send("down", {"m": result.sent})
            result.sent += 1
            await asyncio.sleep(PACE)

    async def command() -> None:
        while not over.is_set():
            await _ask(operator, result)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), plan.command_interval)

    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        group.create_task(command())
        await _cut(plan, board)
        over.set()
    await _settle(operator, result)


async def _ask(operator: _Operator, result: Result) -> str:
    result.commands += 1
    number = str(result.commands)
    await operator.send("commands", {"command": "tell", "id": number, "arguments": {}})
    return number


async def _cut(plan: Plan, board: SimulatedBoard) -> None:
    """All outages, evenly over the time; the station sees every second one."""
    quiet = max(plan.seconds - sum(plan.outages), 0) / (len(plan.outages) + 1)
    for number, seconds in enumerate(plan.outages):
        await asyncio.sleep(quiet)
        if number % 2:
            board.radio.remove(SSID)
        board.radio.silent = True
        await asyncio.sleep(seconds)
        board.radio.silent = False
        if number % 2:
            board.radio.add(SSID, PASSWORD)
    await asyncio.sleep(quiet)


async def _settle(operator: _Operator, result: Result) -> None:
    """Wait until everything has arrived, and count what has not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    reported: dict[str, Any] = {}
    while loop.time() < deadline:
        number = await _ask(operator, result)
        if not await operator.until(lambda n=number: n in operator.answers, 20):  # type: ignore[misc]
            continue
        reported = operator.answers[number][0] or {}
        arrived = reported.get("last") == result.sent - 1
        if arrived and await operator.until(lambda n=reported["made"]: n - 1 in operator.up, 20):  # type: ignore[misc]
            break
        await asyncio.sleep(1)
    result.missed = reported.get("missed", 0) + result.sent - 1 - reported.get("last", -1)
    result.again = reported.get("again", 0)
    result.kept = reported.get("made", 0)
    result.lost = sum(number not in operator.up for number in range(result.kept))
    wanted = [str(number) for number in range(1, result.commands + 1)]
    await operator.until(lambda: all(number in operator.answers for number in wanted), 20)
    result.unanswered += [number for number in wanted if number not in operator.answers]
    result.answered_again = sum(len(answers) - 1 for answers in operator.answers.values())


def outages(count: int, seed: int) -> tuple[float, ...]:
    """Lengths from 5 to 60 s, evenly spread, in an order of their own."""
    lengths = [5 + 55 * number / max(count - 1, 1) for number in range(count)]
    random.Random(seed).shuffle(lengths)
    return tuple(lengths)
