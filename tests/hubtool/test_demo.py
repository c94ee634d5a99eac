"""The demo, and its parts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hubtool.demo import run as demo
from hubtool.demo.boards import settings_text
from hubtool.demo.screen import on_one_line


@pytest.mark.slow
def test_the_demo_shows_messages_both_ways_on_both_boards() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hubtool", "demo", "--seconds", "3"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.endswith("  yes")}
    assert set(rows) == {"CP-7", "sensor-1"}
    assert "anonymous, ws " in rows["CP-7"]
    assert "token, wss" in rows["sensor-1"]
    assert "<- report" in done.stdout
    assert "eyJ" not in done.stdout, "no token"
    assert "AccessKey" not in done.stdout


@pytest.mark.slow
def test_a_third_board_asks_a_negotiate_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hubtool", "demo", "--seconds", "3", "--negotiate"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.endswith("  yes")}
    assert set(rows) == {"CP-7", "sensor-1", "meter-1"}
    assert "negotiate, wss" in rows["meter-1"]
    assert "Messages flowed both ways on all boards." in done.stdout
    assert "/negotiate (with a CA of its own) knows the key of meter-1" in done.stdout


async def test_a_board_that_stays_away_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_wrong_wifi(**values: Any) -> str:
        text = settings_text(**values)
        return text.replace('"depot"', '"elsewhere"') if values["device"] == "CP-7" else text

    monkeypatch.setattr(demo, "settings_text", with_wrong_wifi)
    all_work = demo.all_work_both_ways

    def until_it_says_so(operator: Any, seen: Any) -> bool:
        # As long as a busy machine needs, and no longer.
        if any('[wifi] "elsewhere"' in one.board.console for one in seen):
            monkeypatch.setattr(demo, "GRACE", 0.0)
        return all_work(operator, seen)

    monkeypatch.setattr(demo, "all_work_both_ways", until_it_says_so)
    assert await demo.run_demo(2) is False
    output = capsys.readouterr().out
    assert "CP-7: no telemetry. The end of its console:" in output
    assert '| [wifi] "elsewhere"' in output


def test_what_boards_send_does_not_disturb_the_terminal() -> None:
    assert on_one_line({"device": "x", "b": 1, "state": "on"}) == "state on, b 1"
    long = on_one_line({f"name{number}": "x" * 20 for number in range(9)})
    assert long.endswith(" ...")
    assert all(len(part) == 26 for part in long.removesuffix(" ...").split(", "))
    assert on_one_line("\x1b[2J" + "y" * 200) == "?[2J" + "y" * 116
