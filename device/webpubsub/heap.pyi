from typing import Any

GROWTH: int
BALLAST: int

# (ballast, with `release()`, or None; what pins the heap); None where there is nothing to shape.
def shape(growth: int = 44000, ballast: int = 6144) -> tuple[Any, bytes | None] | None: ...
