"""A program on the model of the chip, and the figures that it prints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from ..measure import BenchError
from .build import Board
from .figures import Measured, Moment


class Running:
    """An interpreter at work.

    Args:
        micropython: the interpreter.
        board: whose files it has.
        name: of the program.
        environment: more of its environment.
        strict: collect garbage at every look, to find the highest moment.

    Attributes:
        output: its lines so far.
    """

    def __init__(
        self,
        micropython: Path,
        board: Board,
        name: str,
        environment: Mapping[str, str],
        strict: bool = False,
    ) -> None:
        self._command = [str(micropython), "-m", name]
        self._folder = board.programs
        self._environment = {
            **os.environ,
            "MICROPYPATH": ":.frozen",
            "BOARD": str(board.root),
            **({"STRICT": "1"} if strict else {}),
            **environment,
        }
        self._name = name
        self._seen = 0
        self._ended = False
        self.output: list[str] = []

    async def __aenter__(self) -> Running:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._more = asyncio.Event()
        # Whether or not somebody asks for lines: a full pipe would stop the program.
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._reader
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        # Where it is ended in the middle of a line, that one says nothing.
        while (line := await self._process.stdout.readline()).endswith(b"\n"):
            self.output.append(line.decode().rstrip())
            self._more.set()
        self._ended = True
        self._more.set()

    async def until(self, text: str, timeout: float = 30) -> str:
        """The next line that holds a text.

        Raises:
            BenchError: it did not come.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    while self._seen < len(self.output):
                        self._seen += 1
                        if text in self.output[self._seen - 1]:
                            return self.output[self._seen - 1]
                    if self._ended:
                        break
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            pass
        said = "\n".join(self.output[-12:]) or "nothing"
        raise BenchError(f"{self._name} did not come to {text!r}; it said:\n{said}")

    async def figures(self, name: str, timeout: float = 30) -> Moment:
        """The next figures of that name; raises as `until`."""
        return Moment.of(await self.until(f"figures {name} ", timeout))

    def skip(self) -> None:
        """Wait for lines that come from now on."""
        self._seen = len(self.output)

    def call_moment(self, name: str) -> None:
        """Give the figures that were waited for last a name of their own."""
        self.output[self._seen - 1] = self.output[self._seen - 1].replace("running", name, 1)

    def measured(self) -> Measured:
        """All figures so far."""
        return Measured.of(self.output)
