import ssl as _ssl
from collections.abc import Mapping

class Negotiate:
    request: bytes
    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        ssl: _ssl.SSLContext | None = None,
        timeout: float = 30,
        max_size: int = 8192,
        allow_insecure: bool = False,
    ) -> None: ...
    async def url(self) -> str: ...
    def url_in(self, data: bytes | bytearray | memoryview) -> str: ...
