"""`python -m tests.lint`: one line for each finding; exit code 1 when there is one."""

from __future__ import annotations

import sys

from .checker import check
from .docstrings import all_gaps
from .private_names import all_reaches
from .rules import OLDEST
from .sources import ROOT, sources
from .words import all_words


def main() -> int:
    """Check all device code; the words, docstrings and private names of everything."""
    count = found = 0
    for source in sources():
        count += 1
        for finding in check(source.text):
            found += 1
            line = source.line + finding.line - 1
            print(f"{source.path.relative_to(ROOT)}:{line}: {finding.text}")
    for word in all_words():
        found += 1
        print(f"{word.path}:{word.line}: {word.word}: write {word.remedy}")
    for gap in all_gaps():
        found += 1
        print(f"{gap.path}:{gap.line}: the docstring of {gap.name}: {gap.text}")
    for reach in all_reaches():
        found += 1
        print(f"{reach.path}:{reach.line}: {reach.name} is private: give its module a public name")
    if not found:
        print(f"{count} pieces of device code keep to MicroPython {OLDEST}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
