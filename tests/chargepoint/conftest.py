"""Charging points that run on all interpreters, each against a central system of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.central_system import SUBPROTOCOL, CentralSystem, call
from tests.support.interpreters import SOURCES, Interpreter

HERE = Path(__file__).parent


@dataclass
class Device:
    """A script that is a charging point, and the central system that it talks to.

    Attributes:
        central: the central system.
        interpreter: what runs the script.
        process: the script.
        folder: of its own, where it may write.
    """

    central: CentralSystem
    interpreter: Interpreter
    folder: Path
    given: dict[str, Any]
    process: asyncio.subprocess.Process | None = None

    async def start(self, script: str = "device_session", **given: Any) -> None:
        """Power it up; `given` is what the script gets."""
        self.given |= given
        extra = {"DER": "1"} if self.interpreter.name != "cpython" else {}
        self.process = await self.interpreter.start(
            HERE / f"{script}.py", GIVEN=json.dumps(self.given), **extra
        )

    async def do(self, what: str) -> Any:
        """Have it do something; see device_session."""
        request = call.DataTransfer(vendor_id="test", data=what)
        answer = await self.central.ask(request)
        assert answer.status == "Accepted", answer
        return answer.data

    async def state(self) -> dict[str, Any]:
        """What it knows."""
        found = json.loads(await self.do("state"))
        assert isinstance(found, dict)
        return found

    async def kill(self) -> None:
        """Cut its power."""
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.communicate()

    async def end(self) -> None:
        """Let it end, which it must do in order."""
        assert self.process
        await self.do("end")
        output, _ = await asyncio.wait_for(self.process.communicate(), 20)
        assert (self.process.returncode, output) == (0, b"OK\n"), output.decode()


Scenario = Callable[[Device], Awaitable[None]]


@pytest.fixture
def everywhere(
    built_interpreters: list[Interpreter], tmp_path: Path
) -> Callable[..., Awaitable[None]]:
    """Plays a scenario on all interpreters at once, since it waits for most of its time.

    The scenario starts the device and ends it; nothing may have been wrong with any message.
    """

    async def play(
        interpreter: Interpreter,
        scenario: Scenario,
        context: ssl.SSLContext | None,
        subprotocols: tuple[str, ...],
    ) -> None:
        folder = tmp_path / interpreter.name
        folder.mkdir()
        scheme, host = ("wss", "localhost") if context else ("ws", "127.0.0.1")
        async with CentralSystem(subprotocols=subprotocols).running(context) as central:
            url = f"{scheme}://{host}:{central.port}/ocpp"
            device = Device(central, interpreter, folder, {"url": url, "identity": "CP-7"})
            try:
                await scenario(device)
                assert central.faults == []
            except BaseException as error:
                error.add_note(f"on {interpreter.name}")
                if device.process and device.process.returncode is None:
                    device.process.kill()
                    output, _ = await device.process.communicate()
                    error.add_note(output.decode(errors="replace"))
                raise

    async def run(
        scenario: Scenario,
        context: ssl.SSLContext | None = None,
        subprotocols: tuple[str, ...] = (SUBPROTOCOL,),
    ) -> None:
        every = (*SOURCES, *built_interpreters)
        for each in every:
            # What is built for the first time takes a while, and a scenario has its deadlines.
            each.environment(HERE / "device_session.py")
        runs = [play(each, scenario, context, subprotocols) for each in every]
        results = await asyncio.gather(*runs, return_exceptions=True)
        errors = [error for error in results if error is not None]
        if errors:
            raise errors[0]

    return run
