from typing import Protocol

class Ballast(Protocol):
    def release(self) -> None: ...

def shape(
    growth: int = 44000, ballast: int = 6144
) -> tuple[Ballast | None, bytes | None] | None: ...
