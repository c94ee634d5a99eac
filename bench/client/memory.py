"""Heap: what a message takes of it, and the smallest one that will do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from localhub import LocalHub

from ..measure import BenchError, Program
from ..sheet import Sheet
from .build import LARGE_HEAP, Libraries
from .server import Echo
from .settings import FLASH, Setting, missing, settings
from .size import Size

MESSAGE = 128
_ROLES = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]
# KiB. The interpreter itself does not start with less.
_LEAST, _MOST = 3, 256


def per_message(libraries: Libraries, echo: Echo) -> Sheet:
    """Heap that one message takes; the collector is off."""
    environment = {**echo.variables("ws"), "SIZE": MESSAGE}
    found = _counted(libraries.program("allocation", heap=LARGE_HEAP), environment)
    wait, send = found["wait"], found["send"]
    rows = [["`send_bytes`", f"{send:,}", "", f"{send:,}", "64"]]
    for call, short, goal in (
        ("receive", "echo", str(MESSAGE + 160)),
        ("receive_view", "echo_view", "64"),
    ):
        waited = found[short] - send
        rows.append([f"`{call}`, it is there already", f"{found[call]:,}", "", "", ""])
        rows.append(
            [
                f"`{call}`, it is waited for",
                f"{waited:,}",
                f"{wait:,}",
                f"{waited - wait:,}",
                goal,
            ]
        )
    polled = str(found["poll_view"])
    rows.append(["`poll_view`, it is there already", polled, "", polled, "64"])
    rows.append(["round trip, `receive`", f"{found['echo']:,}", "", "", ""])
    if libraries.peer_missing:
        rows.append(["round trip, chumicro", f"cannot run: {libraries.peer_missing}", "", "", ""])
    else:
        peer = libraries.program("chumicro_echo", heap=LARGE_HEAP)
        taken = _counted(peer, {**environment, "COUNT": 220, "HEAP": 1})["echo"]
        rows.append(["round trip, chumicro", f"{taken:,}", "", "", ""])
    columns = ("Call", "Heap bytes", "Of these, the wait", "Beyond it", "Goal, at most")
    return Sheet(f"Heap for a binary message of {MESSAGE} B", columns, rows)


def _counted(program: Program, environment: Mapping[str, object]) -> dict[str, int]:
    output = program.run(environment, timeout=60)
    return {name: int(used) for name, used in map(str.split, output.splitlines())}


def smallest(
    libraries: Libraries,
    setting: Setting,
    name: str,
    environment: Mapping[str, object],
    runs: int,
    most: int = _MOST,
) -> int | None:
    """The smallest heap in KiB with which all of so many runs succeed; None: not even `most`."""

    def works(kib: int) -> bool:
        for _ in range(runs):
            try:
                setting.run(libraries, name, 1024 * kib, environment, timeout=30)
            except BenchError:
                return False
        return True

    low, high = _LEAST, most
    if not works(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


async def smallest_heaps(libraries: Libraries, echo: Echo, size: Size) -> Sheet:
    """Smallest heaps of programs that connect and echo."""
    count, length = size.heap_echoes, size.heap_length
    environment = {**echo.variables("ws"), "SIZE": length, "COUNT": count}
    found = {
        "stock stream, no framing": ("stream_echo", environment, ""),
        "WebSocket only": ("websocket_echo", environment, "34"),
    }
    every = settings()
    async with LocalHub({"hubs": [{"name": "bench"}]}) as hub:
        url = hub.client_url("bench", roles=_ROLES)
        found["full client: JSON, reliable, one group"] = (
            "client_echo",
            {**environment, "URL": url},
            "52",
        )
        if not libraries.peer_missing:
            found["chumicro"] = ("chumicro_echo", environment, "")
        rows = []
        for what, (name, variables, goal) in found.items():
            row = [what]
            for setting in every:
                if name == "chumicro_echo" and setting.code == FLASH:
                    row.append("")  # it is not frozen there
                    continue
                kib = await asyncio.to_thread(
                    smallest, libraries, setting, name, variables, size.heap_runs
                )
                row.append(f"more than {_MOST}" if kib is None else str(kib))
            rows.append([*row, goal])
    if libraries.peer_missing:
        why = f"cannot run: {libraries.peer_missing}"
        rows.append(["chumicro", why, *[""] * len(every)])
    columns = ("Program", *map(str, every), "Goal, at most")
    title = f"Smallest heap for connecting and {count} echoes of {length:,} B, in KiB"
    return Sheet(title, columns, rows, missing())


def importing(libraries: Libraries) -> Sheet:
    """Heap that code takes once it is imported."""
    every = settings()
    columns = [
        dict(map(str.split, setting.run(libraries, "importing", 1 << 18, {}, 30).splitlines()))
        for setting in every
    ]
    parts = {
        "asyncio": "`asyncio` of the firmware",
        "websocket": "WebSocket layer",
        "client": "client: JSON, plain and reliable",
    }
    rows = [[text, *(f"{int(one[part]):,}" for one in columns)] for part, text in parts.items()]
    return Sheet("Heap that imported code takes, in bytes", ("Part", *map(str, every)), rows)
