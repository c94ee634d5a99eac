"""The ten-line program of the README, as printed, on both interpreters."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from localhub import LocalHub

DEVICE = Path(__file__).parent.parent.parent / "device"
PROGRAM = DEVICE / "examples" / "ten_lines.py"
MICROPYTHON = os.environ.get("MICROPYTHON") or str(Path(sys.executable).with_name("micropython"))


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ([sys.executable, "-u"], {"PYTHONPATH": str(DEVICE)}),
        ([MICROPYTHON, "-X", "heapsize=256K"], {"MICROPYPATH": f"{DEVICE}:.frozen"}),
    ],
    ids=["cpython", "micropython"],
)
async def test_ten_lines(command, environment, tmp_path):
    async with LocalHub({"hubs": [{"name": "chargers"}]}) as service:
        roles = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
        (tmp_path / "url.txt").write_text(service.client_url("chargers", roles=roles) + "\n")
        process = await asyncio.create_subprocess_exec(
            *command,
            str(PROGRAM),
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 30)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()
    assert line.decode().strip() == "site-7 {'kw': 7.2}"
