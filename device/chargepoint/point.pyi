from collections.abc import Callable, Iterable
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from .hardware import Hardware

# By strings: names in a stub are public, and cost every board their bytes.
_Options = TypedDict(
    "_Options",
    {
        "key": bytes | str | None,
        "folder": str,
        "ssl": Any,
        "hub": str | None,
        "connectors": int,
        "vendor": str,
        "model": str,
        "serial": str | None,
        "firmware": str | None,
        "profile": int | None,
        "highest": int | None,
        "generation": int,
        "resume": bool,
        "journal": int,
        "clock": Any,
        "backoff": Any,
        "slow": Any,
        "features": Iterable[Literal["local-list", "smart-charging"]],
    },
    total=False,
)

class ChargePoint:
    listeners: list[Callable[[str, int, Any], object]]
    clock: Any
    def __init__(
        self, url: str, identity: str, hardware: Hardware, **options: Unpack[_Options]
    ) -> None: ...
    async def run(self) -> None: ...
    def hurry(self) -> None: ...
    def plugged(self, connector: int) -> None: ...
    def unplugged(self, connector: int) -> None: ...
    def ready(self, connector: int) -> None: ...
    def paused(self, connector: int) -> None: ...
    def tag(self, connector: int, id_tag: str) -> None: ...
    def fault(self, connector: int, error_code: str, info: str = "") -> None: ...
    def cleared(self, connector: int) -> None: ...
