"""Runs the marked blocks of a document in their order, in one folder, like a reader would.

An HTML comment before a fenced block says what to do with it:

    <!-- file: NAME -->              write the block to NAME
    <!-- test: micropython -->       run it as a program on MicroPython
    <!-- test: cpython -->           on CPython; both names may stand together
    <!-- test: pytest -->            run it as a test file
    <!-- test: console -->           run each line that begins with `$ `; below is its output
    <!-- test: console, exit 3 -->   the same, with another exit code of the last command
    <!-- test: server -->            start one command; it runs to the end of the document
    <!-- output -->                  what the program before must have printed
    <!-- board says -->              what the board prints after Ctrl-C and Ctrl-D

Three dots stand for anything on a line; a line of three dots for any lines. Ports that a document
names are replaced by free ones. `Connection string:`, `Serial port:` and `Faults on command:`
lines of a server become the variables CONNECTION_STRING, PORT and FAULTS of what runs later.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import serial

_BLOCK = re.compile(
    r"^<!-- (?P<mark>[^>]+?) -->\n+```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_EXPORTS = {
    "Connection string": "CONNECTION_STRING",
    "Serial port": "PORT",
    "Faults on command": "FAULTS",
}
# Long enough for a loaded machine: it only bounds how long a failing test hangs.
_PATIENCE = 150.0
# Ports that the documents name.
_PORTS = (7080, 7081, 7082, 7443, 8080, 8081)


@dataclass(frozen=True)
class Block:
    """One marked block, and the line on which it begins."""

    mark: str
    text: str
    line: int


def blocks(document: str) -> Iterator[Block]:
    """The marked blocks of a document."""
    for found in _BLOCK.finditer(document):
        line = document.count("\n", 0, found.start("text")) + 1
        yield Block(found["mark"], found["text"], line)


def pattern(expected: str) -> str:
    """A regular expression for an output with dots in it."""
    lines = []
    for line in expected.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(r"[^\n]*?".join(map(re.escape, line.split("..."))) + r"[ ]*\n")
    return "".join(lines)


def same(output: str, expected: str) -> bool:
    """Whether an output is the one that a document shows."""
    # A table or prompt may leave blanks and empty lines at the ends.
    return re.fullmatch(pattern(expected.strip() + "\n"), output.strip() + "\n") is not None


class _Server:
    """A command that keeps running, and everything that it has printed."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._text = ""
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 65536):
            with self._news:
                self._text += data.decode(errors="replace").replace("\r\n", "\n")
                self._news.notify_all()

    def wait_for(self, expected: str) -> str:
        """Wait until it has printed these lines; returns them as they were."""
        wanted = re.compile(pattern(expected.strip() + "\n"))
        deadline = time.monotonic() + _PATIENCE
        with self._news:
            while True:
                found = wanted.match(self._text)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                if left <= 0 or (self._process.poll() is not None and not self._thread.is_alive()):
                    raise AssertionError(f"expected:\n{expected}\nfound:\n{self._text}")
                self._news.wait(min(left, 0.5))

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError("a server did not end within 15 s of SIGTERM") from None
        finally:
            self._thread.join(5)
            assert self._process.stdout is not None
            self._process.stdout.close()


class Reader:
    """Somebody who follows a document, step by step.

    Args:
        folder: where it works.
        device: folder of the device packages.
        micropython: path of the interpreter.
        free_port: finds a free TCP port for each one that the document names.
    """

    def __init__(
        self, folder: Path, device: Path, micropython: str, free_port: Callable[[], int]
    ) -> None:
        self._folder = folder
        self._micropython = micropython
        self._ports = {str(port): str(free_port()) for port in _PORTS}
        self._servers: list[_Server] = []
        self._output = ""
        tools = str(Path(sys.executable).parent)
        self._environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(device),
            "MICROPYPATH": f"{device}:.frozen",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            # A reader's pytest has no plugins but these; loading all of ours takes a second.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_asyncio.plugin,localhub.pytest_plugin",
        }
        for name in _EXPORTS.values():
            self._environment.pop(name, None)

    def follow(self, document: str, name: str) -> int:
        """Carry out all marked blocks; returns how many there were."""
        count = 0
        for block in blocks(document):
            count += 1
            try:
                self._step(block)
            except (AssertionError, subprocess.SubprocessError) as error:
                raise AssertionError(f"{name}:{block.line}: {_masked(str(error))}") from None
        return count

    def close(self) -> None:
        """End what still runs."""
        with contextlib.ExitStack() as stack:
            for server in self._servers:
                stack.callback(server.stop)

    def _step(self, block: Block) -> None:
        text = block.text
        # In one pass: a free port may hold the digits of another.
        text = re.sub(r"\b(" + "|".join(self._ports) + r")\b", self._free_port, text)
        kind, _, rest = block.mark.partition(": ")
        if kind == "file":
            (self._folder / rest).write_text(text, encoding="utf-8")
        elif kind == "output":
            assert same(self._output, text), f"expected:\n{text}\nfound:\n{self._output}"
        elif kind == "board says":
            self._restart_board(text)
        elif rest.startswith("console"):
            _, _, code = rest.partition("exit ")
            self._console(text, int(code or 0))
        elif rest == "server":
            self._serve(text)
        elif rest == "pytest":
            self._pytest(text)
        else:
            self._run(text, rest.split())

    def _free_port(self, found: re.Match[str]) -> str:
        return self._ports[found[0]]

    def _run(self, program: str, interpreters: list[str]) -> None:
        path = self._folder / "program.py"
        path.write_text(program, encoding="utf-8")
        commands = {
            "micropython": [self._micropython, "-X", "heapsize=256K", str(path)],
            "cpython": [sys.executable, str(path)],
        }
        outputs = []
        for name in interpreters:
            code, output = self._call(commands[name])
            assert code == 0, f"{name} ended with {code}:\n{output}"
            outputs.append(output)
        assert len(set(outputs)) == 1, f"the interpreters differ: {outputs}"
        self._output = outputs[0]

    def _pytest(self, text: str) -> None:
        path = self._folder / "test_of_a_document.py"
        path.write_text(text, encoding="utf-8")
        options = ["-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", "--no-header"]
        code, output = self._call(
            [sys.executable, "-m", "pytest", *options, "--rootdir", str(self._folder), str(path)]
        )
        assert code == 0, output

    def _console(self, text: str, wanted: int) -> None:
        commands = _commands(text)
        for number, (command, expected) in enumerate(commands, 1):
            code, output = self._call(["sh", "-c", command])
            assert same(output, expected), f"$ {command}\nexpected:\n{expected}\nfound:\n{output}"
            right = wanted if number == len(commands) else 0
            assert code == right, f"$ {command}\nended with {code}, not {right}"

    def _call(self, command: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
        )
        return done.returncode, done.stdout

    def _restart_board(self, expected: str) -> None:
        """Press Ctrl-C and Ctrl-D on the board's console, and wait for what it then says."""
        wanted = re.compile(pattern(expected.strip() + "\n"), re.MULTILINE)
        deadline = time.monotonic() + _PATIENCE
        heard = ""
        with serial.Serial(self._environment["PORT"], timeout=0.2, exclusive=True) as port:
            port.write(b"\r\x03\x03")
            while ">>> " not in heard and time.monotonic() < deadline:
                heard += port.read(4096).decode(errors="replace")
            heard = ""
            port.write(b"\x04")
            while time.monotonic() < deadline:
                heard += port.read(4096).decode(errors="replace").replace("\r\n", "\n")
                if wanted.search(heard):
                    return
        raise AssertionError(f"expected:\n{expected}\nfound:\n{heard}")

    def _serve(self, text: str) -> None:
        ((command, expected),) = _commands(text)
        server = _Server(command, self._folder, self._environment)
        self._servers.append(server)
        shown = server.wait_for(expected)
        for line in shown.splitlines():
            label, _, value = line.partition(": ")
            if label in _EXPORTS:
                self._environment[_EXPORTS[label]] = value


def _commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown below it."""
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.strip()
        found.append((command, output))
    return found


def _masked(text: str) -> str:
    """Keys and tokens do not belong into a report, not even those of a service for a test."""
    return re.sub(r"((?:AccessKey|access_token)=)[^;\s\"']+", r"\1...", text)


def is_possible() -> bool:
    """Whether this computer has what the documents use."""
    return os.name == "posix" and shutil.which("sh") is not None
