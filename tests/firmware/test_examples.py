"""The ten-line program of the README, as printed, on both interpreters."""

import asyncio
import os
import sys

import pytest
from localhub import LocalHub

from tests.support.interpreters import DEVICE, HEAP, micropython
from tests.support.protocol import ROLES

PROGRAM = DEVICE / "examples" / "ten_lines.py"


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ([sys.executable, "-u"], {"PYTHONPATH": str(DEVICE)}),
        ([micropython(), "-X", f"heapsize={HEAP}"], {"MICROPYPATH": f"{DEVICE}:.frozen"}),
    ],
    ids=["cpython", "micropython"],
)
async def test_ten_lines(command, environment, tmp_path):
    async with LocalHub({"hubs": [{"name": "chargers"}]}) as service:
        (tmp_path / "url.txt").write_text(service.client_url("chargers", roles=ROLES) + "\n")
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
