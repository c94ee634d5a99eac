"""A time server on loopback, for boards whose clock is not set (SNTP, RFC 4330)."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PACKET = struct.Struct("!BBBbII4sQQQQ")
_UNIX_TO_NTP = 2208988800
_SERVER_MODE = 4
_CLIENT_MODE = 3


def _timestamp(unix_time: float) -> int:
    """64 bits: seconds since 1900, and their fraction; the seconds run over in 2036."""
    return int((unix_time + _UNIX_TO_NTP) * 2**32) & (2**64 - 1)


def answer(request: bytes, now: float) -> bytes | None:
    """The answer to an SNTP request; None when it is none.

    Args:
        request: a datagram.
        now: Unix time.
    """
    if len(request) < _PACKET.size or request[0] & 7 != _CLIENT_MODE:
        return None
    version = request[0] >> 3 & 7
    stamp = _timestamp(now)
    # Stratum 1 of reference "LOCL": this computer's own clock (RFC 4330, section 4).
    return _PACKET.pack(
        version << 3 | _SERVER_MODE,
        1,
        request[2],
        -20,
        0,
        0,
        b"LOCL",
        stamp,
        int.from_bytes(request[40:48], "big"),
        stamp,
        stamp,
    )


class _Protocol(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = answer(data, time.time())
        if reply is not None:
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def time_server() -> AsyncIterator[str]:
    """Run a time server; gives its `host:port`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Protocol, local_addr=("127.0.0.1", 0))
    try:
        host, port = transport.get_extra_info("sockname")[:2]
        yield f"{host}:{port}"
    finally:
        transport.close()
