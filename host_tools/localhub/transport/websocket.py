"""WebSockets as the service holds them: RFC 6455 frames on an asyncio transport.

A `ServerWebSocket` is the protocol of a transport once the opening handshake is done (`upgrade`).
It reads frames, answers pings and Close frames, sends keep-alive pings, and hands data messages
to the connection that it belongs to.

Frames are not written one by one: what one turn of the event loop has for a client is joined, and
leaves in one `write`. A client that reads too slowly does not hold up others: for a reliable one
its messages wait in the session (`hub.connection`), any other one is aborted when more than
`max_unsent` bytes wait for it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from ..errors import ProtocolError
from ..hub.connection import Connection
from ..protocol.frames import (
    ABNORMAL,
    CLOSE,
    PING,
    PONG,
    FrameReader,
    decode_close,
    encode_close,
    encode_frame,
)
from .partial_messages import COUNTED_FROM, PartialMessages

# Takes a connection, and the opcode and payload of a data message; may raise ProtocolError.
Receive = Callable[[Connection, int, bytes], None]

# Seconds in which a peer has to answer a Close frame and to take what was written before it.
CLOSE_TIMEOUT = 5.0
# The same after a protocol error in the framing: where the next frame begins is unknown then, so
# the peer's own Close frame cannot be found, and waiting longer makes no sense.
_LINGER = 1.0
# Keep-alive intervals without a byte from the peer, after which the connection counts as lost.
_SILENT_TICKS = 2
# `struct linger` with l_onoff = 1 and l_linger = 0: close() then sends a TCP reset (socket(7)).
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_PING_FRAME = encode_frame(PING, b"")


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """Times and limits of the WebSockets of a hub.

    Attributes:
        keep_alive: seconds between WebSocket pings.
        max_message: largest message from a client, in bytes.
        max_unsent: bytes that may wait for a client; when there are more, the next write aborts
            its connection. The largest message in base64 has to fit, or a ping behind it would
            end the connection of a client that is merely slow.
        batch_bytes: bytes that one turn of the loop may collect for a client, after which
            reliable messages wait in its session.
    """

    keep_alive: float = 20.0
    max_message: int = 1024 * 1024
    max_unsent: int = 2 * 1024 * 1024
    batch_bytes: int = 64 * 1024


class OpenWebSockets:
    """The WebSockets of a service that have a transport.

    It lets each of them write once per turn of the event loop, and waits for all of them at the
    end.

    Args:
        loop: the event loop.
        partial_messages: counts what they have received in part.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, partial_messages: PartialMessages) -> None:
        self.partial_messages = partial_messages
        self._loop = loop
        self._dirty: list[ServerWebSocket] = []
        self._live: set[ServerWebSocket] = set()
        self._emptied: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._live)

    def flush_soon(self, websocket: ServerWebSocket) -> None:
        """Have a WebSocket flushed at the end of this turn; called once per turn of each."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(websocket)

    def _flush(self) -> None:
        websockets, self._dirty = self._dirty, []
        for websocket in websockets:
            websocket.flush()

    def opened(self, websocket: ServerWebSocket) -> None:
        """A WebSocket has got its transport."""
        self._live.add(websocket)

    def lost(self, websocket: ServerWebSocket) -> None:
        """A WebSocket has lost its transport."""
        self.partial_messages.release(websocket)
        self._live.discard(websocket)
        if not self._live and self._emptied is not None:
            self._emptied.set()

    async def wait_closed(self, timeout: float) -> None:
        """Wait until all are gone, for at most `timeout` seconds; then abort those left."""
        self._emptied = asyncio.Event()
        try:
            if self._live:
                await asyncio.wait_for(self._emptied.wait(), timeout)
        except TimeoutError:
            for websocket in tuple(self._live):
                websocket.abort()
            # An aborted transport reports its end in the next turn of the loop.
            await asyncio.sleep(0)


def sever(transport: asyncio.BaseTransport, how: Literal["rst", "fin"]) -> None:
    """End a transport without a Close frame, as a failing network does.

    Args:
        transport: the transport of a TCP connection.
        how: "rst" for a TCP reset, "fin" for a plain end of the stream.
    """
    raw: socket.socket = transport.get_extra_info("socket")
    try:
        if how == "rst":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        else:
            # Before abort(): close() with unread bytes sends a reset instead (RFC 9293, 3.6.1).
            raw.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the peer has closed it already
    cast(asyncio.WriteTransport, transport).abort()


class ServerWebSocket(asyncio.Protocol):
    """One WebSocket, after the opening handshake: the protocol of its asyncio transport.

    Args:
        connection: the connection that it belongs to; None when the peer only gets a Close
            frame, as after a recovery that is rejected.
        receive: takes every data message.
        websockets: all WebSockets of the service.
        settings: times and limits.

    Attributes:
        received: bytes that came from the peer.
        sent: bytes that went to the transport.
        writable: whether the peer keeps up; see `hub.connection.WebSocket`.
    """

    __slots__ = (
        "_close_timer",
        "_connection",
        "_heard",
        "_is_counted",
        "_lost_reason",
        "_paused",
        "_pending",
        "_pending_bytes",
        "_reader",
        "_reading_paused",
        "_receive",
        "_settings",
        "_silent",
        "_state",
        "_tick_timer",
        "_transport",
        "_websockets",
        "received",
        "sent",
        "writable",
    )

    def __init__(
        self,
        connection: Connection | None,
        receive: Receive,
        websockets: OpenWebSockets,
        settings: WebSocketSettings,
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._websockets = websockets
        self._settings = settings
        self._reader = FrameReader(settings.max_message)
        self._transport: asyncio.Transport | None = None
        self._state: Literal["open", "closing", "failed"] = "open"
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._paused = False
        self._reading_paused = False
        self._heard = True
        self._is_counted = False
        self._silent = 0
        self._tick_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self.writable = True
        self._lost_reason = ""
        self.received = 0
        self.sent = 0

    # -- from the transport ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol; called by `upgrade` once the handshake is done."""
        self._transport = cast(asyncio.Transport, transport)
        self._websockets.opened(self)
        self._schedule_tick()

    def data_received(self, data: bytes) -> None:
        """Handle every frame that is complete; a protocol error ends the WebSocket."""
        self._heard = True
        self.received += len(data)
        if self._state == "failed":
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._handle(opcode, payload)
            buffered = self._reader.buffered
            if buffered >= COUNTED_FROM:
                self._is_counted = True
                self._websockets.partial_messages.count(self, buffered)
            elif self._is_counted:
                self._is_counted = False
                self._websockets.partial_messages.release(self)
        except ProtocolError as error:
            self._reader = FrameReader(0)  # frees what it has buffered
            # Where the next frame begins is unknown now, so nothing more can be read. The
            # transport stays open for a moment: closing it with unread bytes sends a TCP reset,
            # which makes the peer lose the Close frame (RFC 6455 section 7.1.1).
            self._close_for(error)
            self._state = "failed"
            self._limit_closing(_LINGER)
            if self._transport is not None and self._transport.can_write_eof():
                self._transport.write_eof()

    def eof_received(self) -> None:
        """See asyncio.Protocol; asyncio closes the transport when all is written."""
        self._limit_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol; the connection learns of it."""
        self._transport = None
        self._websockets.lost(self)
        self._pending.clear()
        for timer in (self._tick_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.websocket_closed(self, ABNORMAL, self._lost_reason or "Connection lost.")

    def pause_writing(self) -> None:
        """See asyncio.Protocol: more than the high-water mark waits in the transport."""
        self._paused = True
        self.writable = False

    def resume_writing(self) -> None:
        """See asyncio.Protocol: less than the low-water mark waits in the transport."""
        self._paused = False
        self._become_writable()

    # -- frames ----------------------------------------------------------------------------

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            if self._state == "open":
                self.write(encode_frame(PONG, payload))
        elif opcode == CLOSE:
            self._peer_closes(payload)
        elif opcode != PONG and self._state == "open" and self._connection is not None:
            try:
                self._receive(self._connection, opcode, payload)
            except ProtocolError as error:
                self._close_for(error)

    def _peer_closes(self, payload: bytes) -> None:
        code, reason = decode_close(payload)
        if self._state == "open":
            self._state = "closing"
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.websocket_closed(self, code, reason)
            self.write(encode_close(code))
            self.flush()
        self._limit_closing()
        if self._transport is not None:
            self._transport.close()

    def _close_for(self, error: ProtocolError) -> None:
        # Not `Connection.close`: a reliable session survives a protocol error, so that its
        # client can recover it.
        connection, self._connection = self._connection, None
        last_frame = None
        if connection is not None:
            last_frame = connection.codec.disconnected(error.reason)
            connection.websocket_closed(self, error.code, error.reason)
        self.close(error.code, error.reason, last_frame)

    def write(self, frame: bytes) -> None:
        """Send one complete frame, joined with all others of this turn of the event loop."""
        pending = self._pending
        if not pending:
            self._websockets.flush_soon(self)
        pending.append(frame)
        self._pending_bytes = size = self._pending_bytes + len(frame)
        if size > self._settings.batch_bytes:
            self.writable = False

    def flush(self) -> None:
        """Hand the frames of this turn to the transport, as one write."""
        pending, transport = self._pending, self._transport
        if not pending or transport is None:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._pending_bytes = 0
        if self._paused and transport.get_write_buffer_size() > self._settings.max_unsent:
            self._drop_slow()
            return
        transport.write(data)
        self.sent += len(data)
        if not self._paused and not self.writable:
            self._become_writable()

    def _become_writable(self) -> None:
        self.writable = True
        if self._connection is not None:
            self._connection.write_pending()

    def _drop_slow(self) -> None:
        if self._connection is not None:
            self._connection.drop("SlowClient")
        else:
            self.abort()

    # -- for its connection ----------------------------------------------------------------

    def close(self, code: int, reason: str, last_frame: bytes | None = None) -> None:
        """Start the closing handshake (RFC 6455 section 7.1.2); see `hub.connection.WebSocket`."""
        if self._state != "open":
            return
        self._state = "closing"
        if last_frame is not None:
            self.write(last_frame)
        self.write(encode_close(code, reason))
        self.flush()
        self._limit_closing()

    def abort(self) -> None:
        """Close the transport at once; what is not written yet is lost."""
        self._pending.clear()
        if self._transport is not None:
            self._transport.abort()

    def cut(self, how: Literal["rst", "fin"]) -> None:
        """Lose the transport as a failing network does, see `sever`; the session stays.

        Frames that are not written yet are lost.
        """
        self._pending.clear()
        if self._transport is not None:
            sever(self._transport, how)

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it writes to; None when it is gone."""
        return self._transport

    def interpose(self, between: asyncio.Transport) -> None:
        """Write to something between this WebSocket and its transport from now on.

        Args:
            between: becomes the transport of this WebSocket and the protocol of its present
                transport, as `faults.wire.Wire` is both.
        """
        if self._transport is not None:
            self._transport.set_protocol(cast(asyncio.BaseProtocol, between))
            self._transport = between

    def pause_reading(self) -> None:
        """Read nothing more from the peer until `resume_reading`; TCP makes it wait."""
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the peer again."""
        if self._reading_paused and self._transport is not None:
            self._transport.resume_reading()
            # A fault in between may keep it paused (`faults.wire`).
            self._reading_paused = not self._transport.is_reading()

    # -- time ------------------------------------------------------------------------------

    def _schedule_tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._tick_timer = loop.call_later(self._settings.keep_alive, self._tick)

    def _tick(self) -> None:
        # While the service itself does not read, silence says nothing about the peer.
        self._silent = 0 if self._heard or self._reading_paused else self._silent + 1
        self._heard = False
        if self._silent >= _SILENT_TICKS:
            self._lost_reason = "PingTimeout"
            self.abort()
            return
        if self._state == "open":
            self.write(_PING_FRAME)
        self._schedule_tick()

    def _limit_closing(self, timeout: float = CLOSE_TIMEOUT) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._transport is not None:
            loop = asyncio.get_running_loop()
            self._close_timer = loop.call_later(timeout, self.abort)
