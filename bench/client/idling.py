"""What an open connection costs while nothing happens."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from ..measure import BenchError
from ..sheet import Sheet
from .build import Libraries
from .server import LINKS, Echo

_SETTLE = 1.0
_COLUMNS = ("Link", "Program", "CPU", "Wake-ups a minute", "Goal")
_TITLE = "An idle connection"


def idling(libraries: Libraries, echo: Echo, seconds: float) -> Sheet:
    """CPU and wake-ups of idle connections, all of them at once.

    Raises:
        BenchError: a connection could not be opened, or did not stay.
    """
    if sys.platform != "linux":
        return Sheet(_TITLE, _COLUMNS, [], "Measured on Linux only: it reads /proc.")
    open_ones: list[tuple[str, str, subprocess.Popen[str]]] = []
    with ExitStack() as stack:
        for link in LINKS:
            environment = echo.variables(link)
            for name in ("webpubsub", "stock stream"):
                variables = dict(environment)
                if name == "webpubsub":
                    del variables["RAW"]
                program = libraries.program("idle")
                process = stack.enter_context(
                    subprocess.Popen(
                        program.command(),
                        cwd=program.library,
                        env=program.environment(variables),
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                stack.callback(process.terminate)
                open_ones.append((link, name, process))
        for link, name, process in open_ones:
            assert process.stdout is not None
            if process.stdout.readline() != "open\n":
                raise BenchError(f"no idle connection over {link} with {name}")
        time.sleep(_SETTLE)
        started = time.monotonic()
        before = [_used(process.pid) for _, _, process in open_ones]
        time.sleep(seconds)
        after = [_used(process.pid) for _, _, process in open_ones]
        span = time.monotonic() - started
        if any(process.poll() is not None for _, _, process in open_ones):
            raise BenchError("an idle connection ended by itself")
    rows = []
    for (link, name, _), (cpu, woken), (cpu_then, woken_then) in zip(
        open_ones, before, after, strict=True
    ):
        share = 100 * (cpu_then - cpu) / span
        times = 60 * (woken_then - woken) / span
        goal = "0.1 %" if name == "webpubsub" else ""
        rows.append([link, name, f"{share:.3f} %", f"{times:,.0f}", goal])
    return Sheet(_TITLE, _COLUMNS, rows)


def _used(pid: int) -> tuple[float, int]:
    """Seconds of CPU, and how often it woke up from waiting."""
    # The kernel's number for the clock of another process, see clock_getcpuclockid(3).
    cpu = time.clock_gettime((~pid << 3) | 2)
    status = Path(f"/proc/{pid}/status").read_text()
    woken = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)
    assert woken
    return cpu, int(woken[1])
