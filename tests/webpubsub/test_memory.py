"""Messages that are too large for the heap of a board, on MicroPython."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chip_model import BUILT
from tests.webpubsub.service_bench import running_bench
from tests.webpubsub.webpubsub_servers import GoodServer

SCRIPT = Path(__file__).parent / "device_memory.py"


# Not from the sources: compiled in such a heap, the code takes what the messages need.
@pytest.mark.parametrize("interpreter", BUILT, indirect=True)
async def test_out_of_memory(interpreter):
    async with running_bench() as bench, GoodServer().running() as server:
        address = f"ws://127.0.0.1:{server.port}"
        output = await interpreter.run_beside(
            SCRIPT, heap="256K", SERVER=address, **bench.environment
        )
    assert output.startswith("OK "), output
    assert output.count("\n") == 1, output
