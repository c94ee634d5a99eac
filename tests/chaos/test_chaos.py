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


@pytest.mark.parametrize(("cuts", "transport"), [(40, ()), (24, ("--tls",))], ids=["ws", "wss"])
async def test_nothing_is_lost_or_doubled(cuts, transport):
    result = await chaos("--cuts", str(cuts), "--devices", "8", "--seed", "2", *transport)
    assert result["faults"] == []
    assert sum(result["phases"].values()) == cuts
    assert len(result["phases"]) >= 4, result["phases"]
    assert len(result["ways"]) == 4
    assert (total(result, "sessions_lost"), result["unknown"], result["gone"]) == (0, 0, 0)
    assert total(result, "recoveries") >= cuts / 3
    assert min(result["sent"].values()) > 100
    assert total(result, "dropped") == 0


SAFEGUARDS = {
    "dedupe": "doubled (down)",
    "resend": "lost (up)",
    # The service keeps all that it ever sent; at 1000 messages it would end the session.
    "sequence_ack": "failed (no sequenceAck for messages)",
}


@pytest.mark.slow
async def test_it_sees_a_safeguard_that_is_off():
    runs = [
        chaos("--cuts", "12", "--devices", "4", "--seed", "2", "--sabotage", safeguard)
        for safeguard in SAFEGUARDS
    ]
    results = await asyncio.gather(*runs)
    for fault, result in zip(SAFEGUARDS.values(), results, strict=True):
        assert any(found.startswith(fault) for found in result["faults"]), (fault, result)


@pytest.mark.slow
async def test_sessions_that_the_service_loses():
    # Only these cost anything: sends of unknown outcome, and messages without a receiver.
    result = await chaos("--cuts", "16", "--devices", "4", "--seed", "3", "--expire", "1", "--sdk")
    assert result["faults"] == []
    assert set(result["sent"]) == {"up", "sdk", "down"}
    for device in result["devices"]:
        assert device["sessions_lost"] == 1
    # A fresh URL for each session (and for an attempt that was cut), and the group joined again.
    assert result["urls"] >= 8
    assert result["rejoined"] == 4


@pytest.mark.slow
async def test_nothing_stays_behind():
    run = ("tests.chaos.soak", "--reconnects", "30")
    for result in await asyncio.gather(printed(*run), printed(*run, "--tls")):
        assert result["faults"] == []
        assert result["lives"] >= 30
        # The listing of the descriptors has one itself, and the script's own task lives.
        assert (result["end"]["tasks"], result["end"]["descriptors"]) == (1, 4)
