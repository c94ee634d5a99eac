"""What a program prints of its heaps, as numbers of a board."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Python's bytes in use after the boot of ESP32_GENERIC v1.24.0, seen on an emulated chip.
BOOT = 3440
# The heap that it begins with.
FIRST_AREA = 56000


@dataclass(frozen=True)
class Moment:
    """Bytes, after a collection.

    Attributes:
        used: of Python's heap.
        total: of Python's heap, as large as it was since the last such look, at the most.
        free: of the IDF heap.
        largest: block of the IDF heap.
        high: the most that was used since the last such look.
        low: the least that was free of the IDF heap since then.
    """

    used: int
    total: int
    free: int
    largest: int
    high: int
    low: int

    @classmethod
    def of(cls, line: str) -> Moment:
        """From the line of a program."""
        return cls(*map(int, line.split()[-6:]))


@dataclass(frozen=True)
class Names:
    """Names that are not in the image: how many, bytes of their texts, bytes in all."""

    count: int
    text: int
    total: int

    @classmethod
    def of(cls, line: str) -> Names:
        """From the line of `micropython.qstr_info`."""
        _, *found = map(int, re.findall(r"=(\d+)", line))
        return cls(*found)


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        moments: with their names, in their order; the first one is "boot": before anything of
            the product was loaded. What the measuring program itself takes is in it.
        names: that were made from then on.
        loaded: modules, in the order in which their loading ended.
        there: modules that were there in the end.
        back: whether nothing said that it was lost.
    """

    moments: tuple[tuple[str, Moment], ...]
    names: int
    loaded: tuple[str, ...]
    there: frozenset[str]
    back: bool = True

    @classmethod
    def of(cls, lines: Iterable[str]) -> Measured:
        """From all that it printed."""
        moments: list[tuple[str, Moment]] = []
        names, loaded, there, back = [], [], "", True
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "figures":
                moments.append((rest.split()[0], Moment.of(line)))
            elif word == "loaded":
                loaded.append(rest)
            elif word == "there":
                there = rest
            elif line == "lost":
                back = False
            elif line.startswith("qstr pool:"):
                names.append(Names.of(line).count)
        return cls(
            tuple(moments), names[-1] - names[0], tuple(loaded), frozenset(there.split()), back
        )

    @property
    def boot(self) -> Moment:
        """Before the product."""
        return self.moments[0][1]

    def at(self, name: str) -> Moment:
        """The last moment of that name."""
        return self.moments[self._place(name)][1]

    def highest(self, first: str, last: str) -> int:
        """The most that was in use after one moment, up to another."""
        part = self.moments[self._place(first) + 1 : self._place(last) + 1]
        return max(moment.high for _, moment in part)

    @property
    def largest_heap(self) -> int:
        """What the Python heap had grown to when it was largest; it may shrink again."""
        return max(moment.total for _, moment in self.moments)

    @property
    def lowest(self) -> int:
        """The least that the IDF heap had free."""
        return min(moment.low for _, moment in self.moments)

    def _place(self, name: str) -> int:
        return max(place for place, (known, _) in enumerate(self.moments) if known == name)

    def live(self, used: int) -> int:
        """Bytes in use as they would be on the chip: what measures is replaced by its boot."""
        return used - self.boot.used + BOOT
