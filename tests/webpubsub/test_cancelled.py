"""Whatever is cancelled, wherever it waits: on both interpreters, against the local service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.webpubsub.negotiate_server import NegotiateServer
from tests.webpubsub.service_bench import bench_environment
from tests.webpubsub.webpubsub_servers import GoodServer

URL = "wss://h/client/hubs/a?access_token=head.s3cret.sign"


@contextlib.asynccontextmanager
async def all_servers() -> AsyncIterator[dict[str, str]]:
    """What a device needs for the client and for what stands beside it."""
    async with (
        bench_environment() as environment,
        GoodServer().running() as good,
        NegotiateServer(lambda: URL).running() as port,
    ):
        yield {
            **environment,
            "SERVER": f"ws://127.0.0.1:{good.port}",
            "NEGOTIATE": f"http://127.0.0.1:{port}",
        }


@pytest.mark.slow
async def test_cancelled_anywhere(everywhere):
    await everywhere("device_cancelled", bench_environment)


async def test_cancelled_in_a_long_send(everywhere):
    await everywhere("device_cancelled_long", bench_environment)


async def test_cancelled_beside_the_client(everywhere):
    await everywhere("device_cancelled_parts", all_servers)
