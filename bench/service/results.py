"""What was found: figures beside their baseline."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..measure import Figure
from ..plot import Bar
from ..sheet import Sheet

_COLUMNS = ("Measure", "Unit", "Bare aiohttp", "localhub", "Ratio", "Goal", "Lost", "Notes")


@dataclass(frozen=True)
class Comparison:
    """A baseline, the service, and how much better the service is, round by round."""

    bare: Figure
    service: Figure
    ratio: Figure

    @classmethod
    def of(
        cls, bare: Sequence[float], service: Sequence[float], *, more_is_better: bool = False
    ) -> Comparison:
        """From what each round found: a cost, or a yield if `more_is_better`."""
        pairs = zip(bare, service, strict=True)
        ratios = [of / by if more_is_better else by / of for by, of in pairs]
        return cls(Figure.of(bare), Figure.of(service), Figure.of(ratios))


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what is measured.
        unit: of the two figures.
        ratio: the figures.
        goal: what was aimed at, in words.
        lost: messages that did not come, or came twice.
        notes: what else was found, by name.
        plotted: whether the ratio says something; not so where the baseline failed.
    """

    name: str
    unit: str
    comparison: Comparison
    goal: str = ""
    lost: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    plotted: bool = True


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def sheet(measures: Iterable[Measure], rounds: int, few: int) -> Sheet:
    """One line for each measure.

    Args:
        measures: what was found.
        rounds: how often most of it was measured.
        few: how often the long scenarios were.
    """
    return Sheet(
        "Local service beside bare aiohttp",
        _COLUMNS,
        [_cells(one) for one in measures],
        f"Each cell is the median, and in brackets the lowest and the highest of {rounds} rounds "
        f"(of {few} where connections are held and where readers are slow). A ratio is formed "
        'within a round. "Lost" counts messages that did not arrive, or arrived twice.',
    )


def _cells(one: Measure) -> list[str]:
    compared = one.comparison
    return [
        one.name,
        one.unit,
        _shown(compared.bare),
        _shown(compared.service),
        _shown(compared.ratio) if one.plotted else "",
        one.goal,
        str(one.lost),
        ", ".join(f"{name} {value}" for name, value in one.notes.items()),
    ]


def _shown(figure: Figure) -> str:
    return figure.shown(2 if figure.median < 100 else 0)


def bars(measures: Iterable[Measure]) -> list[Bar]:
    """Of all measures that say `plotted`: how much better than the baseline."""
    return [
        Bar(one.name, ratio, "better" if ratio.median >= 1 else "worse")
        for one in measures
        if one.plotted
        for ratio in [one.comparison.ratio]
    ]
