"""What a person sees: plain lines, or a progress bar on a terminal; or one JSON document."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .steps import Plan, Step, StepResult

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LONGEST = 80


@dataclass
class _Run:
    """What `--json` says about the command that runs: there is one at a time."""

    document: Any = None
    facts: dict[str, Any] = field(default_factory=dict)


_run = _Run()


def is_terminal() -> bool:
    """Whether standard output is a terminal that understands cursor movements."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def say(text: str = "") -> None:
    """Print one line at once, so that a pipe sees it too."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print one line to standard error."""
    print(f"hubtool: {text}", file=sys.stderr, flush=True)


def printable(text: str, longest: int = _LONGEST) -> str:
    """Text from outside, for one line of a terminal: no control characters, cut to a length.

    Args:
        text: what a device or a service sent.
        longest: how many characters are kept.
    """
    return "".join(mark if mark.isprintable() else "?" for mark in text)[:longest]


def print_json(document: Any) -> None:
    """Have one JSON document printed at the end of the command, when it is known how it ended.

    A later one takes its place.
    """
    _run.document = document


def tell_about(**facts: Any) -> None:
    """Add members to the document, whatever comes of the command: which board, which device."""
    _run.facts.update(facts)


def print_document(problem: str, *, wanted: bool) -> None:
    """End a command: print its document.

    Args:
        problem: what made it fail; empty when nothing did.
        wanted: whether it was asked for; else it is forgotten.
    """
    document, facts = _run.document, _run.facts
    _run.document, _run.facts = None, {}
    if problem:
        # What has no "ok" is a result, and there is none after a failure.
        result = document if isinstance(document, dict) and "ok" in document else {}
        title = {"title": result["title"]} if "title" in result else {}
        document = {**title, **result, "ok": False, "error": problem}
    if isinstance(document, dict):
        ends = {key: document.pop(key) for key in ("steps", "settings") if key in document}
        document = {**document, **facts, **ends}
    if wanted and document is not None:
        say(_as_json(document))


def _as_json(document: Any) -> str:
    """A document as text; by escapes where the output's encoding lacks a character."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(document, indent=2)
    return text


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table: by rich on a terminal, as aligned text elsewhere.

    Where a terminal is too narrow for it, each row becomes a paragraph: cells that are folded
    cannot be read across.
    """
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    if is_terminal():
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(highlight=False)
        # SIMPLE_HEAD has a blank on each side of a cell, and one at each end.
        if console.width >= sum(widths) + 2 * len(widths) + 2:
            table = Table(*columns, box=SIMPLE_HEAD, header_style="bold")
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            console.print(table)
            return
        _print_paragraphs(columns, rows)
        return
    for row in [columns, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(line.rstrip())


def _print_paragraphs(columns: list[str], rows: list[list[str]]) -> None:
    margin = max(len(column) for column in columns[1:])
    for row in rows:
        say(row[0])
        for column, cell in zip(columns[1:], row[1:], strict=True):
            say(f"  {column:<{margin}}  {cell}".rstrip())


def counted(number: int, noun: str) -> str:
    """A number and what is counted, such as "1 rule" and "2 rules"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_plan(plan: Plan) -> None:
    """Print what a plan would do."""
    say(f"{plan.title} (dry run, nothing is written)")
    for fact in plan.facts:
        say(f"  {fact}")
    unchanged = len(plan.steps) - len(plan.pending)
    for step in plan.pending:
        say(f"  {step.intention}")
    if unchanged:
        say(f"  {unchanged} unchanged")
    if not plan.pending:
        say("  nothing to do")


class PlainReporter:
    """One line per step that did something."""

    def begin(self, plan: Plan) -> None:
        """Print the title, and what is worth knowing."""
        say(plan.title)
        for fact in plan.facts:
            say(f"  {fact}")

    def start(self, step: Step) -> None:
        """Nothing: the line comes when the step is done."""

    def progress(self, fraction: float) -> None:
        """Nothing: only a terminal can show it."""

    def finish(self, step: Step, result: StepResult) -> None:
        """Print the step, unless there was nothing to do."""
        if result.status == "done":
            say(f"  {result.name}: {result.detail}")

    def end(self, results: Iterable[StepResult]) -> None:
        """Say how many were left alone."""
        unchanged = sum(result.status == "unchanged" for result in results)
        if unchanged:
            say(f"  {unchanged} unchanged")


class BarReporter:
    """A progress bar, for terminals."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""

    def begin(self, plan: Plan) -> None:
        """Show an empty bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        title = plan.title
        if plan.facts:
            say(title)
            for fact in plan.facts:
                say(f"  {fact}")
            title = " "
        self._progress = Progress(
            TextColumn("{task.fields[title]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._task = self._progress.add_task("", total=len(plan.steps), title=title)
        self._progress.start()

    def start(self, step: Step) -> None:
        """Name the step beside the bar."""
        self._name = step.name
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=step.name)

    def progress(self, fraction: float) -> None:
        """Show how far the step is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{self._name} {fraction:.0%}")

    def finish(self, step: Step, result: StepResult) -> None:
        """Move the bar."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)

    def end(self, results: Iterable[StepResult]) -> None:
        """Leave the bar with a summary."""
        if self._progress is None or self._task is None:
            return
        listed = list(results)
        done = sum(result.status == "done" for result in listed)
        unchanged = sum(result.status == "unchanged" for result in listed)
        self._progress.update(self._task, description=f"{done} done, {unchanged} unchanged")
        self._progress.stop()


class JsonReporter:
    """Keeps the results for one document; see `print_json`."""

    def __init__(self) -> None:
        self._title = ""

    def begin(self, plan: Plan) -> None:
        """Keep the title."""
        self._title = plan.title

    def start(self, step: Step) -> None:
        """Nothing to show."""

    def progress(self, fraction: float) -> None:
        """Nothing: only a terminal can show it."""

    def finish(self, step: Step, result: StepResult) -> None:
        """Nothing to show."""

    def end(self, results: Iterable[StepResult]) -> None:
        """Make the document."""
        listed = [result.as_json() for result in results]
        failed = any(result["status"] == "failed" for result in listed)
        print_json({"title": self._title, "ok": not failed, "steps": listed})


def reporter_for(as_json: bool) -> PlainReporter | BarReporter | JsonReporter:
    """The reporter that suits where the output goes."""
    if as_json:
        return JsonReporter()
    return BarReporter() if is_terminal() else PlainReporter()


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """A plan for `--dry-run --json`."""
    return {
        "title": plan.title,
        "dry_run": True,
        "steps": [
            {"name": step.name, "intention": step.intention, "pending": step.run is not None}
            for step in plan.steps
        ],
    }
