"""The MicroPython process of a board: which program, how it is started, how it is interrupted."""

from __future__ import annotations

import errno
import importlib.util
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from micropython_webpubsub.installing import install_extra

from .chip import places
from .errors import SimulatorError

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")  # per second, of the times in /proc
_PROMPTS = (b">>> ", b"... ", b"=== ", b"\x04>", b"exit\r\n>", b"\x01")
_RUNNING = (b"\n", b"OK", b"\x04")
_LAUNCHER = Path(__file__).with_name("launcher.py")
_START_LINE = "__import__('_board').run(globals())\n"
# With a HOME, the REPL would read and write a history file of the person who runs us. Without
# UTC, the interpreter's mktime would count in the zone of this computer.
_ENVIRONMENT = {"TZ": "UTC0", "PATH": os.defpath}


class Program(NamedTuple):
    """A MicroPython that can be run.

    Attributes:
        folder: of the `micropython_run` extension, or empty.
        path: of a binary, or empty.
        chip: whether it is the model of the chip.
    """

    folder: str
    path: str
    chip: bool = False


def find_interpreter(chip: str = "") -> Program:
    """Find MicroPython: the `MICROPYTHON` environment variable, else what the board wants.

    Args:
        chip: a version of the model of the chip, `oldest` or `newest`; empty is the PyPI package.

    Raises:
        SimulatorError: it is not there, or there is none for this platform.
    """
    if sys.platform == "win32":
        raise SimulatorError("simulated boards need Linux or macOS: use WSL, or a real board")
    if program := os.environ.get("MICROPYTHON"):
        if not os.access(program, os.X_OK) or os.path.isdir(program):
            raise SimulatorError(f"MICROPYTHON={program} is not a program that can be run")
        return Program("", program)
    if chip:
        found = places.find(chip)
        if found is None:
            there = ", ".join(places.versions().values()) or "none"
            raise SimulatorError(
                f"no model of the chip '{chip}' (there: {there}): build it with `make chip`, "
                "which needs Debian"
            )
        return Program("", str(found), True)
    extension = importlib.util.find_spec("micropython_run")
    if extension is None or extension.origin is None:
        raise SimulatorError(
            f"no MicroPython for this platform: {install_extra('sim')}, or "
            "set MICROPYTHON to the path of a MicroPython unix binary"
        )
    return Program(str(Path(extension.origin).parent), "")


class Interpreter:
    """One MicroPython process.

    Attributes:
        line: its serial line, a socket that does not block.
        control: the channel of the fake modules, a socket that does not block.
    """

    def __init__(
        self, program: Program, modules: Path, heap: int, variables: dict[str, str] | None = None
    ) -> None:
        """Start it.

        Args:
            program: which one.
            modules: the folder of compiled fake modules.
            heap: size of the Python heap's first area, bytes.
            variables: more of its environment.
        """
        start = modules / "start.py"
        if not start.exists():
            start.write_text(_START_LINE)
        self.line, child_line = socket.socketpair()
        self.control, child_control = socket.socketpair()
        self._terminal, slave = pty.openpty()
        os.set_inheritable(child_control.fileno(), True)
        arguments = ["-X", f"heapsize={heap}", "-i", str(start)]
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER)]
        command = [*launch, os.ttyname(slave), program.folder, program.path]
        try:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=child_line.fileno(),
                stdout=child_line.fileno(),
                stderr=child_line.fileno(),
                pass_fds=[child_control.fileno()],
                env={
                    **_ENVIRONMENT,
                    **(variables or {}),
                    "SIMBOARD_CONTROL": str(child_control.fileno()),
                },
                start_new_session=True,
                cwd=modules,
            )
        finally:
            for end in (child_line, child_control):
                end.close()
            os.close(slave)
        self.line.setblocking(False)
        self.control.setblocking(False)
        self._prompting = False
        self._interrupted = 0.0

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def catches_interrupts(self) -> bool:
        """Whether the interpreter runs user code, and so turns SIGINT into KeyboardInterrupt.

        At its prompt and in the raw REPL SIGINT would end the process.
        """
        if not PROC.exists():
            # After an interrupt a traceback is written, while nothing catches the next one.
            return not self._prompting and time.monotonic() - self._interrupted > 0.25
        try:
            status = (PROC / str(self.pid) / "status").read_text("ascii")
        except OSError:
            return False
        caught = int(status.partition("SigCgt:")[2].split(maxsplit=1)[0], 16)
        return bool(caught >> (signal.SIGINT - 1) & 1)

    def computing_seconds(self) -> float | None:
        """How long the process has computed, in seconds, when it is doing so or about to.

        None while it sleeps or waits, such as for input, and on systems without /proc.
        """
        fields = self._stat()
        if not fields or fields[0] not in (b"R", b"D"):
            return None
        # utime and stime, proc(5): the fields after the name of the program begin with the third.
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _stat(self) -> list[bytes]:
        """The fields of /proc/PID/stat from the state on; none where there is no such file."""
        try:
            return (PROC / str(self.pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return []

    def note_output(self, data: bytes) -> None:
        """Look for a prompt in what the interpreter wrote.

        Systems without /proc have no better sign of what it is doing. Echoed typing does not
        end a prompt; a line end, or the raw REPL's answers, do.
        """
        if data.endswith(_PROMPTS):
            self._prompting = True
        elif any(sign in data for sign in _RUNNING):
            self._prompting = False

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in the running code; False when none is running.

        The process is stopped while we look, or it could finish its code between our look and
        the signal, and the signal would end it.
        """
        if not self.catches_interrupts():
            return False
        os.kill(self.pid, signal.SIGSTOP)
        try:
            self._wait_until_stopped()
            caught = self.catches_interrupts()
            if caught:
                os.kill(self.pid, signal.SIGINT)
                self._interrupted = time.monotonic()
        finally:
            os.kill(self.pid, signal.SIGCONT)
        return caught

    def _wait_until_stopped(self, timeout: float = 1.0) -> None:
        deadline = time.monotonic() + timeout
        while (fields := self._stat()) and time.monotonic() < deadline:
            if fields[0] in (b"T", b"Z", b"X"):
                return
            time.sleep(0.0005)

    def exit_status(self, timeout: float = 5.0) -> int:
        """Wait for the end of a process whose line is closed; negative is a signal."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def kill(self) -> None:
        """End the process at once, as a lost power supply does, and reap it."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the process and close every descriptor."""
        self.kill()
        self.line.close()
        self.control.close()
        try:
            os.close(self._terminal)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
