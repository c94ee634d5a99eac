"""How much is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        echoes: messages there and back over ws, by their length in bytes; a third over wss.
        counted: messages of the short and of the long run whose instructions are counted.
        one_way: messages one way, by their length.
        heap_echoes: messages of `heap_length` bytes that the smallest heap must bear.
        heap_length: bytes of each of them.
        heap_runs: how many runs must all succeed.
        idle_seconds: how long idle connections are watched.
    """

    echoes: Mapping[int, int] = field(default_factory=lambda: {64: 6000, 1024: 6000, 16384: 2000})
    counted: tuple[int, int] = (100, 400)
    one_way: Mapping[int, int] = field(
        default_factory=lambda: {64: 30000, 1024: 20000, 16384: 4000}
    )
    heap_echoes: int = 200
    heap_length: int = 1024
    heap_runs: int = 3
    # The time between own pings: so each span holds one.
    idle_seconds: float = 20
