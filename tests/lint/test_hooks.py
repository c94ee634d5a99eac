"""The hooks of .pre-commit-config.yaml: what `make lint` runs, and the form of subjects."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .commit_subject import EXAMPLE, LONGEST, faults, main
from .sources import ROOT

# Of `make lint`; a hook is given the files that are committed, and may mend them.
_WHOLE = re.compile(r" --check\b| \.$")


def hooks() -> dict[str, dict[str, Any]]:
    """Each hook by its id."""
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    return {hook["id"]: hook for repo in configuration["repos"] for hook in repo["hooks"]}


def test_the_hooks_are_what_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = {_WHOLE.sub("", line.removeprefix("\t@$(BIN)/")) for line in recipe[1].splitlines()}
    entries = {
        hook["entry"].removeprefix(".venv/bin/")
        for name, hook in hooks().items()
        if name != "commit-subject"
    }
    assert entries == commands
    assert {hook["language"] for hook in hooks().values()} == {"system"}, "of .venv, no others"


def test_pre_commit_takes_the_file() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "message",
    [
        EXAMPLE + "\n",
        "ci: Run `make lint` first.",
        "docs, localhub: Name a key.\n\nWhy it was wrong before.\n# On branch main\n",
        "# a template\n\nwebpubsub: 2,048 bytes are enough.\n",
        "Merge branch 'firmware'",
        "fixup! hubtool: say",
        "",
        f"docs: {(LONGEST - 7) * 'A'}.",
        "docs: Name it.\n# ------------------------ >8 ------------------------\ndiff --git a b\n",
    ],
)
def test_messages_that_pass(message: str) -> None:
    assert faults(message) == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Name a key.", "begin with the area"),
        ("Docs: Name a key.", "begin with the area"),
        ("docs: name a key.", "capital letter"),
        ("docs: Name a key", "full stop"),
        (f"docs: {(LONGEST - 6) * 'A'}.", "73 characters are too many: 72 at most"),
        ("docs: Name a key.\nMore.", "second line empty"),
    ],
)
def test_messages_that_do_not(message: str, said: str) -> None:
    [fault] = faults(message)
    assert said in fault


def test_the_hook_tells_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text("update", "utf-8")
    assert main(str(file)) == 1
    reported = capsys.readouterr().err.splitlines()
    assert len(reported) == 3
    assert reported[-1] == f"For example: {EXAMPLE}"
    file.write_text(EXAMPLE, "utf-8")
    assert main(str(file)) == 0
