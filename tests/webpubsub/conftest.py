"""Servers and scripts for the tests of the device client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.support.interpreters import SOURCES, Interpreter

HERE = Path(__file__).parent
Server = Callable[[], AbstractAsyncContextManager[dict[str, str]]]


@pytest.fixture
def everywhere(
    built_interpreters: list[Interpreter],
) -> Callable[..., Awaitable[None]]:
    """Runs a device script in all ways at once, since it waits for most of its time.

    Called with the script's name and a function that makes an async context manager: a server of
    its own for each interpreter, which gives the environment of the script.
    """
    # Also as source on what PyPI has, which is newer than the models of the chip.
    interpreters = [*SOURCES, *built_interpreters]

    async def run_one(interpreter: Interpreter, script: str, server: Server) -> None:
        async with server() as environment:
            output = await interpreter.run_beside(HERE / f"{script}.py", timeout=90, **environment)
        # One line, and nothing that hints at a leak.
        text = f"{interpreter.name}:\n{output}"
        assert output.startswith("OK "), text
        assert output.count("\n") == 1, text

    async def run(script: str, server: Server) -> None:
        for interpreter in interpreters:
            # Built now: meanwhile no server here would answer those that have started.
            interpreter.environment(HERE / f"{script}.py")
        runs = [run_one(interpreter, script, server) for interpreter in interpreters]
        results = await asyncio.gather(*runs, return_exceptions=True)
        errors = [error for error in results if error is not None]
        if errors:
            raise errors[0]

    return run
