"""What all tests share: the interpreters that run device code, and ports to listen on."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

# importlib mode leaves it to us where helpers are found.
sys.path.append(str(Path(__file__).parent))

import built
import chip_model
from tls_clock import TlsClock

ROOT = Path(__file__).parent.parent
DEVICE = ROOT / "device"
# The heap of a board; 64-bit words are twice as wide as an ESP32's.
HEAP = "256K"
# Where the library is source, what is loaded for one use is compiled each time.
SOURCE_HEAP = "384K"


def micropython() -> str:
    """The MicroPython binary to test with; the MICROPYTHON variable names another one."""
    return os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))


@dataclass(frozen=True)
class Interpreter:
    """A way to run device code: an interpreter, and the library as source or as it is built.

    `scripts` has the folders of test scripts in the names of the build, made when they are used.
    """

    name: str
    library: Path
    scripts: Path | None = None

    def script(self, script: Path) -> Path:
        """The script that this interpreter runs for one of the tests' scripts."""
        if self.scripts is None or not script.is_relative_to(built.TESTS):
            return script
        folder = self.scripts / script.parent.relative_to(built.TESTS)
        if not folder.exists():
            built.translate_folder(script.parent, folder)
        return folder / script.name

    def command(self, script: Path, *arguments: str, heap: str | None = None) -> list[str]:
        """The command line that runs a script."""
        script = self.script(script)
        if self.name == "cpython":
            return [sys.executable, "-X", "dev", "-W", "error", str(script), *arguments]
        if self.name in chip_model.NAMES:
            return chip_model.command(self.name, script, *arguments)
        heap = heap or (SOURCE_HEAP if self.name == "micropython" else HEAP)
        return [micropython(), "-X", f"heapsize={heap}", str(script), *arguments]

    def environment(self, script: Path, *arguments: str, **extra: str) -> dict[str, str]:
        """The environment in which it finds the library and what lies beside the script."""
        script = self.script(script)
        if self.name in chip_model.NAMES:
            return chip_model.environment(self.library, script, arguments, extra)
        path = f"{script.parent}{os.pathsep}{self.library}"
        own = {"PYTHONPATH": path, "MICROPYPATH": f"{path}:.frozen"}
        return {**os.environ, **own, **extra}

    def run(self, script: Path, *arguments: str, timeout: float = 60, **extra: str) -> str:
        """Run a script to its end and return what it printed; fails when it fails."""
        done = subprocess.run(
            self.command(script, *arguments),
            env=self.environment(script, *arguments, **extra),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{self.name}:\n{done.stdout}{done.stderr}"
        return done.stdout

    async def start(
        self, script: Path, *arguments: str, heap: str | None = None, **extra: str
    ) -> asyncio.subprocess.Process:
        """Start a script beside a server in this event loop; its output is piped."""
        return await asyncio.create_subprocess_exec(
            *self.command(script, *arguments, heap=heap),
            env=self.environment(script, *arguments, **extra),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run_beside(
        self,
        script: Path,
        *arguments: str,
        timeout: float = 60,
        heap: str | None = None,
        **extra: str,
    ) -> str:
        """Run a script to its end beside a server in this event loop; fails when it fails."""
        process = await self.start(script, *arguments, heap=heap, **extra)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        text = output.decode(errors="replace")
        assert process.returncode == 0, f"{self.name}:\n{text}"
        return text


@pytest.fixture(scope="session", autouse=True)
def _no_state_of_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `hubtool deploy` keeps on a computer is kept elsewhere; child processes included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def built_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The device packages as `hubtool deploy` puts them on a board."""
    folder = tmp_path_factory.mktemp("lib")
    built.write_library(folder)
    return folder


@pytest.fixture(scope="session")
def built_interpreters(
    built_library: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Interpreter]:
    """MicroPython on the built files: on the model of the chip, or else on what PyPI has."""
    scripts = tmp_path_factory.mktemp("scripts")
    return [Interpreter(name, built_library, scripts) for name in chip_model.BUILT]


@pytest.fixture
def tls_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsClock:
    """A clock of their own for the certificates of MicroPython processes.

    The local service's certificates last from yesterday for a year meanwhile, much as Azure's do,
    and not from 2000 on, where the clock of a board begins.
    """
    yesterday = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.setattr(trustme, "DEFAULT_NOT_BEFORE", yesterday)
    monkeypatch.setattr(trustme, "DEFAULT_EXPIRY", yesterday + timedelta(days=365))
    folder = tmp_path / "tls-clock"
    folder.mkdir()
    return TlsClock(folder)


@pytest.fixture(params=["cpython", "micropython", *chip_model.BUILT])
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """Each way to run device code, one after the other."""
    if request.param in ("cpython", "micropython"):
        return Interpreter(request.param, DEVICE)
    found: list[Interpreter] = request.getfixturevalue("built_interpreters")
    return next(each for each in found if each.name == request.param)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """`free_port()`: a TCP port for a program that cannot be given port 0.

    Below the range out of which systems choose by themselves, and in a lane of each worker's
    own: nobody takes it between this look and its use.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 16 * random.randrange(600) + worker % 16
    ports = itertools.cycle([*range(first, 30_000, 16), *range(20_000 + worker % 16, first, 16)])

    def find() -> int:
        for port in ports:
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        raise AssertionError("unreachable: the ports never end")

    return find
