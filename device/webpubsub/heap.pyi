from typing import Protocol

class Ballast(Protocol):
    def release(self) -> None: ...

def shape(
    growth: int = 48000, ballast: int = 12288
) -> tuple[Ballast | None, bytes | None] | None: ...
