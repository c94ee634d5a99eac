"""Rate limits: a token bucket for each device or address, of which a bounded number is kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class RateLimit:
    """A limit per name.

    Args:
        per_minute: requests per minute; as many may come at once after a pause.
        names: how many are remembered; beyond it the one that was quiet for longest is forgotten.
        clock: seconds of a clock that never jumps.
    """

    def __init__(
        self,
        per_minute: int,
        names: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = float(per_minute)
        self._names = names
        self._clock = clock
        # Name -> what was left in its bucket, and when.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Seconds until a request of `name` is within the limit; 0 when it is now."""
        return max(0.0, (1 - self._left(name)) * 60 / self._most)

    def take(self, name: str) -> None:
        """Count a request of `name`."""
        left = max(0.0, self._left(name) - 1)
        self._buckets[name] = left, self._clock()
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._names:
            self._buckets.popitem(last=False)

    def _left(self, name: str) -> float:
        left, at = self._buckets.get(name, (self._most, 0.0))
        return min(self._most, left + (self._clock() - at) * self._most / 60)
