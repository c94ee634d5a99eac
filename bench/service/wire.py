"""A lean WebSocket client on asyncio's bare protocols, so that it is not what is measured.

It trusts its servers: frames are complete and unmasked, masks of its own are zero.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from .servers import HOST, BenchError, UpgradeRequest

CONNECT_TIMEOUT = 30.0
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_RESET = struct.pack("ii", 1, 0)
_ZERO_MASK = b"\0\0\0\0"


def client_frame(text: str | bytes, opcode: int = _TEXT) -> bytes:
    """A masked frame; the mask is zero, which is legal and costs the client nothing.

    Raises:
        ValueError: the payload is too long for a length of two bytes, which is all that we need.
    """
    payload = text.encode() if isinstance(text, str) else text
    if len(payload) < 126:
        return bytes((0x80 | opcode, 0x80 | len(payload))) + _ZERO_MASK + payload
    if len(payload) > 0xFFFF:
        raise ValueError(f"{len(payload)} bytes are too many for one message of the bench")
    return bytes((0x80 | opcode, 0xFE)) + struct.pack("!H", len(payload)) + _ZERO_MASK + payload


class Peer(asyncio.Protocol):
    """One connection: `message` is called for every message behind the greeting.

    Args:
        request: where it goes in.
        loop: the event loop.

    Attributes:
        opened: done when the connection stands; holds the greeting, or nothing.
        closed: whether the connection is over.
        close_code: of the server's Close frame; 1006 without one.
    """

    def __init__(self, request: UpgradeRequest, loop: asyncio.AbstractEventLoop) -> None:
        self.opened: asyncio.Future[bytes] = loop.create_future()
        self.closed = False
        self.close_code = 1006
        self._request = request
        self._rest = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def message(self, payload: bytes) -> None:
        """One text or binary message."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send bytes: complete frames."""
        if self._transport is not None:
            self._transport.write(data)

    def reset(self) -> None:
        """Lose the connection at once. Leaves no port waiting, as a close would."""
        if self._transport is not None:
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def stop_reading(self) -> None:
        """Take nothing more from the kernel."""
        if self._transport is not None:
            self._transport.pause_reading()

    # -- from the transport ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        offer = self._request.subprotocol
        protocol = f"Sec-WebSocket-Protocol: {offer}\r\n" if offer else ""
        self._transport.write(
            f"GET {self._request.target} HTTP/1.1\r\nHost: {HOST}:{self._request.port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.closed = True
        self._transport = None
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._upgrade(head)
        position, size = 0, len(data)
        while size - position >= 2:
            start = position + 2
            length = data[position + 1]
            if length >= 126:
                start += 2 if length == 126 else 8
                if size < start:
                    break
                length = int.from_bytes(data[position + 2 : start], "big")
            end_ = start + length
            if end_ > size:
                break
            self._frame(data[position] & 0x0F, data[start:end_])
            position = end_
        self._rest = data[position:]

    def _upgrade(self, head: bytes) -> None:
        self._upgraded = True
        if b" 101 " not in head.partition(b"\r\n")[0] and not self.opened.done():
            self.opened.set_exception(ConnectionError(head.decode("latin-1")))
        elif not self._request.greeted:
            self.opened.set_result(b"")

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode <= 2:
            if self.opened.done():
                self.message(payload)
            else:
                self.opened.set_result(payload)
        elif opcode == _PING:
            self.write(client_frame(payload, _PONG))
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")


AnyPeer = TypeVar("AnyPeer", bound=Peer)


async def connect(
    make: Callable[[], AnyPeer],
    port: int,
    count: int = 1,
    *,
    at_once: int = 100,
    receive_buffer: int | None = None,
) -> list[AnyPeer]:
    """Open connections, many at a time.

    Args:
        make: makes each client.
        port: of the server.
        count: how many.
        at_once: how many may be on their way at the same time.
        receive_buffer: bytes that the kernel takes for a client that does not read; None leaves
            that to the kernel.

    Raises:
        OSError, TimeoutError: one of them did not come to stand.
    """
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(at_once)

    async def one() -> AnyPeer:
        async with slots:
            raw = socket.socket()
            raw.setblocking(False)
            if receive_buffer is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await asyncio.wait_for(loop.sock_connect(raw, (HOST, port)), CONNECT_TIMEOUT)
            _, peer = await loop.create_connection(make, sock=raw)
            await asyncio.wait_for(peer.opened, CONNECT_TIMEOUT)
            return peer

    return await asyncio.gather(*(one() for _ in range(count)))


async def disconnect(peers: Iterable[Peer]) -> None:
    """Reset connections, and let their sockets be closed."""
    for peer in peers:
        peer.reset()
    # An aborted transport closes its socket in the next turn of the loop.
    await asyncio.sleep(0)


class Silent(Peer):
    """Only speaks."""

    def message(self, payload: bytes) -> None:
        """Not expected."""
        raise BenchError(f"a publisher received {payload[:200]!r}")


class Counter(Peer):
    """Counts what it gets."""

    count = 0

    def message(self, payload: bytes) -> None:
        """One more."""
        self.count += 1
