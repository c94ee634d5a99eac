"""What the device code takes of a chip's memory: each program within its budget."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from simboard.chip import places

if not places.versions():
    pytest.skip("the model of the chip is not built: make chip", allow_module_level=True)

from bench.measure import BenchError
from bench.memory import tables
from bench.memory.ablation import Ablation
from bench.memory.budget import BUDGETS, Budget, Limit
from bench.memory.build import Boards, make_boards
from bench.memory.figures import BOOT, Measured
from bench.memory.programs import Result, Rig
from bench.targets.memory import measured

VERSIONS = list(dict.fromkeys(places.versions().values()))
# Seconds. What is in memory during an outage does not depend on how long it lasts.
OUTAGE = 2
PATIENCE = 20


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Boards:
    return make_boards(tmp_path_factory.mktemp("boards"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("program", BUDGETS)
async def test_a_program_keeps_to_its_budget(
    boards: Boards, tmp_path: Path, version: str, program: str
) -> None:
    rig = Rig(places.program(version), boards, tmp_path, OUTAGE, PATIENCE)
    found: Result = await getattr(rig, program)()
    print(version, program, found)
    # The figures are of a connection that was there.
    assert found.idle > 20000
    assert found.connecting >= found.idle
    assert found.lowest <= found.free
    budget = BUDGETS[program]
    assert found.back or not budget.returns
    over = {
        name: (getattr(found, name), most)
        for name, most in budget.held().items()
        if getattr(found, name) > most
    }
    assert not over, "more than the budget (figure, limit); see bench/memory/budget.py"


@pytest.mark.slow
def test_the_tables(tmp_path: Path) -> None:
    newest = VERSIONS[-1]
    sums, staying, passing, promises, elsewhere = measured(
        tmp_path, {newest: places.program(newest)}, OUTAGE, PATIENCE
    )
    for sheet in (sums, staying, passing, promises, elsewhere):
        assert all(len(row) == len(sheet.columns) for row in sheet.rows), sheet
    assert {row[0] for row in sums.rows} == {budget.title for budget in BUDGETS.values()}
    stays = {row[0]: row for row in staying.rows}
    assert stays["`webpubsub.frames`"][1] == "W C F A"
    assert stays["`webpubsub.outbox`"][1] == "A"
    *parts, total = [int(row[2].replace(",", "")) for row in staying.rows]
    assert sum(parts) == total
    passes = {row[0]: row for row in passing.rows}
    assert int(passes["`webpubsub.url`"][1].replace(",", "")) > 500
    assert all(int(row[1].replace(",", "")) > 0 for row in passing.rows)
    assert passes["`webpubsub.url`"][3] == "0"
    costs = {row[0]: row[1] for row in promises.rows}
    assert int(costs["own pings; silence, stuck writes and starvation are noticed"]) > 100


def test_a_function_that_costs_is_found(boards: Boards, tmp_path: Path) -> None:
    stays = ["webpubsub", "webpubsub.texts", "webpubsub.memory", "webpubsub.inbox"]
    interpreter = places.program(VERSIONS[-1])
    ablation = Ablation(interpreter, boards, tmp_path / "copy", stays, [])
    one = ablation.saved({"webpubsub.inbox": ["Inbox.end"]})
    two = ablation.saved({"webpubsub.inbox": ["Inbox.end", "Inbox.take"]})
    assert 0 < one < two
    # What was missing is there again.
    assert ablation.saved({}) == 0
    with pytest.raises(BenchError, match=r"webpubsub\.inbox has no Inbox\.nothing"):
        ablation.saved({"webpubsub.inbox": ["Inbox.nothing"]})


def test_a_program_that_fails_is_told(boards: Boards, tmp_path: Path) -> None:
    # Its settings are missing: it says so, and ends.
    from bench.memory.running import Running

    async def run() -> None:
        environment = {"URL": "ws://127.0.0.1:1/"}
        program = places.program(VERSIONS[-1])
        async with Running(program, boards.usual, "websocket", environment) as running:
            await running.figures("used", 10)

    with pytest.raises(BenchError, match="websocket did not come to 'figures used '"):
        asyncio.run(run())


def test_figures_are_read() -> None:
    lines = [
        "figures boot 3000 56000 142276 110592 3100 142000",
        "qstr pool: n_pool=2, n_qstr=40, n_str_data_bytes=300, n_total_bytes=800",
        "loaded webpubsub",
        "figures open 23000 56000 130000 100000 24000 120000",
        "figures used 22000 112000 131000 100000 26000 125000",
        "there webpubsub rig",
        "qstr pool: n_pool=3, n_qstr=140, n_str_data_bytes=900, n_total_bytes=2800",
    ]
    found = Measured.of(lines)
    assert found.live(found.at("used").used) == 19000 + BOOT
    assert found.highest("boot", "used") == 26000
    assert found.highest("boot", "open") == 24000
    assert (found.lowest, found.names, found.largest_heap) == (120000, 100, 112000)
    assert (found.loaded, found.there) == (("webpubsub",), {"webpubsub", "rig"})


def test_a_limit_is_the_goal_or_what_it_is_today_with_slack() -> None:
    assert Limit(30000).held == 31500
    assert Limit(48000, 53000).held == 55650
    assert Limit(None).held is None


def test_goals_are_said_to_be_reached_or_not() -> None:
    result = Result(29000, 30000, None, 56000, 56000, True, 165, 1, 1, 1, (), ())
    for found, words in (
        (result, "30,000: reached"),
        (dataclasses.replace(result, idle=30300), "30,000: missed by 1.0 %"),
        (dataclasses.replace(result, idle=32000), "30,000: **not reached**"),
    ):
        sheet = tables.sums({"1.26.1": dict.fromkeys(BUDGETS, found)})
        [goal] = [
            row[3]
            for row in sheet.rows
            if row[0] == _title("websocket") and row[1] == "in use, at rest"
        ]
        assert goal == words


def _title(program: str) -> str:
    budget: Budget = BUDGETS[program]
    return budget.title
