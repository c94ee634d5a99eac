"""The bench of the device client still measures: everything, with tiny numbers."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

if sys.platform == "win32":
    pytest.skip("there is no MicroPython to install on Windows", allow_module_level=True)

from bench.client import instructions, memory
from bench.client.build import Libraries, build
from bench.client.server import echo_server
from bench.client.settings import settings
from bench.client.size import Size
from bench.measure import BenchError, Figure, Program
from bench.plot import Bar
from bench.sheet import Sheet
from bench.targets.client import TARGET, measured

TINY = Size(
    echoes={64: 30, 16384: 12},
    one_way={64: 50, 40000: 12},
    heap_echoes=3,
    heap_length=64,
    heap_runs=1,
    idle_seconds=0.5,
)
CALLS = ["`send_bytes`", "`receive`", "`receive_view`", "`poll_view`"]
SPREAD = re.compile(r"[\d,]+\.\d+ \([\d,]+\.\d+-[\d,]+\.\d+\)")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    return build(tmp_path_factory.mktemp("libraries"))


@pytest.mark.slow
def test_everything_yields_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    # Counting instructions has tests of its own: a program starts slowly under valgrind.
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    sheets: dict[str, Sheet] = {}
    bars: list[Bar] = []
    for found in measured(1, TINY):
        sheets.update((sheet.title, sheet) for sheet in found.sheets)
        bars += found.bars
    for sheet in sheets.values():
        assert all(len(row) == len(sheet.columns) for row in sheet.rows), sheet
    trips, portable, counted, one_way, message, smallest, *rest = sheets.values()
    importing, totals, modules, idle = rest

    links = ["64 B, ws", "64 B, wss", "16,384 B, ws", "16,384 B, wss", "16,384 B, ws, 2M heap"]
    assert [row[0] for row in trips.rows] == links
    for row in trips.rows:
        assert all(map(SPREAD.fullmatch, [row[1], *row[3:]])), row
        assert row[2] in ("1.3", "1.8")
    assert all(SPREAD.fullmatch(cell) for row in portable.rows for cell in row[1:])
    assert len(portable.rows) == 3
    assert counted.rows == []
    assert "valgrind is not installed" in counted.note
    assert [row[1] for row in one_way.rows] == CALLS * 2
    assert all(SPREAD.fullmatch(cell) for row in one_way.rows for cell in row[2:])
    ws, wss = 5, 4
    assert len(bars) == 2 * (ws + wss + len(CALLS))

    heap = {row[0]: row[1] for row in message.rows}
    lent, own = (
        int(heap[f"`{call}`, it is there already"]) for call in ("receive_view", "receive")
    )
    assert own - lent >= memory.MESSAGE  # a copy of the payload
    assert list(smallest.columns[1:3]) == ["64-bit, from files", "64-bit, in place"]
    stock, websocket, client, other = smallest.rows
    for column in (1, 2):
        assert int(stock[column]) < int(websocket[column]) < int(client[column]) < 256
    assert int(websocket[2]) < int(websocket[1])
    assert other[1].isdigit()
    for row in importing.rows[1:]:
        from_files, in_place = (int(cell.replace(",", "")) for cell in row[1:3])
        assert in_place < 0.7 * from_files

    size = {row[0]: int(row[1].replace(",", "")) for row in totals.rows if row[1][0].isdigit()}
    listed = sum(int(row[2].replace(",", "")) for row in modules.rows)
    assert size["whole package"] == listed
    assert size["WebSocket layer"] < size["a typical program: client, access token, TLS"] < listed
    parts = {row[0].strip("`"): row[1] for row in modules.rows}
    assert parts["webpubsub.kernel_source"] == parts["webpubsub.websocket"] == "WebSocket layer"
    assert parts["webpubsub.protobuf_protocol"] == "protobuf"

    idlers = [(row[0], row[1]) for row in idle.rows]
    both = ("webpubsub", "stock stream")
    assert idlers == [(link, name) for link in ("ws", "wss") for name in both] or idle.note


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_of_a_message(libraries: Libraries, tmp_path: Path) -> None:
    with echo_server(tmp_path / "ca.der") as echo:
        environment = {**echo.variables("ws"), "SIZE": 64}
        own = libraries.program("websocket_echo")
        assert 1000 < instructions.per_message(own, environment, (2, 12)) < 1_000_000


def test_instructions_are_told_as_ratios(
    libraries: Libraries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(program: Program, environment: Mapping[str, object], _: object) -> float:
        return {"stream_echo": 1000.0, "websocket_echo": 1250.0}[program.name] - 500 * (
            "VIEW" in environment
        )

    monkeypatch.setattr(instructions.shutil, "which", lambda name: "/usr/bin/valgrind")
    monkeypatch.setattr(instructions, "per_message", counted)
    with echo_server(tmp_path / "ca.der") as echo:
        [row] = instructions.instructions(libraries, echo, TINY).rows
    assert row == ["64 B", "1.3", "1,000", "1.25", "0.75"]


def test_without_the_source_the_kernels_are_portable(libraries: Libraries) -> None:
    environment = {"STEPS": "websocket"}
    for portable in (False, True):
        output = libraries.program("loaded", portable=portable).run(environment)
        assert ("webpubsub.portable" in output.split()) == portable


def test_smallest_heap_is_the_least_that_works(libraries: Libraries, tmp_path: Path) -> None:
    with echo_server(tmp_path / "ca.der") as echo:
        environment = {**echo.variables("ws"), "SIZE": 64, "COUNT": 2}
        setting = settings()[0]
        found = memory.smallest(libraries, setting, "stream_echo", environment, runs=1)
        assert found is not None
        libraries.program("stream_echo", heap=f"{found}K").run(environment)
        with pytest.raises(BenchError, match="stream_echo failed"):
            libraries.program("stream_echo", heap=f"{found - 1}K").run(environment)
        most = found - 1
        assert memory.smallest(libraries, setting, "stream_echo", environment, 1, most) is None


def test_program_that_fails_or_hangs_says_so(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('not today')\n")
    (tmp_path / "endless.py").write_text("while True:\n    pass\n")
    with pytest.raises(BenchError, match="broken failed: ValueError: not today"):
        Program("broken", tmp_path, heap="64K").run({})
    with pytest.raises(BenchError, match=r"endless did not end within 0\.5 s"):
        Program("endless", tmp_path, heap="64K").run({}, timeout=0.5)


def test_page_and_plot_say_what_was_found(tmp_path: Path) -> None:
    sheet = Sheet("A table", ("Name", "µs"), [("one <&>", "1.0 (1.0-1.0)")], "A note.")
    ratio = Figure.ratio([2.0, 3.0, 4.0], [1.0, 1.0, 1.0])
    bars = [Bar("own <&>", ratio, "own"), Bar("other", Figure.of([0.5]), "peer")]
    TARGET.write([sheet], bars, 7, docs=tmp_path)
    page = (tmp_path / "measurements-client.md").read_text("utf-8")
    assert "## A table\n| Name | µs |\n| --- | --- |\n| one <&> | 1.0 (1.0-1.0) |\n" in page
    assert "\nA note.\n" in page
    assert "7 rounds" in page
    assert "mpy-cross" in page
    assert "{" not in page
    picture = ElementTree.fromstring((tmp_path / "measurements-client.svg").read_text("utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    drawn = [one for one in picture.iter(f"{space}rect") if one.get("class") != "page"]
    assert [bar.get("class") for bar in drawn] == ["own", "peer"]
    [base] = [one for one in picture.iter(f"{space}line") if one.get("class") == "base"]
    line = float(base.get("x1", "0"))
    assert float(drawn[0].get("x", "0")) == pytest.approx(line, abs=0.2)
