"""Microsoft's credential against the local issuer talks to nobody outside this computer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from localhub import LocalHub

SCRIPT = Path(__file__).parent / "entra_client.py"
CONFIG = {
    "service": {"tls": {}, "disable_local_auth": True},
    "entra": {
        "principals": [{"name": "server"}],
        "role_assignments": [{"assignee": "server", "role": "Web PubSub Service Owner"}],
    },
}


async def run(hub: LocalHub, **extra: str) -> Any:
    variables = {**hub.entra_environment("server"), "ENDPOINT": hub.tls_endpoint or "", **extra}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    text = output.decode()
    assert variables["AZURE_CLIENT_SECRET"] not in text
    return json.loads(text.splitlines()[-1])


@pytest.mark.localhub(CONFIG)
async def test_nothing_leaves_this_computer(localhub):
    seen = await run(localhub)
    assert seen["outcome"] == "3 parts"
    assert set(seen["asked"]) <= {"localhost", "127.0.0.1", "::1"}
    assert "127.0.0.1" in seen["asked"]


@pytest.mark.localhub(CONFIG)
async def test_the_guard_would_notice(localhub):
    """With instance discovery the credential asks the public cloud, and the guard sees it."""
    seen = await run(localhub, DISCOVERY="on")
    assert "login.microsoft" in " ".join(seen["asked"])
    assert "Error" in seen["outcome"]
