"""The interpreter that runs the device scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEVICE = Path(__file__).parents[2] / "device"


def binary() -> str:
    """The MicroPython to run; the MICROPYTHON variable names another one."""
    return os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))


def command(script: Path, heap: str) -> tuple[str, ...]:
    """The command line that runs a script with a heap such as "256K"."""
    return (binary(), "-X", f"heapsize={heap}", str(script))


def build() -> str:
    """Its version."""
    code = "import sys; print(sys.version.split('; ')[1])"
    return subprocess.run([binary(), "-c", code], capture_output=True, text=True).stdout.strip()
