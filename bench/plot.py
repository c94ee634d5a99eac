"""A bar chart of ratios in SVG, logarithmic, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .measure import Figure

_LABELS = 330
_BARS = 430
_VALUES = 60
_ROW = 26
_TOP = 44
_BOTTOM = 56
_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)
_STYLE = """
  .page { fill: #ffffff }
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .better, .own { fill: #1a7f37 } .worse { fill: #bc4c00 } .peer { fill: #8c959f }
  .grid { stroke: #8c959f; stroke-opacity: .35 }
  .base { stroke: #1f2328; stroke-width: 2 }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .better, .own { fill: #3fb950 } .worse { fill: #f0883e } .peer { fill: #6e7681 }
    .base, .spread { stroke: #e6edf3 }
  }
"""


@dataclass(frozen=True)
class Bar:
    """A ratio; whiskers span the rounds.

    Attributes:
        name: what is measured.
        ratio: to the baseline.
        kind: its colour: "better" or "worse", "own" or "peer".
    """

    name: str
    ratio: Figure
    kind: str


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


@dataclass(frozen=True)
class Chart:
    """What is written around bars.

    Attributes:
        title: its heading.
        label: what a screen reader says of it.
        corner: what stands above the names.
        axis: what stands below the scale.
    """

    title: str
    label: str
    corner: str
    axis: str

    def svg(self, bars: Sequence[Bar]) -> str:
        """The picture; one line for each bar."""
        scale = _Scale(min(one.ratio.low for one in bars), max(one.ratio.high for one in bars))
        bottom = _TOP + _ROW * len(bars)
        width, height = _LABELS + _BARS + _VALUES, bottom + _BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escape(self.label)}">',
            f"<style>{_STYLE}</style>",
            # A page may be dark where the system is light: the picture brings its own ground.
            f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
            f'<text class="title" x="8" y="22">{escape(self.title)}</text>',
        ]
        for tick in scale.ticks:
            x = scale.place(tick)
            kind = "base" if tick == 1 else "grid"
            parts.append(
                f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>'
            )
            parts.append(
                f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
            )
        for number, one in enumerate(bars):
            parts += _bar(one, _TOP + _ROW * number, scale)
        middle = _LABELS + _BARS / 2
        parts.append(
            f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">{escape(self.axis)}</text>'
        )
        parts.append(f'<text x="8" y="{_TOP - 4}">{escape(self.corner)}</text>')
        return "\n".join([*parts, "</svg>\n"])


def _bar(one: Bar, top: float, scale: _Scale) -> list[str]:
    base, end = scale.place(1), scale.place(one.ratio.median)
    middle = top + _ROW / 2
    low, high = scale.place(one.ratio.low), scale.place(one.ratio.high)
    right = max(high, end, base) + 6
    return [
        f'<text x="8" y="{middle + 4}">{escape(one.name)}</text>',
        f'<rect class="{one.kind}" x="{min(base, end):.1f}" y="{top + 5}" '
        f'width="{abs(end - base):.1f}" height="{_ROW - 10}"/>',
        f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{right:.1f}" y="{middle + 4}">{one.ratio.median:.2f}</text>',
    ]
