"""A few power cuts of `hubtool charger`; `make chaos` has 200."""

from __future__ import annotations

from pathlib import Path

from .charger import Bills, run


async def test_bills_are_what_the_meter_has(tmp_path: Path) -> None:
    bills, register, wrong = await run(5, 7, tmp_path / "cp7")
    assert wrong == []
    assert bills.starts
    assert bills.total == register


def test_what_is_wrong_is_seen() -> None:
    key, other = (1, "2026-12-01T08:00:00Z", "T1", 0), (1, "2026-12-01T09:00:00Z", "T1", 10)
    good = Bills({key: 0, other: 10}, {key: {10}, other: {15}})
    assert good.check(15) == []
    assert good.check(16) == ["bills of 15 Wh, and the meter has 16"]
    assert Bills({key: 0, other: 10}, {key: {10}}).check(10) == [f"never stopped: {other}"]
    assert "stopped as" in Bills({key: 0}, {key: {10, 11}}).check(11)[0]
    assert Bills(faults=["a stop of nothing"]).check(0) == ["a stop of nothing"]
