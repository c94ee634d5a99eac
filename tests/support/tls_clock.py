"""Another clock for the certificates of a MicroPython process.

mbedTLS asks `time()` of the C library, so on the unix port the computer's clock is what judges a
certificate. The loader takes `time()` from a small library instead, whose answer is the
computer's time and as many seconds as a file says. Hardly anything else of the process sees it:
MicroPython itself asks gettimeofday() and clock_gettime().
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

time_t time(time_t *where) {
    struct timespec now;
    long long offset = 0;
    const char *name = getenv("TLS_CLOCK");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lld", &offset) != 1) offset = 0;
        fclose(file);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += offset;
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
"""
# As the launcher of simulated boards does: a caught SIGINT would mean that user code runs.
_PACKAGE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path.insert(0, {folder!r})
from micropython_run import run_main
os._exit(run_main(["micropython", *sys.argv[1:]]) & 0xFF)
"""
# gmtime() without an argument is the one place where MicroPython itself asks time().
_PROBE = "import time; print(time.gmtime()[0])"


class TlsClock:
    """The clock for the certificates of the processes that are started with it.

    Attributes:
        environment: what a process needs to have it.
        program: a MicroPython that has it, for the MICROPYTHON variable.
    """

    def __init__(self, folder: Path) -> None:
        """Make the library.

        Args:
            folder: where the files go; empty.
        """
        if shutil.which("gcc") is None:
            pytest.skip("gcc is missing, which makes a clock for certificates (apt install gcc)")
        self._file = folder / "offset"
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(_SOURCE)
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        self.environment = {"LD_PRELOAD": str(library), "TLS_CLOCK": str(self._file)}
        self.program = folder / "micropython"
        self.program.write_text(self._script(folder))
        self.program.chmod(0o755)
        self._try_out()

    def _script(self, folder: Path) -> str:
        if own := os.environ.get("MICROPYTHON"):
            command = [own]
        else:
            import micropython_run  # type: ignore[import-not-found]

            start = folder / "start.py"
            start.write_text(_PACKAGE.format(folder=str(Path(micropython_run.__file__).parent)))
            command = [sys.executable, "-I", "-S", str(start)]
        settings = "\n".join(
            f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()
        )
        return f'#!/bin/sh\n{settings}\nexec {shlex.join(command)} "$@"\n'

    def _try_out(self) -> None:
        self.set(946_684_800 + 86_400)
        done = subprocess.run(
            [str(self.program), "-c", _PROBE], capture_output=True, text=True, timeout=30
        )
        if done.stdout.strip() != "2000":
            pytest.skip("this MicroPython takes the time from elsewhere than the loader's time()")
        self.shift(0)

    def set(self, moment: float) -> None:
        """Set the clock to a Unix time; it goes on from there."""
        self.shift(moment - time.time())

    def shift(self, seconds: float) -> None:
        """Let the clock differ from the computer's by so many seconds."""
        new = self._file.with_suffix(".new")
        new.write_text(str(round(seconds)))
        new.replace(self._file)
