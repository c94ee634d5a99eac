"""The bench of the local service still measures: every scenario, with tiny numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

if sys.platform != "linux":
    pytest.skip("the bench reads /proc, which only Linux has", allow_module_level=True)

from bench.service import fan_out, held, publish, rest, slow, storm
from bench.service.results import Comparison, Measure, bars, sheet
from bench.targets.service import TARGET

Scenario = Callable[[], Awaitable[list[Measure]]]
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "fan_out": (
        lambda: fan_out.measure(1, fan_out.Size(clients=8, messages=((1, 20, 20), (16, 40, 40)))),
        4,
    ),
    "publish": (lambda: publish.measure(1, publish.Size(clients=3, messages=20)), 1),
    "rest": (lambda: rest.measure(1, rest.Size(connections=2, calls=20)), 1),
    "held": (lambda: held.measure(1, held.Size(connections=40, processes=1)), 4),
    "storm": (lambda: storm.measure(1, storm.Size(clients=20, messages=3)), 2),
    "slow": (
        lambda: slow.measure(1, slow.Size(slow=2, others=4, rate=800, payload=60_000, seconds=1)),
        3,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_scenario_yields_figures_and_loses_nothing(name: str) -> None:
    scenario, lines = SCENARIOS[name]
    measures = await scenario()
    assert len(measures) == lines
    for one in measures:
        assert one.lost == 0, one
        for figure in (one.comparison.bare, one.comparison.service):
            # So few connections may need no memory that was not there before.
            assert math.isfinite(figure.median), one
            assert figure.median > 0 or one.unit == "KiB", one
        if "closed as SlowClient" in one.notes:
            assert one.notes["closed as SlowClient"] == "2 of 2"


def _measures() -> list[Measure]:
    ratio = Comparison.of([2.0, 4.0, 3.0], [1.0, 1.0, 1.0])
    worse = Comparison.of([1.0], [4.0])
    return [
        Measure("quick <&>", "µs", ratio, "ratio at least 1.0"),
        Measure("not plotted", "ms", worse, plotted=False),
        Measure("slower", "µs", worse, lost=3, notes={"open files": "1,024"}),
    ]


def test_page_says_what_was_found(tmp_path: Path) -> None:
    TARGET.write([sheet(_measures(), 5, 2)], bars(_measures()), 5, docs=tmp_path)
    page = (tmp_path / "measurements-service.md").read_text("utf-8")
    assert "| quick <&> | µs | 3.00 (2.00-4.00) | 1.00 (1.00-1.00) | 3.00 (2.00-4.00) |" in page
    assert "| 4.00 (4.00-4.00) | 0.25 (0.25-0.25) |  | 3 | open files 1,024 |" in page
    assert "5 rounds" in page
    assert "{" not in page.replace("`{", "")


def test_plot_has_a_bar_for_every_ratio_and_a_line_at_one() -> None:
    assert TARGET.chart is not None
    picture = ElementTree.fromstring(TARGET.chart.svg(bars(_measures())))
    space = "{http://www.w3.org/2000/svg}"
    drawn = [one for one in picture.iter(f"{space}rect") if one.get("class") != "page"]
    [base] = [one for one in picture.iter(f"{space}line") if one.get("class") == "base"]
    assert [bar.get("class") for bar in drawn] == ["better", "worse"]
    line = float(base.get("x1", "0"))
    assert float(drawn[0].get("x", "0")) == pytest.approx(line, abs=0.2)
    right = float(drawn[1].get("x", "0")) + float(drawn[1].get("width", "0"))
    assert right == pytest.approx(line, abs=0.2)


def test_fewer_connections_where_fewer_files_may_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held.resource, "getrlimit", lambda which: (256, 1100))
    count, reason = held.possible(10_000)
    assert count == 1000
    assert "1,100" in reason
    assert "ulimit" in reason
    assert held.possible(500) == (500, "1,100")
