"""The client against each fault of the local service, commanded over HTTP by the device itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.interpreters import SOURCES
from tests.webpubsub.service_bench import HUB, running_bench

SCRIPT = Path(__file__).parent / "device_faults.py"
# The service's own pings come often, as a sign of life that is not an answer.
HUBS = [{"name": HUB, "web_socket_keep_alive_interval_in_seconds": 1}]
CONFIG = {"service": {"faults": True}, "hubs": HUBS}


@pytest.mark.slow
async def test_every_fault_of_the_local_service():
    async def check(interpreter):
        async with running_bench(CONFIG) as bench:
            output = await interpreter.run_beside(SCRIPT, timeout=120, **bench.environment)
            assert bench.hub.faults.active == []
        text = f"{interpreter.name}:\n{output}"
        assert output.startswith("OK "), text
        assert output.count("\n") == 1, text

    # At once: they wait for most of their time.
    await asyncio.gather(*map(check, SOURCES))
