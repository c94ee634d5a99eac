"""`python -m tests.lint.commit_subject FILE`: the form of a commit's message, for a hook of Git.

`area: Sentence with full stop.`, as MicroPython's own commits have it, so that a list of subjects
reads as a list of changes, and `git log --grep '^localhub:'` finds those of one area.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST = 72  # characters: what `git log --oneline` shows in a terminal of 80
EXAMPLE = "hubtool: Say which port is taken."
_AREA = r"[a-z][a-z_./-]*"
_SUBJECT = re.compile(rf"{_AREA}(?:, {_AREA})*: (?P<sentence>.+)")
# Git's own, and what is folded into another commit before it is seen.
_OTHERS = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
# Below this line is what `git commit --verbose` shows and does not keep.
_SCISSORS = re.compile(r"^# -+ >8 -+$", re.MULTILINE)


def faults(message: str) -> list[str]:
    """What is wrong with a message, as Git has it in the file that it gives to a hook."""
    text = _SCISSORS.split(message)[0]
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        del lines[0]
    if not lines:
        return []  # Git gives up by itself
    subject = lines[0].rstrip()
    if subject.startswith(_OTHERS):
        return []
    found = []
    parts = _SUBJECT.fullmatch(subject)
    if parts is None:
        found.append("begin with the area: a folder such as `localhub` or `docs`, then a colon")
    elif parts["sentence"][0].islower():
        found.append("begin the sentence with a capital letter")
    if not subject.endswith("."):
        found.append("end the sentence with a full stop")
    if len(subject) > LONGEST:
        found.append(f"{len(subject)} characters are too many: {LONGEST} at most")
    if len(lines) > 1 and lines[1].strip():
        found.append("leave the second line empty")
    return found


def main(path: str) -> int:
    """Print what is wrong with the message in a file; exit code 1 when there is something."""
    found = faults(Path(path).read_text("utf-8"))
    for fault in found:
        print(f"commit message: {fault}", file=sys.stderr)
    if found:
        print(f"For example: {EXAMPLE}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
