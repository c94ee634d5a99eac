"""A central system for charging points, made of mobilityhouse's `ocpp`; it can also misbehave.

What it gets is logged and checked: each payload by the schemas of OCPP 1.6, and the rules of
OCPP-J for ids and open calls. What was wrong is in `faults`, which a test wants to see empty.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallResult, validate_payload
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import AuthorizationStatus, DataTransferStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Payload = dict[str, Any]
SUBPROTOCOL = "ocpp1.6"


class Entry(NamedTuple):
    """One message.

    Attributes:
        at: seconds, monotonic.
        station: identity of the charging point.
        incoming: whether the charging point sent it.
        kind: 2, 3 or 4.
        action: of the call that it is, or answers.
        payload: of the call or its result; the code of a CALLERROR.
        id: of the message.
        connection: number of the connection, from 0.
    """

    at: float
    station: str
    incoming: bool
    kind: int
    action: str
    payload: Any
    id: str
    connection: int


@dataclass(frozen=True)
class Never:
    """A call that is not answered."""


@dataclass(frozen=True)
class Late:
    """An answer that takes its time: the usual one, or `then`."""

    seconds: float
    then: Payload | Error | None = None


@dataclass(frozen=True)
class Error:
    """A CALLERROR."""

    code: str = "InternalError"


@dataclass(frozen=True)
class Raw:
    """A text in place of the answer; `{id}` in it is the id of the call."""

    text: str


@dataclass(frozen=True)
class Close:
    """The connection is cut in place of an answer."""

    code: int | None = None


Answer = Payload | Never | Late | Error | Raw | Close | None


class Handshake(NamedTuple):
    """One attempt to connect.

    Attributes:
        at: seconds, monotonic.
        path: path and query.
        station: the identity in it.
        user, key: of HTTP Basic, or None.
        status: what it was answered with; 101 lets it in.
    """

    at: float
    path: str
    station: str
    user: str | None
    key: bytes | None
    status: int


@dataclass
class CentralSystem:
    """A central system that listens on loopback.

    Attributes:
        answers: action -> what to answer the next calls with; the usual one when there is none.
            A dict is the payload, in OCPP's own names, on top of the usual one.
        admit: gives the HTTP status for (identity, key), and the header fields of a refusal.
        log, handshakes, faults: what happened, and what of it was wrong.
        timeout: seconds within which a charging point must answer.
        patience: seconds after which a charging point need not wait for an answer any more.
    """

    answers: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    admit: Callable[[str, bytes | None], tuple[int, dict[str, str]]] = lambda *_: (101, {})
    log: list[Entry] = field(default_factory=list)
    handshakes: list[Handshake] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    timeout: float = 20
    patience: float = 30
    transaction: int = 0
    port: int = 0
    subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
    stations: dict[str, Station] = field(default_factory=dict)
    connections: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(
        self, context: ssl.SSLContext | None = None, port: int = 0
    ) -> AsyncIterator[CentralSystem]:
        """Accept connections for as long as the context lasts."""
        async with serve(
            self._serve,
            "127.0.0.1",
            port,
            ssl=context,
            subprotocols=list(self.subprotocols),  # type: ignore[arg-type]
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            close_timeout=2,
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    # what tests ask for

    def will(self, action: str, *answers: Answer) -> None:
        """Answer the next calls so."""
        self.answers[action] += answers

    def calls(self, action: str = "", *, incoming: bool = True) -> list[Entry]:
        """The calls so far; all, or those of an action."""
        return [
            entry
            for entry in self.log
            if entry.kind == 2 and entry.incoming == incoming and action in ("", entry.action)
        ]

    async def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        """Wait for something to be true, and give it back."""
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.5)
        return found

    async def heard(self, action: str, count: int = 1, seconds: float = 30) -> Entry:
        """Wait until so many calls of an action came; the last one of them."""
        try:
            found = await self.until(lambda: self.calls(action)[count - 1 :], seconds)
        except TimeoutError:
            raise AssertionError(
                f"no {action} number {count} within {seconds} s: {self.log[-5:]}"
            ) from None
        return found[0]

    async def ask(self, request: Any, station: str | None = None) -> Any:
        """Call a charging point, with one of `ocpp.v16.call`.

        Raises:
            OCPPError: it answered with a CALLERROR.
        """
        return await self._station(station).call(request, suppress=False)

    async def say(self, text: str, station: str | None = None) -> None:
        """Send any text."""
        await self._station(station).say(text)

    def _station(self, identity: str | None) -> Station:
        return next(iter(self.stations.values())) if identity is None else self.stations[identity]

    def drop(self, code: int | None = None) -> None:
        """Cut all connections; with a code, by a Close frame."""
        for station in list(self.stations.values()):
            station.drop(code)

    # what charging points do

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        station = identity_of(request.path)
        user, key = basic_of(request.headers.get("Authorization"))
        if user is not None and user != station:
            self.faults.append(f"Basic is for {user}, the URL for {station}")
        status, headers = self.admit(station, key)
        self.handshakes.append(
            Handshake(time.monotonic(), request.path, station, user, key, status)
        )
        self.changed()
        if status == 101:
            return None
        response = connection.respond(status, "no\n")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request
        station = Station(identity_of(connection.request.path), connection, self)
        self.stations[station.id] = station
        self.changed()
        try:
            with contextlib.suppress(ConnectionClosed):
                await station.start()
        finally:
            if self.stations.get(station.id) is station:
                del self.stations[station.id]
            self.changed()

    def changed(self) -> None:
        """Something happened that a test may wait for."""
        self._changed.set()


def identity_of(path: str) -> str:
    """The charging point that connects: the last part of a path, or `id` in the query."""
    parts = urlsplit(path)
    if parts.path.startswith("/client/hubs/"):
        return parse_qs(parts.query, strict_parsing=True)["id"][0]
    return unquote(parts.path.rpartition("/")[2])


def basic_of(header: str | None) -> tuple[str | None, bytes | None]:
    """User and key of an Authorization header."""
    if header is None or not header.startswith("Basic "):
        return None, None
    with contextlib.suppress(binascii.Error):
        user, _, key = base64.b64decode(header[6:], validate=True).partition(b":")
        return user.decode(), key
    return None, None


def utc_now() -> str:
    """The time as OCPP writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Station(ChargePoint):
    """One connection of a charging point."""

    def __init__(self, identity: str, connection: ServerConnection, central: CentralSystem):
        super().__init__(identity, connection, response_timeout=central.timeout)
        self._central = central
        self._number = central.connections
        central.connections += 1
        # Ids of their calls that are open: the action, and since when.
        self._theirs: dict[str, tuple[str, float]] = {}
        self._ours: dict[str, str] = {}
        self._used: set[str] = set()
        self._later: set[asyncio.Task[None]] = set()

    # in and out

    async def route_message(self, raw_msg: str) -> None:
        """Log, check, and answer as the test says."""
        central = self._central
        try:
            message = json.loads(raw_msg)
            kind, id_ = message[:2]
            assert isinstance(raw_msg, str), "a binary message"
            assert {2: 4, 3: 3, 4: 5}[kind] == len(message), "number of elements"
            assert isinstance(id_, str)
            assert 0 < len(id_) <= 36, "length of the id"
        except (ValueError, KeyError, AssertionError) as error:
            central.faults.append(f"{raw_msg!r}: {error!r}")
            return
        if kind != 2:
            action = self._ours.pop(id_, "")
            if not action:
                central.faults.append(f"an answer to nothing: {raw_msg}")
            self._note(True, kind, action, message[2], id_)
            await super().route_message(raw_msg)
            return
        action, payload = message[2:]
        if id_ in self._used:
            central.faults.append(f"id used twice: {raw_msg}")
        since = time.monotonic() - central.patience
        if any(asked > since for _, asked in self._theirs.values()):
            central.faults.append(f"a second open call: {raw_msg}")
        self._used.add(id_)
        self._theirs[id_] = (action, time.monotonic())
        self._note(True, kind, action, payload, id_)
        try:
            await validate_payload(Call(id_, action, payload), "1.6")
        except OCPPError as error:
            central.faults.append(f"{raw_msg}: {error}")
        queued = central.answers.get(action)
        await self._answer(raw_msg, id_, action, queued.popleft() if queued else None)

    async def _answer(self, raw: str, id_: str, action: str, answer: Answer) -> None:
        match answer:
            case None:
                await super().route_message(raw)
            case Never():
                pass
            case Late(seconds=seconds, then=then):
                task = asyncio.create_task(self._answer_later(raw, id_, action, seconds, then))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
            case Error(code=code):
                await self._send(json.dumps([4, id_, code, "", {}]))
            case Raw(text=text):
                await self._send(text.replace("{id}", id_))
            case Close(code=code):
                self.drop(code)
            case _:
                usual = await usual_answer(self, action)
                await self._send(json.dumps([3, id_, usual | answer]))

    async def _answer_later(
        self, raw: str, id_: str, action: str, seconds: float, then: Answer
    ) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(ConnectionClosed):
            await self._answer(raw, id_, action, then)

    async def _send(self, message: str) -> None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            kind, id_, *rest = json.loads(message)
            if kind == 2:
                self._ours[id_] = rest[0]
                self._note(False, 2, rest[0], rest[1], id_)
            else:
                self._note(False, kind, self._theirs.pop(id_, ("", 0.0))[0], rest[0], id_)
        await super()._send(message)

    async def say(self, text: str) -> None:
        """Send any text; a call in it is one of ours."""
        await self._send(text)

    def mute(self) -> None:
        """Neither read nor write any more; the connection stays."""
        self._connection.transport.pause_reading()

    def drop(self, code: int | None = None) -> None:
        """Cut the connection; with a code, by a Close frame."""
        if code is None:
            self._connection.transport.abort()
        else:
            task = asyncio.create_task(self._connection.close(code))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    def _note(self, incoming: bool, kind: int, action: str, payload: Any, id_: str) -> None:
        self._central.log.append(
            Entry(time.monotonic(), self.id, incoming, kind, action, payload, id_, self._number)
        )
        self._central.changed()

    # what it answers usually

    @on("BootNotification")
    def on_boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=utc_now(), interval=300, status=RegistrationStatus.accepted
        )

    @on("Heartbeat")
    def on_heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=utc_now())

    @on("StatusNotification")
    def on_status(self, **_: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on("Authorize")
    def on_authorize(self, **_: Any) -> call_result.Authorize:
        return call_result.Authorize(IdTagInfo(status=AuthorizationStatus.accepted))

    @on("StartTransaction")
    def on_start(self, **_: Any) -> call_result.StartTransaction:
        self._central.transaction += 1
        return call_result.StartTransaction(
            self._central.transaction, IdTagInfo(status=AuthorizationStatus.accepted)
        )

    @on("MeterValues")
    def on_values(self, **_: Any) -> call_result.MeterValues:
        return call_result.MeterValues()

    @on("StopTransaction")
    def on_stop(self, **_: Any) -> call_result.StopTransaction:
        return call_result.StopTransaction()

    @on("DataTransfer")
    def on_data(self, **_: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer(status=DataTransferStatus.accepted)


async def usual_answer(station: Station, action: str) -> Payload:
    """The payload of the answer that an action gets when a test says nothing."""
    match action:
        case "BootNotification":
            return {"currentTime": utc_now(), "interval": 300, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": utc_now()}
        case "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        case "StartTransaction":
            result = station.on_start()
            return {
                "transactionId": result.transaction_id,
                "idTagInfo": {"status": "Accepted"},
            }
        case "DataTransfer":
            return {"status": "Accepted"}
    return {}


async def check_result(action: str, payload: Payload) -> None:
    """Check the payload of a result by its schema.

    Raises:
        OCPPError: it is wrong.
    """
    await validate_payload(CallResult("1", payload, action), "1.6")


__all__ = (
    "CentralSystem",
    "Close",
    "Entry",
    "Error",
    "Handshake",
    "Late",
    "Never",
    "Raw",
    "Station",
    "call",
    "check_result",
    "utc_now",
)
