"""`hubtool charger` as a process: lines are typed, and what it prints is read."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path


class Charger:
    """One power-up.

    Attributes:
        lines: all that it has printed, standard error included.
        process: it.
    """

    def __init__(self, url: str, directory: Path, *words: str, **environment: str) -> None:
        self._words = [url, "--id", "CP-7", "--directory", str(directory), *words]
        self._environment = {**os.environ, **environment}
        self._changed = asyncio.Event()
        self.lines: list[str] = []
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Charger:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hubtool", "charger", *self._words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _read(self) -> None:
        assert self.process
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\r\n"))
            self._changed.set()
        self._changed.set()

    async def kill(self) -> None:
        """Cut its power."""
        assert self.process
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self._reading

    async def type(self, *lines: str) -> None:
        """Type lines at it."""
        assert self.process
        assert self.process.stdin
        for line in lines:
            self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def until(
        self, pattern: str, count: int = 1, seconds: float = 30, *, after: int = 0
    ) -> re.Match[str]:
        """Wait until so many lines, from a place on, match as a whole; the last of them."""
        assert self.process
        expression = re.compile(pattern)
        async with asyncio.timeout(seconds):
            while True:
                found = [m for line in self.lines[after:] if (m := expression.fullmatch(line))]
                if len(found) >= count:
                    return found[count - 1]
                if self._reading.done():
                    raise AssertionError(f"it ended: {self.lines}")
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.5)
                except TimeoutError:
                    continue
        raise AssertionError
