"""`hubtool charger --record` and `--replay`: a report from the field becomes a test."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from hubtool.main import main

from tests.support.central_system import CentralSystem, Error, Late, call
from tests.support.charger import Charger

KEY = "0123456789abcdef"


async def eventful(folder: Path) -> Path:
    """The record of two power-ups with much in them."""
    record = folder / "cp7.record"
    words = ["--connectors", "2", "--record", str(record), "--key-env", "TEST_KEY"]
    async with CentralSystem().running() as central:
        url = f"ws://127.0.0.1:{central.port}/ocpp"
        central.will("BootNotification", {"status": "Pending", "interval": 1})
        central.will("Authorize", Late(0.7))
        central.will("StartTransaction", Error("InternalError"))
        async with Charger(url, folder / "cp7", *words, TEST_KEY=KEY) as charger:
            await central.heard("StatusNotification", 3)
            for key, value in (
                ("MeterValueSampleInterval", "1"),
                ("TransactionMessageRetryInterval", "1"),
                ("MeterValuesSampledData", "Energy.Active.Import.Register,Voltage"),
            ):
                await central.ask(call.ChangeConfiguration(key=key, value=value))
            await charger.type("dance", "plug 1", "swipe 1 T1")
            await central.heard("MeterValues", 2)
            await charger.type("power 1 0", "plug 2")
            await central.ask(call.RemoteStartTransaction(id_tag="T2", connector_id=2))
            await central.heard("StartTransaction", 3)
            await asyncio.sleep(2)
            # An outage with a stop in it.
            central.drop()
            await charger.type("unplug 1")
            await central.heard("StopTransaction")
            await central.say('[2,"broken"')
            await central.say('[3,"nobody",{}]')
            await central.ask(
                call.ChangeConfiguration(key="AuthorizationKey", value="aa55" * 9 + "beef")
            )
            await central.until(lambda: len(central.handshakes) == 3)
            await central.ask(call.Reset(type="Soft"))
            await central.heard("StopTransaction", 2)
            await central.heard("BootNotification", 3)
            await central.heard("StatusNotification", 8)
            await charger.type("swipe 2 T1")
            await central.heard("StartTransaction", 4)
            await asyncio.sleep(0.5)
        async with Charger(url, folder / "cp7", *words, TEST_KEY=KEY) as charger:
            await central.heard("StopTransaction", 3)
            await central.ask(call.TriggerMessage(requested_message="MeterValues"))
            await asyncio.sleep(0.5)
    return record


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(eventful(tmp_path_factory.mktemp("record")))


def replay(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["charger", "--replay", str(path)])
    output = capsys.readouterr()
    return status, output.out + output.err


def test_what_is_played_back_is_the_same(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output = replay(record, capsys)
    assert status == 0, output
    assert output.startswith("2 power-ups, ")
    assert output.endswith("played back: the same comes out\n")


def test_no_key_is_in_it(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert KEY not in text
    assert "aa55aa55" not in text
    assert "0" * 40 in text
    assert "credentials" not in text
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # What came in was otherwise, so something else comes out.
        ('"typed", "power 1 0"', '"typed", "power 1 7000"', "contactor 1 open"),
        ('"typed", "unplug 1"', '"typed", "unplug 2"', "now"),
        ('"typed", "dance"', '"typed", "clear 1"', "recorded ? dance"),
        # What goes out is otherwise, as after a change of the program.
        ('"printed", "status 1 Charging"', '"printed", "status 1 Finishing"', "now status 1 Char"),
        (r"\"reason\":\"SoftReset\"", r"\"reason\":\"Reboot\"", "SoftReset"),
    ],
)
def test_what_comes_out_otherwise_is_told(
    old: str, new: str, said: str, record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = record.read_text(encoding="utf-8")
    assert old in text
    changed = tmp_path / "changed.record"
    changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    status, output = replay(changed, capsys)
    assert status == 1
    assert said in output
    assert "differences: " in output.splitlines()[-1]


def test_a_record_that_is_broken_off_is_played_up_to_there(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = record.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    cut = tmp_path / "cut.record"
    cut.write_text("".join(lines[:60]) + lines[60][:-9], encoding="utf-8")
    status, output = replay(cut, capsys)
    assert status == 0, output
    assert output.startswith("1 power-up, 59 events")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("no\nrecord\n", "line 1 is no line of a record"),
        (json.dumps({"version": 9}) + "\n", "another version"),
        ('[1, "typed", "x"]\n', "line 1 is no line"),
        (None, "No such file"),
    ],
)
def test_what_is_no_record_is_one_line(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.record"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    status, output = replay(path, capsys)
    assert status == 1
    assert said in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", "x", "ws://h"], "--replay FILE stands alone"),
        ([], "URL is missing"),
        (["ws://h"], "--id is missing"),
        (["ws://h", "--id", "x"], "--directory is missing"),
        (
            ["ws://h", "--id", "x", "--directory", "{}/d", "--record", "{}/n/x"],
            "cannot be written",
        ),
    ],
)
def test_words_that_do_not_fit(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["charger", *(word.format(tmp_path) for word in words)]) == 1
    assert said in capsys.readouterr().err
