"""The WebSocket client against servers in this process, on both interpreters."""

from __future__ import annotations

from pathlib import Path

from webpubsub_servers import GoodServer

HERE = Path(__file__).parent


def assert_ok(output: str) -> None:
    """The script printed one line, and nothing that hints at a leak."""
    assert output.startswith("OK "), output
    assert output.count("\n") == 1, output


async def test_against_a_good_server(interpreter):
    async with GoodServer().running() as server:
        output = await interpreter.run_beside(
            HERE / "device_good_server.py", f"ws://127.0.0.1:{server.port}"
        )
    assert_ok(output)
