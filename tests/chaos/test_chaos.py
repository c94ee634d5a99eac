"""Short runs of `make chaos`, and proof that it would see a device that loses or doubles."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


async def chaos(*options: str) -> dict[str, Any]:
    """Run `python -m tests.chaos` and return its result, after a look at its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos", "--json", "--timeout", "120", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert not errors, errors.decode()
    result: dict[str, Any] = json.loads(output)
    assert process.returncode == (1 if result["faults"] else 0)
    return result


def total(result: dict[str, Any], name: str) -> int:
    return sum(device[name] for device in result["devices"])


@pytest.mark.parametrize("transport", [(), ("--tls",)], ids=["ws", "wss"])
async def test_nothing_is_lost_or_doubled(transport):
    result = await chaos("--cuts", "60", "--devices", "5", "--seed", "2", *transport)
    assert result["faults"] == []
    assert sum(result["phases"].values()) == 60
    assert len(result["phases"]) >= 4, result["phases"]
    assert len(result["ways"]) == 4
    assert (total(result, "sessions_lost"), result["unknown"], result["gone"]) == (0, 0, 0)
    assert total(result, "recoveries") >= 30
    assert min(result["sent"].values()) > 200
    assert total(result, "dropped") == 0


@pytest.mark.parametrize(
    ("safeguard", "fault"), [("dedupe", "doubled (down)"), ("resend", "lost (up)")]
)
async def test_it_sees_a_safeguard_that_is_off(safeguard, fault):
    result = await chaos("--cuts", "20", "--devices", "4", "--seed", "2", "--sabotage", safeguard)
    assert any(found.startswith(fault) for found in result["faults"]), result["faults"]
