"""Programs of node that a test gives commands to."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "js"
OLDEST_NODE = 20
# Long enough for a loaded machine: it only bounds how long a failing test hangs.
PATIENCE = 30


class NodeError(Exception):
    """A command failed in JavaScript; `details` is what the error says of itself."""

    def __init__(self, details: dict[str, Any]) -> None:
        super().__init__(f"{details.get('name')}: {details.get('message')}")
        self.details = details


def _pack(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return base64.b64decode(value["bytes"])
    return value


class Node:
    """One running script of `js/`.

    Attributes:
        events: what it said without being asked, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "event" in said:
                said["data"] = _unpack(said.get("data"))
                self.events.append(said)
                self._changed.set()
            elif "error" in said:
                self._answers.pop(said["id"]).set_exception(NodeError(said["error"]))
            else:
                self._answers.pop(said["id"]).set_result(_unpack(said["result"]))

    async def call(self, name: str, *arguments: Any, **others: Any) -> Any:
        """Have a method called, and wait for what it returns.

        Raises:
            NodeError: it threw.
        """
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "call": name, "args": [_pack(one) for one in arguments], **others}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await asyncio.wait_for(answer, PATIENCE)

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [event for event in self.events if event["event"] == name]

    async def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until that many events of a name have come."""

        async def enough() -> list[dict[str, Any]]:
            while len(self.named(name)) < count:
                self._changed.clear()
                await self._changed.wait()
            return self.named(name)

        return await asyncio.wait_for(enough(), PATIENCE)

    async def stop(self) -> None:
        """Close its input, at which it ends; fail when it complained."""
        process = self._process
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await self._reader


def why_not() -> str | None:
    """Why the JavaScript packages cannot be used here; None when they can."""
    node = shutil.which("node")
    if node is None:
        return "node is missing: install nodejs and npm, then run 'make test'"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    if int(version.stdout.lstrip("v").partition(".")[0] or 0) < OLDEST_NODE:
        return f"node {version.stdout.strip()} is too old: {OLDEST_NODE} is the oldest that runs"
    if not (SCRIPTS / "node_modules" / ".package-lock.json").exists():
        return "the npm packages are missing: run 'make test', or 'npm ci' in tests/interop/js"
    return None


Start = Callable[..., Awaitable[Node]]


async def launch(script: str, **environment: Any) -> Node:
    """Start a script of `js/` with environment variables; what is no text becomes JSON."""
    extra = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in environment.items()
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPTS / f"{script}.js"),
        env={**os.environ, **extra},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return Node(process)
