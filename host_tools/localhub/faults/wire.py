"""Stands between a WebSocket and its transport while a fault acts on them.

It is put in when the first fault strikes a connection. Until then a WebSocket writes to its
transport directly, so faults cost nothing where there are none.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..transport.websocket import ServerWebSocket, sever

Direction = Literal["sent", "received"]
How = Literal["rst", "fin"]

# Bytes that wait in a wire before it reports a full transport buffer (`pause_writing`).
_HIGH_WATER = 64 * 1024
# Seconds between two looks whether the last bytes before a cut are sent, and for all of them.
_DRAIN_STEP = 0.01
_DRAIN_TIMEOUT = 5.0

_Item = bytes | Callable[[], None]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What one fault does to one connection for as long as it lasts.

    Attributes:
        deaf: nothing is read from the client.
        mute: nothing is written to the client; it waits, as if the network had gone away.
        sent_delay: seconds that everything to the client takes.
        received_delay: seconds that everything from the client takes.
    """

    deaf: bool = False
    mute: bool = False
    sent_delay: float = 0.0
    received_delay: float = 0.0


@dataclass(slots=True)
class _Cut:
    left: int
    how: How
    strikes: Callable[[], None]


class _Lane:
    """One direction: passes things on in order, each after a delay; holds them while shut."""

    def __init__(self, forward: Callable[[bytes], None]) -> None:
        self._forward = forward
        self._waiting: deque[tuple[float, _Item]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self.delay = 0.0
        self.shut = False
        self.size = 0

    def put(self, item: bytes | Callable[[], None]) -> None:
        """Pass bytes on, or call something once all before it is through."""
        self._waiting.append((time.monotonic() + self.delay, item))
        self.size += len(item) if isinstance(item, bytes) else 0
        self.run()

    def run(self) -> None:
        """Pass on what is due."""
        if self._running:
            return
        self._running = True
        try:
            while self._waiting and not self.shut and self._waiting[0][0] <= time.monotonic():
                _, item = self._waiting.popleft()
                if isinstance(item, bytes):
                    self.size -= len(item)
                    self._forward(item)
                else:
                    item()
        finally:
            self._running = False
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self.shut:
            delay = max(0.0, self._waiting[0][0] - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self.run)

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self.size = 0
        self._schedule()


class Wire(asyncio.Transport, asyncio.Protocol):
    """A transport to its WebSocket, and a protocol to the real transport.

    Args:
        websocket: the WebSocket.
        transport: the real transport.
    """

    def __init__(self, websocket: ServerWebSocket, transport: asyncio.Transport) -> None:
        super().__init__()
        self._websocket: ServerWebSocket | None = websocket
        self._inner = transport
        self._sent = _Lane(self._send)
        self._received = _Lane(self._receive)
        self._disturbances: dict[object, Disturbance] = {}
        self._cuts: dict[Direction, dict[object, _Cut]] = {"sent": {}, "received": {}}
        self._deaf = False
        self._websocket_pauses = False
        self._inner_full = False
        self._reported_full = False
        self._cutting = False

    @classmethod
    def of(cls, websocket: ServerWebSocket) -> Wire | None:
        """The wire of a WebSocket, put in if it is not there yet; None without a socket."""
        transport = websocket.transport
        if transport is None or isinstance(transport, cls):
            return transport
        wire = cls(websocket, transport)
        websocket.interpose(wire)
        return wire

    # -- faults ----------------------------------------------------------------------------

    def disturb(self, key: object, disturbance: Disturbance) -> None:
        """Begin to misbehave."""
        self._disturbances[key] = disturbance
        self._apply()

    def cut_after(
        self, key: object, direction: Direction, count: int, how: How, strikes: Callable[[], None]
    ) -> None:
        """Lose the connection once that many further bytes have gone in a direction.

        Args:
            key: the fault that does it, for `lift`.
            direction: which bytes count; "sent" is what goes to the client.
            count: bytes; with 0 it is lost now.
            how: a TCP reset, or a plain end of the stream.
            strikes: called when the connection is cut.
        """
        cut = _Cut(count, how, strikes)
        if count:
            self._cuts[direction][key] = cut
        else:
            self._cut(cut)

    def lift(self, key: object) -> None:
        """Take back what the fault with this key does; what it held back is sent."""
        self._disturbances.pop(key, None)
        for cuts in self._cuts.values():
            cuts.pop(key, None)
        self._apply()

    def _apply(self) -> None:
        now = self._disturbances.values()
        self._sent.delay = max((one.sent_delay for one in now), default=0.0)
        self._received.delay = max((one.received_delay for one in now), default=0.0)
        self._set_deaf(any(one.deaf for one in now))
        self._sent.shut = any(one.mute for one in now)
        if not self._sent.shut and self._websocket is None:
            self._inner.abort()
            return
        self._sent.run()
        self._update_flow()

    def _set_deaf(self, deaf: bool) -> None:
        if deaf == self._deaf:
            return
        self._deaf = deaf
        # Through the WebSocket: while it does not read, silence is no reason for it to give up.
        if self._websocket is not None:
            (self._websocket.pause_reading if deaf else self._websocket.resume_reading)()
        self._apply_reading()

    def _cut(self, cut: _Cut) -> None:
        self._cutting = True
        self._sent.clear()
        cut.strikes()
        self._sever_when_drained(cut.how, time.monotonic() + _DRAIN_TIMEOUT)

    def _sever_when_drained(self, how: How, deadline: float) -> None:
        if self._inner.get_write_buffer_size() and time.monotonic() < deadline:
            loop = asyncio.get_running_loop()
            loop.call_later(_DRAIN_STEP, self._sever_when_drained, how, deadline)
        else:
            sever(self._inner, how)

    def _until_cut(self, direction: Direction, data: bytes) -> tuple[bytes, _Cut | None]:
        """Count bytes against the cuts; what may still pass, and the cut that comes after it."""
        cuts = self._cuts[direction]
        first = min(cuts.values(), key=lambda cut: cut.left, default=None)
        if first is not None and first.left <= len(data):
            return data[: first.left], first
        for cut in cuts.values():
            cut.left -= len(data)
        return data, None

    # -- as the WebSocket's transport -----------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, as soon as the faults let it through."""
        self._sent.put(bytes(data))
        self._update_flow()

    def _send(self, data: bytes) -> None:
        if self._cutting:
            return
        data, cut = self._until_cut("sent", data)
        self._inner.write(data)
        if cut is not None:
            self._cut(cut)

    def write_eof(self) -> None:
        """Say that nothing more comes, after all that was written."""
        self._sent.put(self._inner.write_eof)

    def can_write_eof(self) -> bool:
        """As the real transport."""
        return self._inner.can_write_eof()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait, here and below."""
        return self._sent.size + self._inner.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the real transport."""
        return self._inner.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether the WebSocket has done with it."""
        return self._websocket is None or self._inner.is_closing()

    def close(self) -> None:
        """End the connection after all that was written."""
        if self._sent.shut:
            self._let_go()
        else:
            self._sent.put(self._inner.close)

    def abort(self) -> None:
        """End the connection at once; but a client to whom nothing is written must not notice."""
        if self._sent.shut:
            self._let_go()
        else:
            self._sent.clear()
            self._inner.abort()

    def _let_go(self) -> None:
        websocket, self._websocket = self._websocket, None
        self._sent.clear()
        self._received.clear()
        if websocket is not None:
            asyncio.get_running_loop().call_soon(websocket.connection_lost, None)

    def pause_reading(self) -> None:
        """Take nothing from the client."""
        self._websocket_pauses = True
        self._apply_reading()

    def resume_reading(self) -> None:
        """Take from the client again, unless a fault forbids it."""
        self._websocket_pauses = False
        self._apply_reading()

    def is_reading(self) -> bool:
        """Whether anything is taken from the client."""
        return not (self._websocket_pauses or self._deaf)

    def _apply_reading(self) -> None:
        if not self._inner.is_closing() and self._inner.is_reading() != self.is_reading():
            (self._inner.resume_reading if self.is_reading() else self._inner.pause_reading)()

    # -- as the real transport's protocol --------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hand on what the client sends, as soon as the faults let it through."""
        if self._websocket is not None and not self._cutting:
            self._received.put(bytes(data))

    def _receive(self, data: bytes) -> None:
        if self._websocket is None or self._cutting:
            return
        data, cut = self._until_cut("received", data)
        self._websocket.data_received(data)
        if cut is not None:
            self._cut(cut)

    def eof_received(self) -> None:
        """Hand on that the client sends no more."""
        self._received.put(self._forward_eof)

    def _forward_eof(self) -> None:
        if self._websocket is not None:
            self._websocket.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on that the socket is gone."""
        self._cutting = True  # nothing can be written any more
        self._sent.clear()
        self._received.put(lambda: self._forward_lost(exc))

    def _forward_lost(self, exc: Exception | None) -> None:
        websocket, self._websocket = self._websocket, None
        if websocket is not None:
            websocket.connection_lost(exc)

    def pause_writing(self) -> None:
        """The real transport is full."""
        self._inner_full = True
        self._update_flow()

    def resume_writing(self) -> None:
        """The real transport takes more again."""
        self._inner_full = False
        self._update_flow()

    def _update_flow(self) -> None:
        full = self._inner_full or self._sent.size > _HIGH_WATER
        if full != self._reported_full and self._websocket is not None:
            self._reported_full = full
            (self._websocket.pause_writing if full else self._websocket.resume_writing)()


def wire_of(websocket: object) -> Wire | None:
    """The wire of a connection's WebSocket; None when there is no socket to misbehave on."""
    return Wire.of(websocket) if isinstance(websocket, ServerWebSocket) else None
