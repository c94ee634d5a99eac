"""The client against the local service, which is commanded to misbehave, on both interpreters."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_bench import running_bench

HERE = Path(__file__).parent


def assert_ok(output: str) -> None:
    """The script printed one line, and nothing that hints at a leak."""
    assert output.startswith("OK "), output
    assert output.count("\n") == 1, output


@pytest.mark.parametrize("script", ["device_client"])
async def test_against_the_local_service(interpreter, script):
    async with running_bench() as bench:
        output = await interpreter.run_beside(HERE / f"{script}.py", **bench.environment)
    assert_ok(output)
