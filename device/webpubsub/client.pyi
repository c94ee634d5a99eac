import ssl as _ssl
from asyncio import Task
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal

from .backoff import Backoff
from .credentials import _Credential
from .messages import Message, _DataType

_State = Literal["closed", "connecting", "connected", "recovering", "reconnecting", "stopped"]
_Callback = Callable[[Event], Awaitable[None] | None]

class Event:
    name: str
    def __init__(self, name: str, fields: Mapping[str, Any]) -> None: ...
    # The fields that the event has, see WebPubSubClient.
    def __getattr__(self, name: str) -> Any: ...

class Stats:
    messages_received: int
    messages_sent: int
    duplicates: int
    dropped: int
    recoveries: int
    reconnects: int
    last_reason: Exception | None
    ws: Any
    def __init__(self) -> None: ...
    def count(self, ws: Any) -> None: ...
    @property
    def bytes_received(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...

class WebPubSubClient:
    stats: Stats
    # For the modules of this package.
    session: Any
    inbox: Any
    keeper: Any
    codec: Any
    outboxes: list[Any]
    tasks: list[Task[Any]]
    closes: int
    def start(self) -> None: ...
    ack_timeout: int
    def __init__(
        self,
        credential: _Credential,
        *,
        protocol: str = "json.reliable.webpubsub.azure.v1",
        ssl: _ssl.SSLContext | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        ack_timeout: float = 30,
        ping_interval: float | None = 20,
        silence_timeout: float | None = 60,
        max_message_size: int = 65536,
        buffer_size: int | None = None,
        queue_messages: int = 32,
        queue_bytes: int = 65536,
        rejoin: bool = True,
        backoff: Backoff | None = None,
        recovery_timeout: float = 30,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None: ...
    @property
    def state(self) -> _State: ...
    @property
    def connection_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    async def open(self, timeout: float = 30) -> None: ...
    async def run(self) -> None: ...
    async def close(self) -> None: ...
    async def __aenter__(self) -> WebPubSubClient: ...
    async def __aexit__(
        self,
        *exc: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    async def join_group(self, group: str) -> None: ...
    async def leave_group(self, group: str) -> None: ...
    async def send_to_group(
        self,
        group: str,
        content: Any,
        data_type: _DataType | None = None,
        *,
        no_echo: bool = False,
        ack: bool = True,
        ack_id: int | None = None,
    ) -> None: ...
    async def send_event(
        self,
        event: str,
        content: Any,
        data_type: _DataType | None = None,
        *,
        ack: bool = True,
        ack_id: int | None = None,
    ) -> None: ...
    async def flush(self, timeout: float = 30) -> None: ...
    def __aiter__(self) -> AsyncIterator[Message]: ...
    async def __anext__(self) -> Message: ...
    def release(self) -> None: ...
    def subscribe(self, name: str, callback: _Callback) -> None: ...
    def emit(self, name: str, **fields: Any) -> None: ...
    def has_subscribers(self, name: str) -> bool: ...
    def wants_messages(self) -> bool: ...
    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Task[None]: ...
    def unsubscribe(self, name: str, callback: _Callback) -> None: ...
