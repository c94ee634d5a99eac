"""What was found: figures beside their baseline."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..measure import Figure


@dataclass(frozen=True)
class Ratio:
    """A baseline, the service, and the first divided by the second, round by round."""

    bare: Figure
    service: Figure
    economy: Figure

    @classmethod
    def of(cls, bare: Sequence[float], service: Sequence[float]) -> Ratio:
        """From what each round found."""
        economy = [one / other for one, other in zip(bare, service, strict=True)]
        return cls(Figure.of(bare), Figure.of(service), Figure.of(economy))


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what is measured.
        unit: of the two figures.
        ratio: the figures.
        lost: messages that did not come, or came twice.
        notes: what else was found, by name.
    """

    name: str
    unit: str
    ratio: Ratio
    lost: int = 0
    notes: dict[str, str] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
