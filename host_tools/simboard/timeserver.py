"""A small SNTP server (RFC 4330) for boards that have to set their clock, with faults on order."""

from __future__ import annotations

import socket
import struct
import threading
import time
from types import TracebackType

_NTP_TO_UNIX = 2_208_988_800
_PACKET = 48
_SERVER_VERSION_4 = 0x24
_RATE_EXCEEDED = b"RATE"


class TimeServer:
    """Tells this computer's time on a UDP port of 127.0.0.1 while it is open.

    Attributes:
        address: `127.0.0.1:PORT`, as it stands in `clock.ntp` of the settings.
        offset: seconds to add to the time; may be changed while it runs.
        silent: take requests and answer none.
        kiss_of_death: answer with stratum 0 and code RATE (RFC 4330 section 8).
        requests: how many requests came.
    """

    def __init__(
        self,
        *,
        offset: float = 0,
        silent: bool = False,
        kiss_of_death: bool = False,
        port: int = 0,
    ) -> None:
        self.offset, self.silent, self.kiss_of_death = offset, silent, kiss_of_death
        self.requests = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="time server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering. May be repeated."""
        if self._closing:
            return
        self._closing = True
        # Closing a socket does not wake the thread that reads from it; a packet does.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            request, client = self._socket.recvfrom(1024)
            if self._closing:
                return
            received = _timestamp(time.time() + self.offset)
            if len(request) < _PACKET or request[0] & 7 != 3:
                continue
            self.requests += 1
            if not self.silent:
                self._socket.sendto(self._answer(request, received), client)

    def _answer(self, request: bytes, received: bytes) -> bytes:
        stratum, reference = (0, _RATE_EXCEEDED) if self.kiss_of_death else (1, b"LOCL")
        header = struct.pack(">BBbb", _SERVER_VERSION_4, stratum, 6, -20)
        sent = _timestamp(time.time() + self.offset)
        # root delay and dispersion, reference id, then the four timestamps; the client's transmit
        # time comes back as the originate time.
        return header + bytes(8) + reference + received + request[40:48] + received + sent

    def __enter__(self) -> TimeServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _timestamp(seconds: float) -> bytes:
    """Unix time in NTP's 64-bit form, modulo its era."""
    second = int(seconds // 1)
    return struct.pack(">II", (second + _NTP_TO_UNIX) % 2**32, int((seconds - second) * 2**32))
