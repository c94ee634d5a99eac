"""Runs Autobahn's cases (PyPI kosoku) against the device code, and judges more strictly.

A case is right when behaviour *and* close are OK, and when it did not take the server's kill
timer to end it: the suite itself is lenient there.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hubtool.device_build.bytecode import compile_file
from micropython_webpubsub import assets

from tests.support.interpreters import micropython_command, micropython_environment

HERE = Path(__file__).parent


class Group(NamedTuple):
    """Cases that run in one process, with the heap that they get and a bound in seconds."""

    title: str
    heap: str
    include: Sequence[str]
    exclude: Sequence[str] = ()
    timeout: float = 120


CORE = Group(
    "sections 1-7 and 10",
    "256K",
    ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"),
    exclude=("7.1.6",),
)
LARGE = Group("7.1.6 (a message of 256 KiB)", "1M", ("7.1.6",))
# The rest of section 9 sends 4 to 16 MiB in one message.
MEGABYTE = Group(
    "section 9, messages up to 1 MiB",
    "2M",
    ("9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.5.*", "9.6.*", "9.7.*", "9.8.*"),
    timeout=300,
)
HUGE = Group(
    "section 9, messages of 4 to 16 MiB",
    "64M",
    ("9.1.4", "9.1.5", "9.1.6", "9.2.4", "9.2.5", "9.2.6", "9.3.*", "9.4.*"),
    timeout=300,
)


@dataclass
class Verdict:
    """What came out: ids of cases, and for the wrong ones why."""

    right: list[str] = field(default_factory=list)
    informational: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def install(folder: Path) -> None:
    """Put the library into a folder as it is on a board: as bytecode."""
    (folder / "webpubsub").mkdir(parents=True)
    for file in assets.device_files():
        if file.target.startswith("/lib/webpubsub/"):
            target = folder / "webpubsub" / f"{file.source.stem}.mpy"
            target.write_bytes(compile_file(file.source, file.source.name))


def run(group: Group, folder: Path) -> Verdict:
    """Run a group on MicroPython, in an empty folder of its own.

    Raises:
        RuntimeError: server or client ended with an error.
    """
    reports = folder / "reports"
    install(folder / "lib")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("kosoku")), "-m", "fuzzingserver"]
    for pattern in group.include:
        command += ["-i", pattern]
    for pattern in group.exclude:
        command += ["-x", pattern]
    command += ["-o", str(reports), f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            _wait_for_port(port, server)
            started = time.monotonic()
            client = subprocess.run(
                micropython_command(HERE / "echo_client.py", group.heap),
                env=micropython_environment(folder / "lib", SERVER=f"ws://127.0.0.1:{port}"),
                capture_output=True,
                text=True,
                timeout=group.timeout,
            )
            seconds = time.monotonic() - started
            if client.returncode:
                raise RuntimeError(f"the client failed:\n{client.stdout}{client.stderr}")
            _wait_for_report(reports / "index.json")
        finally:
            server.terminate()
    verdict = judge(reports)
    verdict.seconds = seconds
    return verdict


def judge(reports: Path) -> Verdict:
    """Read the reports of a run."""
    verdict = Verdict()
    index = json.loads((reports / "index.json").read_text())["webpubsub"]
    for case, outcome in index.items():
        detail = json.loads((reports / outcome["reportfile"]).read_text())
        killed = any(entry[0] == "KLE" for entry in detail["wirelog"] or ())
        pair = outcome["behavior"], outcome["behaviorClose"]
        if killed:
            verdict.wrong[case] = "ended by the kill timer"
        elif pair == ("OK", "OK"):
            verdict.right.append(case)
        elif "INFORMATIONAL" in pair and set(pair) <= {"OK", "INFORMATIONAL"}:
            verdict.informational.append(case)
        else:
            verdict.wrong[case] = "behaviour {}, close {}".format(*pair)
    return verdict


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if server.poll() is not None:
            output = server.stdout.read().decode() if server.stdout else ""
            raise RuntimeError(f"kosoku ended: {output}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("kosoku does not listen")


def _wait_for_report(path: Path) -> None:
    # The file is there before all of it is written.
    for _ in range(100):
        try:
            json.loads(path.read_text())
        except (OSError, ValueError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("kosoku wrote no report")
