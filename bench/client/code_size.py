"""Bytes of bytecode, by what a program chooses."""

from __future__ import annotations

from ..sheet import Sheet
from .build import HEAP, Libraries

# The steps of the program `loaded`, in its words, and in ours.
_PARTS = {
    "websocket": "WebSocket layer",
    "client": "client: JSON, plain and reliable",
    "tls": "TLS",
    "credentials": "anonymous, or with an access token",
    "expiry": "when an access token ends",
    "negotiate": "negotiate",
    "outbox": "outbox and journal",
    "protobuf": "protobuf",
}
_FALLBACK = "only where the firmware cannot compile the kernels"
_KERNEL_SOURCE = "webpubsub.kernel_source"
_GOALS = {"WebSocket layer": "7,168", "whole package": "24,576"}
_TYPICAL = ("websocket", "client", "tls", "credentials")


def code_size(libraries: Libraries) -> list[Sheet]:
    """Sizes: of each module, and of what programs load."""
    parts = _loaded(libraries, *_PARTS)
    # Loaded with `kernels`, compiled and dropped.
    parts["websocket"].append(_KERNEL_SOURCE)
    of = {module: _PARTS[part] for part, modules in parts.items() for module in modules}
    modules = sorted(
        libraries.modules,
        key=lambda one: list(_PARTS.values()).index(of[one]) if one in of else len(_PARTS),
    )
    rows = [
        [f"`{module}`", of.get(module, _FALLBACK), f"{libraries.size(module):,}"]
        for module in modules
    ]
    sheet = Sheet("Bytes of each module", ("Module", "Part", ".mpy bytes"), rows)
    return [_totals(libraries, parts), sheet]


def _loaded(libraries: Libraries, *steps: str) -> dict[str, list[str]]:
    """The modules that each step adds."""
    output = libraries.program("loaded", heap=HEAP).run({"STEPS": " ".join(steps)}, timeout=30)
    lines = [line.split() for line in output.splitlines()]
    ours = ("webpubsub", "chumicro_")
    return {name: [one for one in rest if one.startswith(ours)] for name, *rest in lines}


def _totals(libraries: Libraries, parts: dict[str, list[str]]) -> Sheet:
    sums = {part: sum(map(libraries.size, modules)) for part, modules in parts.items()}
    rows = [
        [_PARTS[part], f"{size:,}", _GOALS.get(_PARTS[part], "")] for part, size in sums.items()
    ]
    typical = sum(sums[part] for part in _TYPICAL)
    everything = sum(map(libraries.size, libraries.modules))
    rows.append(["a typical program: client, access token, TLS", f"{typical:,}", ""])
    rows.append(["whole package", f"{everything:,}", _GOALS["whole package"]])
    if libraries.peer_missing:
        peer = f"cannot run: {libraries.peer_missing}"
    else:
        modules = _loaded(libraries, "chumicro")["chumicro"]
        peer = f"{sum(map(libraries.size, modules)):,}"
    rows.append(["chumicro: its WebSocket client, and what that loads", peer, ""])
    columns = ("Part, loaded when it is chosen", ".mpy bytes", "Goal, at most")
    return Sheet("Size of the bytecode", columns, rows)
