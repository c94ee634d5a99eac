"""How `webpubsub.heap` shapes the heap, rule by rule, on the model of the chip."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from simboard.chip import places

from tests.support.interpreters import micropython_environment

HERE = Path(__file__).parent
# Usable bytes, and what an ESP32 says of its other heap at the start.
FIRST = 56_000
LARGEST = 110_592

pytestmark = pytest.mark.skipif(
    not places.versions(), reason="the model of the chip is not built: run `make chip`"
)


@pytest.fixture(params=sorted(places.versions()) or ["none"])
def chip(request: pytest.FixtureRequest) -> str:
    """Each version of MicroPython that is built."""
    return str(places.find(request.param))


def shape(
    chip: str, situation: str = "", growth: int = 44_000, ballast: int = 0, *, wifi: bool = False
) -> dict[str, Any]:
    """Run shape.py on a fresh chip; the lines that it says come as `said`."""
    environment = micropython_environment(**({"CHIP_WIFI": "1"} if wifi else {}))
    done = subprocess.run(
        [chip, str(HERE / "shape.py"), situation, str(growth), str(ballast)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *said, last = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(last)
    return {**found, "said": said}


@pytest.mark.parametrize("wifi", [False, True])
@pytest.mark.parametrize("growth", [32_000, 40_000, 48_000, 52_000])
def test_it_grows_by_what_it_is_told(chip: str, growth: int, wifi: bool) -> None:
    found = shape(chip, growth=growth, wifi=wifi)
    # Some 2.5 % of it is its own table, and sizes of blocks are rounded.
    assert FIRST + growth * 0.93 < found["total"] <= FIRST + growth
    assert found["said"] == []
    assert found["threshold"] == 4096


def test_what_was_held_meanwhile_is_given_back(chip: str) -> None:
    found = shape(chip, growth=48_000)
    assert found["idf"][1] > LARGEST - 48_000 - 2_048
    assert found["stack_size"] == 0, "threads of the program must get the usual stack"


def test_it_stays_what_it_is(chip: str) -> None:
    found = shape(chip)
    assert found["total_later"] == found["total"]


def test_without_its_pin_it_would_be_given_back_and_double_the_next_time(chip: str) -> None:
    assert shape(chip, "unpinned")["total_later"] == FIRST


def test_the_ballast_is_held_until_it_is_let_go(chip: str) -> None:
    without, found = shape(chip), shape(chip, ballast=12_288)
    assert found["kept"] == [True, True]
    assert 12_288 <= without["idf"][0] - found["idf"][0] < 12_500
    assert found["idf_released"][0] == without["idf"][0]


def test_it_costs_little_and_nothing_of_it_stays_loaded(chip: str) -> None:
    # From source: some names are all that is left of it.
    assert shape(chip, ballast=12_288)["cost"] < 3_000


def test_where_the_memory_is_somebody_elses_it_says_so_and_goes_on(chip: str) -> None:
    found = shape(chip, "full")
    (line,) = found["said"]
    assert line.startswith("[memory] the heap could not be shaped (there is no block of 48096")
    assert found["total"] == FIRST


def test_too_late_it_says_so_and_takes_nothing_more(chip: str) -> None:
    found = shape(chip, "late", ballast=4_096)
    (line,) = found["said"]
    assert line.startswith("[memory] the heap could not be shaped (it has grown to 112000 already")
    assert found["total"] == 2 * FIRST


def test_a_size_of_nothing_is_nothing(chip: str) -> None:
    found = shape(chip, growth=0)
    assert (found["total"], found["kept"]) == (FIRST, [False, False])
