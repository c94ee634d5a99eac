"""What was found: figures beside their baseline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..measure import Figure


@dataclass(frozen=True)
class Ratio:
    """A baseline, the service, and how much better the service is, round by round."""

    bare: Figure
    service: Figure
    economy: Figure

    @classmethod
    def of(
        cls, bare: Sequence[float], service: Sequence[float], *, more_is_better: bool = False
    ) -> Ratio:
        """From what each round found: a cost, or a yield if `more_is_better`."""
        pairs = zip(bare, service, strict=True)
        economy = [of / by if more_is_better else by / of for by, of in pairs]
        return cls(Figure.of(bare), Figure.of(service), Figure.of(economy))


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
    ratio: Ratio
    goal: str = ""
    lost: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    plotted: bool = True


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
