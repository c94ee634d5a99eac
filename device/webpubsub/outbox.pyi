from typing import Any, Literal

from .client import WebPubSubClient
from .errors import WebPubSubError

_DataType = Literal["json", "text", "binary"]
_Policy = Literal["keep", "drop-oldest", "latest"]

ID: str

class OutboxFull(WebPubSubError): ...

class Outbox:
    delivered: int
    dropped: dict[str, int]
    def __init__(
        self,
        client: WebPubSubClient,
        path: str | None = None,
        *,
        messages: int = 256,
        size: int = 16384,
        delay: float = 1,
        attempts: int = 10,
    ) -> None: ...
    @property
    def waiting(self) -> int: ...
    async def send_to_group(
        self,
        group: str,
        content: Any,
        data_type: _DataType | None = None,
        *,
        no_echo: bool = False,
        policy: _Policy = "keep",
        key: str | None = None,
        expires: float | None = None,
        wait: bool = True,
    ) -> str: ...
    async def send_event(
        self,
        event: str,
        content: Any,
        data_type: _DataType | None = None,
        *,
        policy: _Policy = "keep",
        key: str | None = None,
        expires: float | None = None,
        wait: bool = True,
    ) -> str: ...
    async def stored(self) -> None: ...
    def save(self) -> OutboxFull | None: ...
    async def flush(self, timeout: float = 30) -> None: ...
    async def close(self) -> None: ...
