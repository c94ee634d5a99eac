from typing import Protocol

class Ballast(Protocol):
    def release(self) -> None: ...

def shape(
    growth: int = 38000, ballast: int = 12288
) -> tuple[Ballast | None, bytes | None] | None: ...
