"""`python -m tests.chaos.soak`: connects thousands of times, and looks at what stays behind."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from localhub import LocalHub
from rich.console import Console
from rich.table import Table

from tests.support.interpreters import (
    micropython_command,
    micropython_environment,
    micropython_version,
)
from tests.support.protocol import ROLES

HERE = Path(__file__).parent
HUB = "soak"
USER = "device"
# The first lives load modules and fill caches.
_WARM_UP = 20
# Heap in use may differ by so many bytes: a name interned late, a buffer that is a word longer.
SLACK = 1024
_PATIENCE = 30.0


@dataclass(frozen=True)
class Sample:
    """What a device had at one moment.

    Attributes:
        life: connections so far. heap: bytes in use after a collection. tasks: that are not done.
        descriptors: that are open.
    """

    life: int
    heap: int
    tasks: int
    descriptors: int


def faults(samples: list[Sample]) -> list[str]:
    """What grew after the first lives; empty when all is flat."""
    start, *rest = samples[min(_WARM_UP, len(samples) // 2) :]
    found = []
    worst = max(sample.heap for sample in rest)
    if worst > start.heap + SLACK:
        found.append(f"heap grew from {start.heap} to {worst} bytes")
    for name in ("tasks", "descriptors"):
        # In mid-life one more may be busy; growth shows in the least of the last lives.
        least = min(getattr(sample, name) for sample in rest[-10:])
        if least > getattr(start, name):
            found.append(f"{name} grew from {getattr(start, name)} to {least}")
    return found


async def soak(reconnects: int, tls: bool, heap: str) -> tuple[list[Sample], Sample]:
    """Let a device live `reconnects` times; the samples of its lives, and after its end.

    Sessions are lost and recovered (after RST and FIN) in turn.

    Raises:
        RuntimeError: the device ended early. TimeoutError: it hangs.
    """
    config: dict[str, Any] = {"hubs": [{"name": HUB}]}
    if tls:
        config["service"] = {"tls": {"port": 0}}
    with tempfile.TemporaryDirectory() as folder:
        ca = Path(folder) / "ca.der"
        async with LocalHub(config) as hub:
            ca.write_bytes(hub.ca_der or b"")
            url = hub.client_url(HUB, user_id=USER, roles=ROLES, lifetime=86400, tls=tls)
            process = await asyncio.create_subprocess_exec(
                *micropython_command(HERE / "device_soak.py", heap),
                env=micropython_environment(URL=url, CA=str(ca) if tls else ""),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                return await _live(process, hub, reconnects)
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()


async def _live(
    process: asyncio.subprocess.Process, hub: LocalHub, reconnects: int
) -> tuple[list[Sample], Sample]:
    assert process.stdout is not None
    samples: list[Sample] = []
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
        word, *numbers = line.decode(errors="replace").split() or [""]
        if word not in ("UP", "END"):
            rest = await process.stdout.read()
            text = (line + rest).decode(errors="replace")
            raise RuntimeError(f"the device ended after {len(samples)} lives:\n{text}")
        sample = Sample(*(int(number) for number in numbers))
        if word == "END":
            await process.wait()
            return samples, sample
        samples.append(sample)
        if sample.life > reconnects:
            hub.control.send(HUB, "stop", user_id=USER)
            # It looks at its messages in the next life.
        _cut(hub, sample.life)


def _cut(hub: LocalHub, life: int) -> None:
    for connection in hub.control.connections(HUB):
        if connection.detached:
            continue
        if life % 2:
            hub.control.expire(connection.id)
        else:
            hub.control.drop(connection.id, "rst" if life % 4 else "fin")


def main() -> int:
    """Run; 0 only when nothing grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--reconnects", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--tls", action="store_true", help="wss instead of ws")
    parser.add_argument("--heap", default="256K", help="of the device (256K)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    begun = time.monotonic()
    samples, end = asyncio.run(soak(options.reconnects, options.tls, options.heap))
    found = faults(samples)
    if options.json:
        print(json.dumps({"faults": found, "lives": len(samples), "end": asdict(end)}))
        return 1 if found else 0
    console = Console(width=99)
    console.print(
        f"{date.today()}, micropython-webpubsub {version('micropython-webpubsub')}, "
        f"{micropython_version()}: "
        f"{samples[-1].life - 1} reconnects over {'wss' if options.tls else 'ws'}, "
        f"heap {options.heap}, {time.monotonic() - begun:.0f} s"
    )
    table = Table("connections so far", "heap in use, bytes", "tasks", "descriptors")
    step = max(1, len(samples) // 8)
    for sample in (*samples[_WARM_UP % len(samples) :: step], samples[-1]):
        table.add_row(*(str(number) for number in asdict(sample).values()))
    table.add_section()
    table.add_row("closed", *(str(number) for number in list(asdict(end).values())[1:]))
    console.print(table)
    for fault in found:
        console.print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
