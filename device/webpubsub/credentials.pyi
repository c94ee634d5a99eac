from collections.abc import Awaitable, Callable
from typing import Protocol

from .client import WebPubSubClient
from .errors import HandshakeError

class _HasUrl(Protocol):
    async def url(self) -> str: ...

_Credential = str | _HasUrl | Callable[[], Awaitable[str]]

class AccessToken:
    def __init__(
        self,
        endpoint: str,
        hub: str,
        token: str,
        allow_insecure: bool = False,
        warn: float = 604800,
    ) -> None: ...
    @property
    def expires(self) -> int | None: ...
    @property
    def seconds_left(self) -> int | None: ...
    async def url(self) -> str: ...
    def refused(self, error: HandshakeError) -> HandshakeError: ...
    def watch(self, client: WebPubSubClient) -> None: ...
