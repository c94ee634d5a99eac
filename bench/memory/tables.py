"""The tables of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..sheet import Sheet
from .ablation import Ablation
from .budget import BUDGETS, SLACK
from .modules import Module, Modules
from .programs import Result
from .promises import PROMISES

_FIGURES = {
    "idle": "in use, at rest",
    "connecting": "highest until then",
    "recovering": "highest in an outage and after it",
    "back": "connected again after the outage",
    "last": "size of Python's heap when it was largest; it begins with 56,000",
    "names": "names that are not in the image",
    "free": "IDF heap free, connected",
    "largest": "its largest block",
    "lowest": "IDF heap free, at its lowest",
}
_LETTERS = {"websocket": "W", "client": "C", "firmware": "F", "firmware_with_app": "A"}


def sums(results: Mapping[str, Mapping[str, Result]]) -> Sheet:
    """The programs beside their goals.

    Args:
        results: version of MicroPython -> program -> what it needed.
    """
    rows = []
    for name, budget in BUDGETS.items():
        for figure, text in _FIGURES.items():
            values = [getattr(found[name], figure) for found in results.values()]
            if None in values:
                continue
            if figure == "back":
                words = ["yes" if value else "**no**" for value in values]
                if name != "websocket":  # it has none
                    rows.append([budget.title, text, "", "yes", *words])
                continue
            limit = budget.limits.get(figure)
            goal = _verdict(limit.goal, max(values)) if limit and limit.goal else ""
            before = limit.before if limit else ""
            rows.append([budget.title, text, before, goal, *(f"{value:,}" for value in values)])
    columns = ("Program", "Bytes", "0.1.0", "Goal, at most", *results)
    note = (
        "0.1.0 was measured on ESP32_GENERIC v1.24.0, on an emulated chip. The tests hold each "
        "figure to its goal with 5 % of slack, and what is not reached to what it is."
    )
    return Sheet("Four programs", columns, rows, note)


def _verdict(goal: int, value: int) -> str:
    if value <= goal:
        return f"{goal:,}: reached"
    if value <= goal * (1 + SLACK):
        return f"{goal:,}: missed by {100 * (value / goal - 1):.1f} %"
    return f"{goal:,}: **not reached**"


def staying(found: Modules, loads: Modules, results: Mapping[str, Result]) -> Sheet:
    """Modules that stay in memory.

    Args:
        found: all of them.
        loads: the same of a build that does not tidy up before the end of a load.
    """
    high = {module.name: module.load for module in loads.stays}
    rows = []
    for module in found.stays:
        users = [_LETTERS[name] for name, one in results.items() if module.name in one.stays]
        rows.append(
            [
                f"`{module.name}`",
                " ".join(users),
                f"{module.code + module.name_bytes:,}",
                f"{module.code:,}",
                f"{module.names}",
                f"{module.name_bytes:,}",
                f"{high[module.name]:,}",
            ]
        )
    rows.append(["room in the tables of names", "", f"{found.room:,}", "", "", "", ""])
    names = sum(module.names for module in found.stays)
    rows.append(["all", "", f"{found.total:,}", "", f"{names}", "", ""])
    columns = ("Module", "Of", "Stays", "Code", "New names", "Their bytes", "Load, at most")
    note = "W: WebSocket alone; C: client; F: firmware; A: firmware with an app and an outbox."
    return Sheet("Modules that stay", columns, rows, note)


def passing(found: Sequence[Module], loads: Sequence[Module]) -> Sheet:
    """Modules that are loaded for a use and let go."""
    high = {module.name: module.load for module in loads}
    rows = [
        [f"`{module.name}`", f"{module.code:,}", f"{high[module.name]:,}", f"{module.rest:,}"]
        for module in found
    ]
    columns = ("Module", "While it is used", "Load, at most", "Left after its second use")
    note = "With what it loads for its own use. Its names stay: they count in each program."
    return Sheet("Modules that are loaded for a use", columns, rows, note)


def promises(ablation: Ablation) -> Sheet:
    """What each promise costs.

    Raises:
        BenchError: the list of promises names what is not there.
    """
    stays = {module.name: module for module in ablation.complete.stays}
    passes = {module.name: module for module in ablation.complete.passes}
    rows = []
    for promise in PROMISES:
        own = [stays[name] for name in promise.modules if name in stays]
        used = [passes[name] for name in promise.modules if name in passes]
        modules = sum(module.code + module.name_bytes for module in own)
        functions = ablation.saved(promise.functions) if promise.functions else 0
        parts = [*(f"`{name}`" for name in promise.modules)]
        parts += [f"{len(names)} of `{module}`" for module, names in promise.functions.items()]
        rows.append(
            [
                promise.text,
                f"{modules + functions:,}",
                f"{sum(module.code for module in used):,}" if used else "",
                ", ".join(parts),
            ]
        )
    counted = {name for promise in PROMISES for name in promise.modules}
    rest = [module for name, module in stays.items() if name not in counted]
    rows.append(
        [
            "what several of them need",
            f"{sum(module.code + module.name_bytes for module in rest):,}",
            "",
            ", ".join(f"`{module.name}`" for module in rest) + ", as far as not counted above",
        ]
    )
    columns = ("Promise", "Stays", "While it is used", "Counted")
    return Sheet("What each promise costs", columns, rows)
