"""What a board says, brought back to the source: by `explain`, and by the monitor as it comes."""

from __future__ import annotations

import io
import random
import re
import subprocess
from pathlib import Path

import pytest
from hubtool.board.tracebacks import ByteTranslator, Translator
from hubtool.device_build import IN_PLACE, BuildMap, Options, build, prepare_sources
from hubtool.device_build.build_map import Function
from hubtool.device_build.explain import Explainer
from hubtool.device_build.maps import find, keep
from hubtool.errors import ExitCode
from hubtool.main import main
from micropython_webpubsub.assets import client_folder, device_files

from tests.support.interpreters import micropython

PROJECT = client_folder().parent.parent
MAP = BuildMap(
    lines=False,
    names={"sqrt": "_recover", "acos": "_hidden", "gather": "_Quiet", "poll": "_twice"},
    files={
        "link": "device/webpubsub/url.py",
        "pow": "device/firmware/clock.py",
        "tan": "device/chargepoint/core.py",
    },
    functions={
        "device/webpubsub/url.py": (
            Function("<module>", 1, 99),
            Function("Link._recover", 10, 20),
            Function("Link._twice", 22, 24),
            Function("Other._twice", 30, 30),
            Function("Other._twice.<lambda>", 30, 30),
        ),
        "device/firmware/clock.py": (Function("<module>", 1, 9),),
        "device/chargepoint/core.py": (
            Function("Core.settle", 3, 5),
            Function("Core._hidden", 7, 8),
        ),
    },
    texts={17: "no answer from %s within %d s", 18: "all of 100 %%", 19: "%s; again in %d s"},
    names_of={"chargepoint": {"sqrt": "settle"}},
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("[hub] text #17 ('a b', 5) and more", "[hub] no answer from a b within 5 s and more"),
        (
            "text #17 ('it\\'s (', 5): text #18 ()",
            "no answer from it's ( within 5 s: all of 100 %",
        ),
        ("[hub] text #19 (OSError(2,), 5)", "[hub] %s; again in %d s (OSError(2,), 5)"),
        ("[hub] text #17 'one'", "[hub] no answer from %s within %d s 'one'"),
        ("[hub] text #18", "[hub] all of 100 %"),
        ("[hub] text #4711 ()", "[hub] text #4711 ()"),
        ("context #17 and sqrt(2) in 'acos'", "context #17 and sqrt(2) in 'acos'"),
        ('  File "app.py", line 3, in sqrt', '  File "app.py", line 3, in sqrt'),
        (
            '  File "link", line 1, in sqrt',
            '  File "device/webpubsub/url.py", lines 10-20, in Link._recover',
        ),
        (
            '  File "link", line 1, in poll',
            '  File "device/webpubsub/url.py", lines 22-24 or 30, in Link._twice or Other._twice',
        ),
        (
            '  File "link", line 1, in <lambda>',
            '  File "device/webpubsub/url.py", line 30, in Other._twice.<lambda>',
        ),
        (
            '  File "tan", line 1, in sqrt',
            '  File "device/chargepoint/core.py", lines 3-5, in Core.settle',
        ),
        (
            '  File "tan", line 1, in acos',
            '  File "device/chargepoint/core.py", lines 7-8, in Core._hidden',
        ),
        ('  File "pow", line 1, in <module>', '  File "device/firmware/clock.py", in <module>'),
    ],
)
def test_a_line(said: str, meant: str) -> None:
    assert Explainer(MAP).line(said) == meant


def explained(text: str, build_map: BuildMap = MAP) -> str:
    explainer = Explainer(build_map)
    return "\n".join(map(explainer.line, text.splitlines()))


OURS = """Traceback (most recent call last):
  File "app.py", line 3, in sqrt
  File "link", line 1, in sqrt
AttributeError: 'gather' object has no attribute 'acos'
'acos' and gather"""
THEIRS = """Traceback (most recent call last):
  File "link", line 1, in sqrt
  File "app.py", line 3, in sqrt
AttributeError: 'module' object has no attribute 'acos'
gather: this is output, too"""


def test_what_an_error_says_is_in_the_names_of_its_file() -> None:
    lines = explained(OURS).splitlines()
    assert lines[1] == '  File "app.py", line 3, in sqrt'
    assert lines[3] == "AttributeError: '_Quiet' object has no attribute '_hidden'"
    assert lines[4] == "'acos' and gather", "after the traceback it is output again"
    lines = explained(THEIRS).splitlines()
    assert lines[3:] == THEIRS.splitlines()[3:]


def test_with_line_numbers_the_line_is_told() -> None:
    with_lines = BuildMap(True, MAP.names, MAP.files, MAP.functions, MAP.texts)
    shown = explained('  File "link", line 30, in poll', with_lines)
    assert shown == '  File "device/webpubsub/url.py", line 30, in Other._twice'
    shown = explained('  File "link", line 77, in poll', with_lines)
    assert shown == '  File "device/webpubsub/url.py", line 77, in _twice'


FAILING = """
import sys
import webpubsub
for wrong in (
    lambda: webpubsub.Backoff(2, 1),
    lambda: webpubsub.WebPubSubClient("ws://h", protocol="x"),
    lambda: webpubsub.nothing,
):
    try:
        wrong()
    except Exception as error:
        sys.print_exception(error)
"""


@pytest.mark.parametrize("lines", [False, True])
def test_a_real_traceback_names_lines_that_exist(lines: bool, tmp_path: Path) -> None:
    options = Options(lines=lines)
    for name, content in build(device_files(), options).files.items():
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    (tmp_path / "webpubsub" / "texts.bin").unlink()
    script = tmp_path / "script.py"
    script.write_text(FAILING)
    done = subprocess.run(
        [micropython(), str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    shown = explained(done.stdout, prepare_sources(device_files(), options).map)
    frames = re.findall(
        r'File "(device/[^"]+)", lines? (\d+)(?:-(\d+))?[-or \d]*, in (\S+)', shown
    )
    assert len(frames) >= 3, shown
    for path, first, last, function in frames:
        source = (PROJECT / path).read_text(encoding="utf-8").splitlines()
        assert 1 <= int(first) <= int(last or first) <= len(source)
        name = function.rpartition(".")[2]
        if not lines:
            assert f"def {name}(" in source[int(first) - 1]
    assert ("device/webpubsub/__init__.py", "__getattr__") in {
        (each[0], each[3]) for each in frames
    }
    assert "ValueError: first must be at most maximum" in shown
    assert "ValueError: unknown protocol: use {json,protobuf}" in shown
    if lines:
        path = "device/webpubsub/arguments.py"
        *_, wrong = (int(first) for where, first, _, _ in frames if where == path)
        source = (PROJECT / path).read_text(encoding="utf-8").splitlines()
        assert "unknown protocol" in "".join(source[wrong - 1 : wrong + 2])


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the maps, empty."""
    folder = tmp_path / "builds"
    monkeypatch.setattr("hubtool.device_build.maps.folder", lambda: folder)
    return folder


def test_maps_are_found_by_their_stamp(kept: Path) -> None:
    assert find(MAP.stamp) is None
    assert keep(MAP) == kept / f"{MAP.stamp}.json"
    assert find(MAP.stamp) == MAP
    for options in (Options(), Options(lines=True), IN_PLACE):
        made = prepare_sources(device_files(), options).map
        assert find(made.stamp) == made, "made again from the installed sources"
    assert find("../../etc") is None


def test_a_place_where_nothing_can_be_kept_is_no_failure(kept: Path) -> None:
    kept.write_text("a file in the way")
    assert keep(MAP) is None


def test_the_command_reads_a_file(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(f"{OURS}\n[board] CP-7, settings generation 1, build {MAP.stamp}\n")
    keep(MAP)
    assert main(["explain", str(log)]) == 0
    printed = capsys.readouterr()
    assert 'File "device/webpubsub/url.py", lines 10-20, in Link._recover' in printed.out
    assert printed.err == ""
    path = tmp_path / "map.json"
    path.write_text(MAP.to_json())
    log.write_text(OURS)
    for options in (["--map", str(path)], ["--build", MAP.stamp]):
        assert main(["explain", str(log), *options]) == 0
        assert "lines 10-20, in Link._recover" in capsys.readouterr().out


def test_the_command_reads_what_comes(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepare_sources(device_files()).map
    path = "device/webpubsub/client.py"
    ours = {each.name.rpartition(".")[2] for each in made.functions[path]}
    new = next(new for new, old in sorted(made.names.items()) if old in ours)
    title = next(title for title, source in made.files.items() if source == path)
    frame = f'  File "{title}", line 1, in {new}\r\n'
    stream = io.StringIO(f"{frame}[board] CP-7, build 0badc0de\n{frame}")
    monkeypatch.setattr("sys.stdin", stream)
    assert main(["explain"]) == 0
    printed = capsys.readouterr()
    first, _, last = printed.out.splitlines()
    # Without a build it is taken for what would be deployed now.
    assert first.startswith(f'  File "{path}", line')
    assert last == frame.rstrip(), "of that build there is no map"
    assert "build 0badc0de, of which there is no map here" in printed.err


def test_refusals(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    for words, text in (
        (["nowhere.txt"], "nowhere.txt: cannot be read"),
        (["--map", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--map", str(wrong)], "not a map that hubtool deploy has written"),
        (["--build", "0badc0de"], "no map of it on this computer"),
    ):
        assert main(["explain", *words]) == ExitCode.USER
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1


SCREEN = (
    "\r\nrst:0x1 (POWERON_RESET)\r\n[board] CP-7, settings generation 1\r\n"
    "[hub] text #17 ('host', 5)\r\n"
    + OURS.replace("\n", "\r\n")
    + "\r\nMicroPython v1.24.0 on 2024-10-25; \x1b[1mbold\x1b[0m\r\n>>> print('[' + 'x')\r\n"
    + "[x\r\n>>> ö: ümläut\r\n>>> "
)


def shown(data: bytes, cuts: list[int], translator: Translator) -> bytes:
    stream = ByteTranslator(translator)
    out = b""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        out += stream.feed(data[start:end])
    return out + stream.flush()


def test_a_stream_comes_through_however_it_is_cut() -> None:
    complete = explained(SCREEN.replace("\r", "")).replace("\n", "\r\n")
    if not complete.endswith(">>> "):
        complete += "\r\n"
    data, numbers = SCREEN.encode(), random.Random(5)
    translator = Translator(MAP, fixed=True)
    assert "lines 10-20, in Link._recover" in complete
    for size in (1, 2, 3, 7, 40):
        cuts = list(range(size, len(data), size))
        assert shown(data, cuts, translator).decode() == complete
    for _ in range(200):
        cuts = sorted(numbers.sample(range(1, len(data)), 6))
        assert shown(data, cuts, translator).decode() == complete


def test_bytes_that_are_no_text_are_shown_as_they_are() -> None:
    data = bytes(range(256)) * 3
    assert shown(data, [100, 300], Translator(MAP, fixed=True)) == data
    long = b'  File "' + b"x" * 5000 + b"\n"
    assert shown(long, [8, 4000], Translator(MAP, fixed=True)) == long


def test_what_is_typed_is_not_held_back() -> None:
    stream = ByteTranslator(Translator(MAP, fixed=True))
    assert stream.feed(b"\r\n>>> ") == b"\r\n>>> "
    for key in (b"i", b"m", b"p", b"o", b"r", b"t"):
        assert stream.feed(key) == key
    assert stream.feed(b"\r\n[hub] tex") == b"\r\n"
    assert stream.flush() == b"[hub] tex", "nothing more came for now"
    assert stream.feed(b"t #18 ()\r\n") == b"t #18 ()\r\n"
