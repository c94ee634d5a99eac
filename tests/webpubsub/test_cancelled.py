"""Whatever is cancelled, wherever it waits: on both interpreters, against the local service."""

from __future__ import annotations

import pytest

from tests.webpubsub.service_bench import bench_environment


@pytest.mark.slow
async def test_cancelled_anywhere(everywhere):
    await everywhere("device_cancelled", bench_environment)


async def test_cancelled_in_a_long_send(everywhere):
    await everywhere("device_cancelled_long", bench_environment)
