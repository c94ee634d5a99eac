"""The interpreters that run device code, and how a script is run on them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import built, chip_model
from .shared import built_once

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DEVICE = ROOT / "device"
# What scripts on the device's side share; every script finds it.
SCRIPTS = TESTS / "support" / "device"
# What CPython finds beside them.
_CPYTHON = TESTS / "support" / "cpython"
# The heap of a board; 64-bit words are twice as wide as an ESP32's.
HEAP = "256K"
# Where the library is source, what is loaded for one use is compiled each time.
SOURCE_HEAP = "384K"


def micropython() -> str:
    """The MicroPython binary to test with; the MICROPYTHON variable names another one."""
    return os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))


def micropython_version() -> str:
    """The version of that binary, as it says it."""
    code = "import sys; print(sys.version.split('; ')[1])"
    done = subprocess.run([micropython(), "-c", code], capture_output=True, text=True)
    return done.stdout.strip()


def micropython_command(script: Path, heap: str = HEAP) -> tuple[str, ...]:
    """The command line that runs a script on that binary, with a heap such as "256K"."""
    return (micropython(), "-X", f"heapsize={heap}", str(script))


def micropython_environment(*folders: Path, **extra: str) -> dict[str, str]:
    """This process's environment, with folders to import from; the library when none is named."""
    path = os.pathsep.join(str(folder) for folder in folders or (DEVICE,))
    return {**os.environ, "MICROPYPATH": f"{path}{os.pathsep}.frozen", **extra}


@dataclass(frozen=True)
class Interpreter:
    """A way to run device code: an interpreter, and the library as source or as it is built.

    Attributes:
        name: cpython, micropython (the library as source), one of chip_model.NAMES, or built.
        library: where the packages of the device lie.
        translated: where the folders of test scripts are kept in the names of the build, each
            made when it is used; None where the library is source.
    """

    name: str
    library: Path
    translated: Path | None = None

    def folder(self, folder: Path) -> Path:
        """Where this interpreter finds the scripts of one of the tests' folders."""
        if self.translated is None or not folder.is_relative_to(TESTS):
            return folder
        target = self.translated / folder.relative_to(TESTS)
        return built_once(target, lambda empty: built.translate_folder(folder, empty))

    def bytecode(self, folder: Path) -> Path:
        """The scripts of a folder, compiled."""
        assert self.translated is not None, "only what is built runs as bytecode"
        target = self.translated / "bytecode" / folder.relative_to(ROOT)
        source = self.folder(folder)
        return built_once(target, lambda empty: chip_model.compile_folder(source, empty))

    def command(
        self, script: Path, *arguments: str, heap: str | None = None, dev: bool = True
    ) -> list[str]:
        """The command line that runs a script.

        Args:
            script: the script.
            arguments: what it is given.
            heap: of MicroPython, such as "256K"; None for a board's.
            dev: CPython's development mode, which makes asyncio several times slower.
        """
        script = self.folder(script.parent) / script.name
        if self.name == "cpython":
            mode = ["-X", "dev"] if dev else []
            return [sys.executable, *mode, "-W", "error", str(script), *arguments]
        if self.name in chip_model.NAMES:
            return chip_model.command(self.name, script, *arguments)
        heap = heap or (SOURCE_HEAP if self.name == "micropython" else HEAP)
        return [*micropython_command(script, heap), *arguments]

    def environment(
        self, script: Path, *arguments: str, beside: Sequence[Path] = (), **extra: str
    ) -> dict[str, str]:
        """The environment in which a script finds the library and what it imports.

        Args:
            script: the script.
            arguments: what it is given.
            beside: folders to import from, beside its own one.
            extra: further variables.
        """
        all_of_them = (script.parent, *beside, SCRIPTS)
        if self.name in chip_model.NAMES:
            compiled = [self.bytecode(each) for each in all_of_them]
            return chip_model.environment(self.library, script, arguments, extra, compiled)
        folders = [self.folder(each) for each in all_of_them]
        if self.name == "cpython":
            path = os.pathsep.join(str(folder) for folder in (*folders, self.library, _CPYTHON))
            return {**os.environ, "PYTHONPATH": path, **extra}
        return micropython_environment(*folders, self.library, **extra)

    def run(
        self,
        script: Path,
        *arguments: str,
        beside: Sequence[Path] = (),
        timeout: float = 60,
        dev: bool = True,
        **extra: str,
    ) -> str:
        """Run a script to its end and return what it printed; fails when it fails."""
        done = subprocess.run(
            self.command(script, *arguments, dev=dev),
            env=self.environment(script, *arguments, beside=beside, **extra),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{self.name}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def run_unit(
        self, unit: Path, *arguments: str, beside: Sequence[Path] = (), dev: bool = True
    ) -> None:
        """Run the test_ functions of a module; skips when the module says so.

        Args:
            unit: the module.
            arguments: what it finds in sys.argv, after its name.
            beside: folders to import from, beside its own one.
            dev: see `command`.
        """
        folders = [unit.parent, *beside]
        output = self.run(
            SCRIPTS / "run.py", unit.stem, *arguments, beside=folders, timeout=120, dev=dev
        )
        last = output.splitlines()[-1]
        if last.startswith("SKIPPED "):
            pytest.skip(last.partition(" ")[2])
        assert last.startswith("OK "), output

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


# As people write it: for those who run it from a checkout, or with mip from there.
SOURCES = (Interpreter("cpython", DEVICE), Interpreter("micropython", DEVICE))
