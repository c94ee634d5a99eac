from collections.abc import Mapping

class Anonymous:
    def __init__(
        self, endpoint: str, hub: str, query: Mapping[str, str] | None = None
    ) -> None: ...
    async def url(self) -> str: ...
