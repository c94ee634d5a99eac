"""A verb as a list of steps: planned first, shown, then run one by one.

A verb that touches a board builds a `Plan`. `--dry-run` prints it, `run_plan` carries it out,
and a verb made of verbs joins the plans of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .errors import HubtoolError


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        name: what it is about, such as a path on the board.
        intention: what `--dry-run` prints; never holds a secret.
        run: does it and returns a short text for the report; None when nothing is left to do.
    """

    name: str
    intention: str
    run: Callable[[], str] | None


@dataclass(frozen=True)
class StepResult:
    """How a step ended.

    Attributes:
        name: of the step.
        status: "unchanged" is a step that had nothing to do.
        detail: what was done, or the text of the error; never holds a secret.
        seconds: how long it took.
    """

    name: str
    status: Literal["done", "unchanged", "failed"]
    detail: str
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they have to happen.

    Attributes:
        title: what it is about.
        steps: what there is to do.
        facts: what is worth knowing beforehand, line by line.
    """

    title: str
    steps: tuple[Step, ...]
    facts: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that have something to do."""
        return tuple(step for step in self.steps if step.run is not None)


class Reporter(Protocol):
    """Shows how a plan is carried out: the methods are called in the order in which they stand."""

    def begin(self, plan: Plan) -> None:
        """Before the first step."""

    def start(self, step: Step) -> None:
        """Before each step that does something."""

    def progress(self, fraction: float) -> None:
        """Within a step, from 0.0 to 1.0; as often as it likes."""

    def finish(self, step: Step, result: StepResult) -> None:
        """After that step."""

    def end(self, results: Iterable[StepResult]) -> None:
        """After the last step, or the first one that failed."""


@dataclass
class Quiet:
    """A reporter that only keeps the results.

    Attributes:
        results: in the order of the steps.
    """

    results: list[StepResult] = field(default_factory=list)

    def begin(self, plan: Plan) -> None:
        """Nothing to show."""

    def start(self, step: Step) -> None:
        """Nothing to show."""

    def progress(self, fraction: float) -> None:
        """Nothing to show."""

    def finish(self, step: Step, result: StepResult) -> None:
        """Keep the result."""
        self.results.append(result)

    def end(self, results: Iterable[StepResult]) -> None:
        """Nothing to show."""


def run_plan(
    plan: Plan, reporter: Reporter, last: Callable[[], None] | None = None
) -> list[StepResult]:
    """Carry out a plan; the first step that fails ends it.

    Args:
        plan: what to do.
        reporter: shows it.
        last: done after all steps, such as the reset; reported only when it fails.

    Returns:
        The results of all steps, in their order.

    Raises:
        HubtoolError: what the failing step raised, after the reporter has got it.
        KeyboardInterrupt: likewise.
    """
    results: list[StepResult] = []
    step, started = Step(plan.title, "", None), time.monotonic()
    reporter.begin(plan)
    try:
        for step in plan.steps:
            started = time.monotonic()
            reporter.start(step)
            results.append(_carry_out(step))
            reporter.finish(step, results[-1])
        if last is not None:
            step = Step("reset", "reset the board", None)
            last()
    except BaseException as error:
        failed = StepResult(step.name, "failed", _reason(error), time.monotonic() - started)
        results.append(failed)
        reporter.finish(step, failed)
        raise
    finally:
        reporter.end(results)
    return results


def _reason(error: BaseException) -> str:
    if isinstance(error, HubtoolError):
        return str(error)
    # Others may quote anything.
    return "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__


def _carry_out(step: Step) -> StepResult:
    if step.run is None:
        return StepResult(step.name, "unchanged", step.intention)
    started = time.monotonic()
    detail = step.run()
    return StepResult(step.name, "done", detail, time.monotonic() - started)
