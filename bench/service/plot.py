"""A bar chart in SVG: how much better than the baseline, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .results import Measure

_LABELS = 330
_BARS = 430
_VALUES = 60
_ROW = 26
_TOP = 44
_BOTTOM = 56
_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
_STYLE = """
  .page { fill: #ffffff }
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .better { fill: #1a7f37 } .worse { fill: #bc4c00 }
  .grid { stroke: #8c959f; stroke-opacity: .35 }
  .base { stroke: #1f2328; stroke-width: 2 }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .better { fill: #3fb950 } .worse { fill: #f0883e }
    .base, .spread { stroke: #e6edf3 }
  }
"""


class _Scale:
    """A logarithmic axis from one tick to another."""

    def __init__(self, lowest: float, highest: float) -> None:
        below = [tick for tick in _TICKS if tick <= min(lowest, 0.5)]
        above = [tick for tick in _TICKS if tick >= max(highest, 2)]
        self._first = below[-1] if below else _TICKS[0]
        self._last = above[0] if above else _TICKS[-1]

    @property
    def ticks(self) -> list[float]:
        """What gets a line."""
        return [tick for tick in _TICKS if self._first <= tick <= self._last]

    def place(self, value: float) -> float:
        """Where a value is, in pixels."""
        value = min(max(value, self._first), self._last)
        share = math.log(value / self._first) / math.log(self._last / self._first)
        return _LABELS + _BARS * share


def svg(measures: Sequence[Measure]) -> str:
    """The chart of all measures that say `plotted`; whiskers span the rounds."""
    shown = [one for one in measures if one.plotted]
    scale = _Scale(
        min(one.ratio.economy.low for one in shown), max(one.ratio.economy.high for one in shown)
    )
    bottom = _TOP + _ROW * len(shown)
    width, height = _LABELS + _BARS + _VALUES, bottom + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="The local service as a multiple of bare aiohttp">',
        f"<style>{_STYLE}</style>",
        # A page may be dark where the system is light: the picture brings its own ground.
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
        '<text class="title" x="8" y="22">localhub as a multiple of bare aiohttp</text>',
    ]
    for tick in scale.ticks:
        x = scale.place(tick)
        kind = "base" if tick == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for number, one in enumerate(shown):
        parts += _bar(one, _TOP + _ROW * number, scale)
    middle = _LABELS + _BARS / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">'
        "times as good as bare aiohttp = 1 (logarithmic; right is better)</text>"
    )
    parts.append(f'<text x="8" y="{_TOP - 4}">measure (by CPU where nothing else is said)</text>')
    return "\n".join([*parts, "</svg>\n"])


def _bar(one: Measure, top: float, scale: _Scale) -> list[str]:
    economy = one.ratio.economy
    base, end = scale.place(1), scale.place(economy.median)
    kind = "better" if economy.median >= 1 else "worse"
    middle = top + _ROW / 2
    low, high = scale.place(economy.low), scale.place(economy.high)
    right = max(high, end, base) + 6
    return [
        f'<text x="8" y="{middle + 4}">{escape(one.name)}</text>',
        f'<rect class="{kind}" x="{min(base, end):.1f}" y="{top + 5}" '
        f'width="{abs(end - base):.1f}" height="{_ROW - 10}"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{right:.1f}" y="{middle + 4}">{economy.median:.2f}</text>',
    ]
