"""A short version of the long run of `make chip-soak`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support import chip_model

from .soak import Plan, run


@pytest.mark.slow
@pytest.mark.skipif(not chip_model.VERSIONS, reason=chip_model.WHY_NOT)
async def test_two_outages_with_everything_on_board(tmp_path: Path) -> None:
    plans = [
        Plan(version, seconds=50, outages=(6.0, 14.0), command_interval=10)
        for version in chip_model.VERSIONS
    ]
    folders = [tmp_path / plan.version for plan in plans]
    for folder in folders:
        folder.mkdir()
    runs = [run(plan, folder) for plan, folder in zip(plans, folders, strict=True)]
    for plan, result in zip(plans, await asyncio.gather(*runs), strict=True):
        assert not result.faults(), f"{plan.version}: {result.faults()}\n{result.console[-3000:]}"
