"""Short runs of `make chaos`, and proof that it would see a device that loses or doubles."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


async def printed(module: str, *options: str) -> dict[str, Any]:
    """Run `python -m MODULE --json` and return what it printed, after a look at its exit code."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--json", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert not errors, errors.decode()
    result: dict[str, Any] = json.loads(output)
    assert process.returncode == (1 if result["faults"] else 0)
    return result


async def chaos(*options: str) -> dict[str, Any]:
    """A run of `python -m tests.chaos`."""
    return await printed("tests.chaos", "--timeout", "120", *options)


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
    ("safeguard", "fault"),
    [
        ("dedupe", "doubled (down)"),
        ("resend", "lost (up)"),
        # The service keeps all that it ever sent; at 1000 messages it would end the session.
        ("sequence_ack", "failed (no sequenceAck for messages)"),
    ],
)
async def test_it_sees_a_safeguard_that_is_off(safeguard, fault):
    result = await chaos("--cuts", "12", "--devices", "3", "--seed", "2", "--sabotage", safeguard)
    assert any(found.startswith(fault) for found in result["faults"]), result["faults"]


async def test_sessions_that_the_service_loses():
    # Only these cost anything: sends of unknown outcome, and messages without a receiver.
    result = await chaos("--cuts", "20", "--devices", "2", "--seed", "3", "--expire", "2", "--sdk")
    assert result["faults"] == []
    assert set(result["sent"]) == {"up", "sdk", "down"}
    assert total(result, "sessions_lost") == 4
    for device in result["devices"]:
        assert device["sessions_lost"] == 2


@pytest.mark.parametrize("transport", [(), ("--tls",)], ids=["ws", "wss"])
async def test_nothing_stays_behind(transport):
    result = await printed("tests.chaos.soak", "--reconnects", "60", *transport)
    assert result["faults"] == []
    assert result["lives"] >= 60
    # The listing of the descriptors has one itself, and the script's own task lives.
    assert (result["end"]["tasks"], result["end"]["descriptors"]) == (1, 4)
