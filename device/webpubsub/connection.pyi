import asyncio
import ssl as _ssl
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from .errors import TransportError

_Bytes = bytes | bytearray | memoryview

class Connection:
    protocol: str | None
    close_code: int | None
    close_reason: str
    close_timeout: float
    # For the modules that open and close it.
    rx: Any
    tx: Any
    stream: Any
    busy: bool
    blocked: bool
    close_sent: bool
    ended: asyncio.Event
    failure: TransportError | None
    def __init__(self, receiver: Any, transmitter: Any, close_timeout: float = 5) -> None: ...
    @property
    def bytes_received(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    async def open(
        self,
        ping_interval: float | None,
        silence_timeout: float | None,
        url: str,
        protocols: Iterable[str] = (),
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        ssl: _ssl.SSLContext | None = None,
        timeout: float = 30,
    ) -> None: ...
    def keep_alive(
        self,
        ping_interval: float | None,
        silence_timeout: float | None,
        *_checked: bool,
    ) -> None: ...
    def receive_view(self) -> Awaitable[int]: ...
    def poll_view(self) -> int: ...
    @property
    def view(self) -> _Bytes: ...
    def view_holds(self, part: bytes) -> bool: ...
    def send_frame(self, data: _Bytes, opcode: int) -> Awaitable[None]: ...
    def post_frame(self, data: _Bytes, opcode: int) -> bool: ...
    def free(self) -> Awaitable[None]: ...
    async def close(self, code: int = 1000, reason: str = "") -> None: ...
    def abort(self) -> None: ...
