"""Instructions of a round trip: they repeat where a clock is at the mercy of the machine."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..measure import BenchError, Program
from ..sheet import Sheet
from .build import Libraries
from .server import Echo
from .size import Size

# A longer message is mostly copying, of which the number of instructions says little.
_LONGEST = 1024
_GOAL = "1.3"
_COUNT = re.compile(r"Collected : (\d+)")


def instructions(libraries: Libraries, echo: Echo, size: Size) -> Sheet:
    """Instructions of the client for a round trip, by valgrind; no rows where that is missing."""
    title = "Client instructions for a round trip of a short message, over ws"
    columns = ("Message", "Goal, at most", "Stock stream", "`receive`", "`receive_view`")
    if not shutil.which("valgrind"):
        return Sheet(title, columns, [], "Not counted: valgrind is not installed.")
    rows = []
    for length in size.echoes:
        if length <= _LONGEST:
            environment = {**echo.variables("ws"), "SIZE": length}
            base = per_message(libraries.program("stream_echo"), environment, size.counted)
            own = libraries.program("websocket_echo")
            ratios = [
                f"{per_message(own, {**environment, **view}, size.counted) / base:.2f}"
                for view in ({}, {"VIEW": 1})
            ]
            rows.append([f"{length:,} B", _GOAL, f"{base:,.0f}", *ratios])
    return Sheet(title, columns, rows)


def per_message(
    program: Program, environment: Mapping[str, object], messages: tuple[int, int]
) -> float:
    """Instructions for one message: a long run less a short one."""
    short, long = (_run(program, {**environment, "COUNT": count}) for count in messages)
    return (long - short) / (messages[1] - messages[0])


def _run(program: Program, environment: Mapping[str, object]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        tool = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
        replace(program, under=(*tool, f"--log-file={log}")).run(environment)
        found = _COUNT.search(log.read_text(encoding="utf-8"))
    if not found:
        raise BenchError(f"valgrind counted nothing in {program.name}")
    return int(found[1])
