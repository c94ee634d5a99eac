"""`python -m tests.lint`: one line for each finding; exit code 1 when there is one."""

from __future__ import annotations

import sys

from .checker import check
from .rules import OLDEST
from .sources import ROOT, sources
from .words import all_words


def main() -> int:
    """Check all device code, and the words of everything."""
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
    if not found:
        print(f"{count} pieces of device code keep to MicroPython {OLDEST}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
