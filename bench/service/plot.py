"""The chart of the local service: how much better than the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from ..plot import Bar, chart
from .results import Measure


def svg(measures: Sequence[Measure]) -> str:
    """The chart of all measures that say `plotted`."""
    bars = [
        Bar(one.name, economy, "better" if economy.median >= 1 else "worse")
        for one in measures
        if one.plotted
        for economy in [one.ratio.economy]
    ]
    return chart(
        bars,
        title="localhub as a multiple of bare aiohttp",
        label="The local service as a multiple of bare aiohttp",
        corner="measure (by CPU where nothing else is said)",
        axis="times as good as bare aiohttp = 1 (logarithmic; right is better)",
    )
