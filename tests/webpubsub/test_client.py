"""The client against the local service, which is commanded to misbehave, on both interpreters."""

from __future__ import annotations

import pytest

from tests.webpubsub.scripted_service import scripted_service
from tests.webpubsub.service_bench import bench_environment


@pytest.mark.slow
@pytest.mark.parametrize("script", ["device_client", "device_recovery"])
async def test_against_the_local_service(everywhere, script):
    await everywhere(script, bench_environment)


@pytest.mark.slow
async def test_against_a_scripted_service(everywhere):
    await everywhere("device_scripted", scripted_service)
