"""Certificates by a clock that is not set, or wrong, on MicroPython: as on a board at power-up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.chip_model import BUILT
from tests.webpubsub.service_bench import HUB, ROLES, Bench, running_bench

SCRIPT = Path(__file__).parent / "device_tls_clock.py"
CONFIG = {"service": {"tls": {"port": 0}}, "hubs": [{"name": HUB}]}


@pytest.mark.parametrize("interpreter", ["micropython", *BUILT], indirect=True)
async def test_a_clock_that_is_not_set(interpreter, tls_clock, tmp_path, monkeypatch):
    def set_clock(_: Bench, year: int | None) -> None:
        if year is None:
            tls_clock.shift(0)
        else:
            tls_clock.set(datetime(year, 1, 1, 0, 1, tzinfo=UTC).timestamp())

    monkeypatch.setattr(Bench, "do_set_clock", set_clock, raising=False)
    monkeypatch.setenv("MICROPYTHON", str(tls_clock.program))
    async with running_bench(CONFIG) as bench:
        ca = tmp_path / "ca.der"
        ca.write_bytes(bench.hub.ca_der)
        url = bench.hub.client_url(HUB, roles=ROLES, tls=True)
        environment = {**bench.environment, "URL": url, "CA": str(ca)} | tls_clock.environment
        output = await interpreter.run_beside(SCRIPT, **environment)
    assert output.startswith("OK "), output
    assert output.count("\n") == 1, output
