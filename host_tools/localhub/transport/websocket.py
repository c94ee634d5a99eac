"""The socket side of a connection: frames in and out of an asyncio transport.

Everything that a turn of the event loop has for one client leaves in one write. A client that
reads too slowly never holds up the others: a reliable one waits in its session, any other is
dropped when too much has piled up for it.
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
from .partial_messages import NOTEWORTHY, Unfinished

Receive = Callable[[Connection, int, bytes], None]

# How long a peer may take to answer a Close frame, and to take what was written before it.
CLOSE_TIMEOUT = 5.0
# The same after broken framing, when the answer cannot be told from garbage.
_LINGER = 1.0
# Ticks of the keep-alive without a byte from the peer, after which it counts as gone.
_SILENT_TICKS = 2
# struct linger: on, zero seconds. Closing then resets the connection.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_PING_FRAME = encode_frame(PING, b"")


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What all links of a hub have in common.

    Attributes:
        keep_alive: seconds between WebSocket pings.
        max_message: largest message from a client in bytes.
        max_unsent: bytes that may wait for a client before the next write drops it. The largest
            message in base64 has to fit, or a ping behind it would end a slow connection.
        batch_bytes: bytes that one turn of the loop may collect for a reliable client.
    """

    keep_alive: float = 20.0
    max_message: int = 1024 * 1024
    max_unsent: int = 2 * 1024 * 1024
    batch_bytes: int = 64 * 1024


class LinkPool:
    """All links of a service: lets each write once per turn of the loop, and knows which live.

    Args:
        loop: the event loop.
        unfinished: counts what they have received in part.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, unfinished: Unfinished) -> None:
        self.unfinished = unfinished
        self._loop = loop
        self._dirty: list[WebSocketLink] = []
        self._live: set[WebSocketLink] = set()
        self._emptied: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._live)

    def flush_soon(self, link: WebSocketLink) -> None:
        """Have a link flushed; called once per link and turn."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(link)

    def _flush(self) -> None:
        links, self._dirty = self._dirty, []
        for link in links:
            link.flush()

    def opened(self, link: WebSocketLink) -> None:
        """A link has a socket."""
        self._live.add(link)

    def lost(self, link: WebSocketLink) -> None:
        """A link has lost its socket."""
        self.unfinished.release(link)
        self._live.discard(link)
        if not self._live and self._emptied is not None:
            self._emptied.set()

    async def wait_closed(self, timeout: float) -> None:
        """Wait until every link is gone; abort those that are left after `timeout` seconds."""
        self._emptied = asyncio.Event()
        try:
            if self._live:
                await asyncio.wait_for(self._emptied.wait(), timeout)
        except TimeoutError:
            for link in tuple(self._live):
                link.abort()
            # An aborted transport reports its end in the next turn of the loop.
            await asyncio.sleep(0)


def sever(transport: asyncio.BaseTransport, how: Literal["rst", "fin"]) -> None:
    """Lose a socket as a network would: with a TCP reset, or with a plain end of the stream."""
    raw: socket.socket = transport.get_extra_info("socket")
    try:
        if how == "rst":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        else:
            # First, for closing with unread bytes resets the connection.
            raw.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the peer was quicker
    cast(asyncio.WriteTransport, transport).abort()


class WebSocketLink(asyncio.Protocol):
    """One WebSocket, after the handshake.

    Args:
        connection: whose link it is; None for a peer that only gets a Close frame.
        receive: called with the connection, opcode and payload of every data message; may
            raise ProtocolError.
        pool: the links of the service.
        settings: times and limits.

    Attributes:
        received: bytes of frames that came from the peer.
        sent: bytes of frames that went to the transport.
    """

    __slots__ = (
        "_close_timer",
        "_connection",
        "_heard",
        "_holds",
        "_lost_reason",
        "_paused",
        "_pending",
        "_pending_bytes",
        "_pool",
        "_reader",
        "_reading_paused",
        "_receive",
        "_settings",
        "_silent",
        "_state",
        "_tick_timer",
        "_transport",
        "received",
        "sent",
        "writable",
    )

    def __init__(
        self,
        connection: Connection | None,
        receive: Receive,
        pool: LinkPool,
        settings: LinkSettings,
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._pool = pool
        self._settings = settings
        self._reader = FrameReader(settings.max_message)
        self._transport: asyncio.Transport | None = None
        self._state: Literal["open", "closing", "failed"] = "open"
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._paused = False
        self._reading_paused = False
        self._heard = True
        self._holds = False
        self._silent = 0
        self._tick_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self.writable = True
        self._lost_reason = ""
        self.received = 0
        self.sent = 0

    # -- from the transport ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self._transport = cast(asyncio.Transport, transport)
        self._pool.opened(self)
        self._schedule_tick()

    def data_received(self, data: bytes) -> None:
        """Handle every frame that is complete; a broken one ends the connection."""
        self._heard = True
        self.received += len(data)
        if self._state == "failed":
            return
        try:
            for opcode, payload in self._reader.feed(data):
                self._handle(opcode, payload)
            held = self._reader.held
            if held >= NOTEWORTHY:
                self._holds = True
                self._pool.unfinished.hold(self, held)
            elif self._holds:
                self._holds = False
                self._pool.unfinished.release(self)
        except ProtocolError as error:
            self._reader = FrameReader(0)  # what it holds is of no use
            # Where the next frame begins is unknown now, so nothing more can be read. The
            # socket stays open for a moment: a reset would make the peer lose the Close frame.
            self._close_for(error)
            self._state = "failed"
            self._limit_closing(_LINGER)
            if self._transport is not None and self._transport.can_write_eof():
                self._transport.write_eof()

    def eof_received(self) -> None:
        """The peer sends no more; asyncio closes the transport once all is written."""
        self._limit_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._transport = None
        self._pool.lost(self)
        self._pending.clear()
        for timer in (self._tick_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.link_lost(self, ABNORMAL, self._lost_reason or "Connection lost.")

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._paused = True
        self.writable = False

    def resume_writing(self) -> None:
        """The transport's buffer is nearly empty again."""
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
                connection.link_lost(self, code, reason)
            self.write(encode_close(code))
            self.flush()
        self._limit_closing()
        if self._transport is not None:
            self._transport.close()

    def _close_for(self, error: ProtocolError) -> None:
        # The session of a reliable client survives its mistake: it may recover and go on.
        connection, self._connection = self._connection, None
        farewell = None
        if connection is not None:
            farewell = connection.codec.disconnected(error.reason)
            connection.link_lost(self, error.code, error.reason)
        self.close(error.code, error.reason, farewell)

    def write(self, frame: bytes) -> None:
        """Send one whole frame, together with all others of this turn of the loop."""
        pending = self._pending
        if not pending:
            self._pool.flush_soon(self)
        pending.append(frame)
        self._pending_bytes = size = self._pending_bytes + len(frame)
        if size > self._settings.batch_bytes:
            self.writable = False

    def flush(self) -> None:
        """Hand what was collected to the transport."""
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
            self._connection.pump()

    def _drop_slow(self) -> None:
        if self._connection is not None:
            self._connection.drop("SlowClient")
        else:
            self.abort()

    # -- for the connection ----------------------------------------------------------------

    def close(self, code: int, reason: str, farewell: bytes | None = None) -> None:
        """Send a last frame and a Close frame; the socket ends when the peer has answered."""
        if self._state != "open":
            return
        self._state = "closing"
        if farewell is not None:
            self.write(farewell)
        self.write(encode_close(code, reason))
        self.flush()
        self._limit_closing()

    def abort(self) -> None:
        """End the socket at once."""
        self._pending.clear()
        if self._transport is not None:
            self._transport.abort()

    def cut(self, how: Literal["rst", "fin"]) -> None:
        """Lose the socket as a network would: with a TCP reset, or with a plain end.

        The session stays. Frames that are not written yet are lost.
        """
        self._pending.clear()
        if self._transport is not None:
            sever(self._transport, how)

    @property
    def transport(self) -> asyncio.Transport | None:
        """What it writes to; None without a socket."""
        return self._transport

    def interpose(self, between: asyncio.Transport) -> None:
        """Write to something that stands between this link and its transport from now on.

        It has to be the protocol of the transport as well; `faults.wire` is.
        """
        if self._transport is not None:
            self._transport.set_protocol(cast(asyncio.BaseProtocol, between))
            self._transport = between

    def pause_reading(self) -> None:
        """Take no more from the peer until `resume_reading`."""
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._reading_paused and self._transport is not None:
            self._transport.resume_reading()
            # A fault may have forbidden it.
            self._reading_paused = not self._transport.is_reading()

    # -- time ------------------------------------------------------------------------------

    def _schedule_tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._tick_timer = loop.call_later(self._settings.keep_alive, self._tick)

    def _tick(self) -> None:
        # While we do not read, silence says nothing about the peer.
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
