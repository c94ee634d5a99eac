"""The log of a server on the internet: a flood of requests is no flood of lines."""

from __future__ import annotations

import time
from collections.abc import Callable

from .rate_limit import RateLimit

Report = Callable[[str], None]

_LINES_PER_MINUTE = 600


class BoundedReport:
    """Hands lines on, but no more than so many per minute; then says how many it left out.

    Args:
        report: gets the lines.
        per_minute: how many; as many may come at once after a pause.
        clock: seconds of a clock that never jumps.
    """

    def __init__(
        self,
        report: Report,
        per_minute: int = _LINES_PER_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._limit = RateLimit(per_minute, names=1, clock=clock)
        self._left_out = 0

    def __call__(self, line: str) -> None:
        """One line."""
        if self._limit.wait(""):
            self._left_out += 1
            return
        self._limit.take("")
        if self._left_out:
            self._report(f"({self._left_out:,} lines were left out: too many at once)")
            self._left_out = 0
        self._report(line)
