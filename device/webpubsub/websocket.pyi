import ssl as _ssl
from collections.abc import Awaitable, Coroutine, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

from .connection import Connection

_Bytes = bytes | bytearray | memoryview

class WSMsgType:
    TEXT: int
    BINARY: int
    PING: int
    PONG: int
    CLOSED: int

class WSMessage(NamedTuple):
    type: int
    data: Any

class Opening(Coroutine[Any, Any, WebSocket]):
    def __await__(self) -> Generator[Any, None, WebSocket]: ...
    def send(self, value: Any, /) -> Any: ...
    def throw(self, *error: Any) -> Any: ...
    async def __aenter__(self) -> WebSocket: ...
    async def __aexit__(
        self,
        *exc: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...

def ws_connect(
    url: str,
    *,
    protocols: Iterable[str] = (),
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ssl: _ssl.SSLContext | None = None,
    timeout: float = 30,
    max_size: int = 65536,
    ping_interval: float | None = 20,
    silence_timeout: float | None = 60,
    close_timeout: float = 5,
    buffer_size: int | None = None,
) -> Opening: ...

class WebSocket(Connection):
    # Made by ws_connect.
    def receive(self) -> Awaitable[WSMessage]: ...
    async def receive_str(self, _kind: int = 1) -> str: ...
    def receive_bytes(self) -> Awaitable[bytearray]: ...
    async def receive_json(self) -> Any: ...
    def __aiter__(self) -> WebSocket: ...
    async def __anext__(self) -> WSMessage: ...
    def send_str(self, text: str) -> Awaitable[None]: ...
    def send_bytes(self, data: _Bytes) -> Awaitable[None]: ...
    def send_json(self, value: Any) -> Awaitable[None]: ...
    def ping(self, data: _Bytes = b"") -> Awaitable[None]: ...
    async def __aenter__(self) -> WebSocket: ...
    async def __aexit__(
        self,
        *exc: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
