"""Device files on a simulated board: what is written, what is left alone, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hubtool.board.choice import find_board
from hubtool.board.deployment import (
    BUILD,
    STAMP,
    TEXTS,
    Payload,
    build_payload,
    check_firmware,
    plan_deploy,
    prepare,
)
from hubtool.board.files import BoardFiles, Identity, sha256
from hubtool.board.serial_link import SerialLink
from hubtool.device_build import Options, read_map
from hubtool.errors import DeviceRefused, HubtoolError
from hubtool.main import main
from hubtool.steps import Quiet, run_plan
from micropython_webpubsub.assets import DeviceFile, client_folder
from simboard.board import SimulatedBoard

OLD = Identity((1, 20, 0), 6, "ESP32_GENERIC", "esp32", "")


@pytest.fixture
def sources(tmp_path: Path) -> list[DeviceFile]:
    """A small distribution: two modules, boot.py and main.py."""
    for name, text in {
        "frames.py": "VALUE = 41\n",
        "settings.py": "from webpubsub.frames import VALUE\n\ndef f():\n    return VALUE + 1\n",
        "boot.py": "# boot\n",
        "main.py": "from firmware.settings import f\n\nprint('answer', f())\n",
    }.items():
        (tmp_path / name).write_text(text)
    return [
        DeviceFile(tmp_path / "frames.py", "/lib/webpubsub/frames.py", True),
        DeviceFile(tmp_path / "settings.py", "/lib/firmware/settings.py", True),
        DeviceFile(tmp_path / "boot.py", "/boot.py", False),
        DeviceFile(tmp_path / "main.py", "/main.py", False),
    ]


def deploy(files: BoardFiles, payloads: tuple[Payload, ...]) -> list[str]:
    """Deploy, and tell what was done."""
    results = run_plan(plan_deploy(files, payloads), Quiet())
    return [result.name for result in results if result.status == "done"]


def test_files_arrive_and_run(board: SimulatedBoard, sources: list[DeviceFile]) -> None:
    payloads = prepare(files=sources)
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        written = deploy(files, payloads)
        assert written == [
            "/lib/webpubsub/frames.mpy",
            "/lib/firmware/settings.mpy",
            STAMP,
            "/boot.py",
            "/main.py",
        ]
        found = files.hashes(item.path for item in payloads)
        assert found == {item.path: sha256(item.data) for item in payloads}
        assert not [name for name in files.names("/lib/webpubsub") if name.endswith(".tmp")]
        link.reset()
    board.wait_for("answer 42", 10)


def test_equal_files_are_not_written_again(
    files: BoardFiles, sources: list[DeviceFile], tmp_path: Path
) -> None:
    deploy(files, prepare(files=sources))
    assert deploy(files, prepare(files=sources)) == []
    (tmp_path / "frames.py").write_text("VALUE = 1\n")
    assert deploy(files, prepare(files=sources)) == ["/lib/webpubsub/frames.mpy"]


def test_the_day_of_the_deploy_goes_along_with_changes(
    files: BoardFiles, sources: list[DeviceFile], tmp_path: Path
) -> None:
    day = 1_800_000_000 // 86400 * 86400

    def payloads(days: int) -> tuple[Payload, ...]:
        return (*prepare(files=sources), build_payload(day + 86400 * days))

    assert BUILD in deploy(files, payloads(0))
    assert deploy(files, payloads(1)) == [], "one more day is no reason to write"
    (tmp_path / "frames.py").write_text("VALUE = 2\n")
    assert deploy(files, payloads(2)) == ["/lib/webpubsub/frames.mpy", BUILD]
    seen = files.link.evaluate("import firmware.build as b; print(b.DATE)", doing="asking")
    assert seen == day + 2 * 86400
    files.remove(BUILD)
    assert deploy(files, payloads(3)) == [BUILD]


@pytest.mark.parametrize("now", [0.0, 1e9, 4e9])
def test_a_clock_that_is_wrong_makes_no_date(files: BoardFiles, now: float) -> None:
    deploy(files, (build_payload(now),))
    code = "import firmware.build as b; print(b.DATE)"
    assert files.link.evaluate(code, doing="asking") == 0


def test_a_dry_run_says_what_became_of_the_board(
    board: SimulatedBoard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--port", board.port, "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("Deploying (dry run, nothing is written)\n")
    assert "Board reset" not in output
    assert output.splitlines()[-1].startswith("Nothing was written. Looking had stopped")


def test_sources_and_files_of_older_releases_go(
    files: BoardFiles, sources: list[DeviceFile]
) -> None:
    files.replace("/lib/webpubsub/frames.py", b"VALUE = 0\n")
    files.replace("/lib/webpubsub/retired.mpy", b"x")
    files.replace("/lib/webpubsub/half.mpy.tmp", b"x")
    files.replace("/lib/users_own.py", b"x")
    deploy(files, prepare(files=sources))
    assert files.names("/lib/webpubsub") == ["frames.mpy"]
    assert files.names("/lib") == ["users_own.py"]


def test_a_program_that_was_there_before_is_kept(
    files: BoardFiles, sources: list[DeviceFile]
) -> None:
    files.replace("/main.py", b"print('mine')\n")
    assert "/main.py" in deploy(files, prepare(files=sources))
    assert files.read("/main.py.before") == b"print('mine')\n"
    assert "boot.py.before" not in files.names("/"), "the stock boot.py holds comments only"
    files.replace("/main.py", b"print('changed by hand')\n")
    deploy(files, prepare(files=sources))
    assert files.read("/main.py.before") == b"print('mine')\n", "only the first time"


def test_app_goes_beside(board: SimulatedBoard, sources: list[DeviceFile], tmp_path: Path) -> None:
    app = tmp_path / "blink.py"
    app.write_text("print('app')\n")
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        files.replace("/app.mpy", b"old")
        deploy(files, prepare(app, sources))
        assert files.read("/app.py") == b"print('app')\n"
        assert "app.mpy" not in files.names("/")


def test_a_syntax_error_is_told_before_anything_is_written(
    board: SimulatedBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = tmp_path / "app.py"
    app.write_text("import time\n\ndef f(:\n    pass\n")
    before = board.flash.read_bytes()
    assert main(["deploy", "--port", board.port, "--app", str(app)]) == 1
    error = capsys.readouterr().err
    assert f"{app}:3: SyntaxError" in error
    assert error.count("\n") == 1
    assert board.flash.read_bytes() == before
    assert board.restarts == [], "the board was not even interrupted"


def test_missing_app(board: SimulatedBoard, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--port", board.port, "--app", "nowhere.py"]) == 1
    assert "nowhere.py: no such file" in capsys.readouterr().err


def test_old_firmware_is_refused() -> None:
    with pytest.raises(DeviceRefused, match=r"1\.20\.0 is too old, 1\.23 or later"):
        check_firmware(OLD, find_board(OLD), ())


def test_other_bytecode_is_refused(sources: list[DeviceFile]) -> None:
    identity = Identity((1, 30, 0), 7, "ESP32_GENERIC", "esp32", "")
    with pytest.raises(DeviceRefused, match="loads bytecode version 7"):
        check_firmware(identity, find_board(identity), prepare(files=sources))


def test_an_unknown_build_asks_for_a_board_file() -> None:
    with pytest.raises(HubtoolError, match=r"'HOMEBREW'.*--board \(.*esp32_generic"):
        find_board(Identity((1, 25, 0), 6, "HOMEBREW", "esp32", ""))
    assert find_board(OLD, "esp32_generic").id == "esp32_generic"
    with pytest.raises(HubtoolError, match="unknown board"):
        find_board(OLD, "esp33")


def test_firmware_that_tells_no_build_is_too_old() -> None:
    with pytest.raises(DeviceRefused, match=r"1\.19\.1 is too old, 1\.23 or later"):
        find_board(Identity((1, 19, 1), 6, "", "esp32", ""))


def test_the_simulated_board_is_known(files: BoardFiles) -> None:
    identity = files.identity()
    assert identity.bytecode == 6
    assert find_board(identity).id == "simulated"


def test_a_full_flash_is_told(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        link.run("f = open('/big', 'wb')\nfor _ in range(400): f.write(bytes(4096))\nf.close()")
        with pytest.raises(DeviceRefused, match="file system is full"):
            files.write("/more", bytes(512 * 1024))


def test_unplugged_at_any_time_a_second_run_completes(
    board: SimulatedBoard,
    sources: list[DeviceFile],
    pull_after: Callable[[SimulatedBoard, SerialLink, int], None],
) -> None:
    payloads = prepare(files=sources)
    for steps_before in range(0, 20, 3):
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            for name in ("/main.py", "/lib/webpubsub/frames.mpy", "/lib/firmware/settings.mpy"):
                files.remove(name)
            before = files.hashes(item.path for item in payloads)
            plan = plan_deploy(files, payloads)
            pull_after(board, link, steps_before)
            with pytest.raises(DeviceRefused, match="lost the board"):
                run_plan(plan, Quiet())
        board.plug()
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            wanted = {item.path: sha256(item.data) for item in payloads}
            for path, digest in files.hashes(wanted).items():
                assert digest in (before[path], wanted[path]), f"half of {path}"
            deploy(files, payloads)
            assert files.hashes(wanted) == wanted


def test_texts_are_never_there_with_other_code(
    board: SimulatedBoard,
    tmp_path: Path,
    pull_after: Callable[[SimulatedBoard, SerialLink, int], None],
) -> None:
    """However a deploy is interrupted, what can be read was written for the code that reads it."""
    sources = [
        DeviceFile(client_folder() / "texts.py", "/lib/webpubsub/texts.py", True),
        DeviceFile(tmp_path / "one.py", "/lib/webpubsub/one.py", True),
        DeviceFile(tmp_path / "two.py", "/lib/webpubsub/two.py", True),
    ]

    def release(word: str) -> tuple[Payload, ...]:
        for name in ("one", "two"):
            # A word of a string keeps its name.
            source = f'WORDS = "f"\ndef f(x):\n    return "a text of {word} in {name}: %s" % x\n'
            (tmp_path / f"{name}.py").write_text(source)
        return prepare(files=sources)

    releases = [release("the first release"), release("the other release")]
    about = [item.path for item in releases[0] if item.about_code]
    assert about == [TEXTS, STAMP]
    with SerialLink.open(board.port) as link:
        deploy(BoardFiles(link), releases[0])
    interrupted = 0
    for steps_before in range(0, 60, 2):
        new, old = releases[1], releases[0]
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            deploy(files, old)
            plan = plan_deploy(files, new)
            assert [step.name for step in plan.pending][:2] == about, "away first"
            pull_after(board, link, steps_before)
            try:
                run_plan(plan, Quiet())
            except DeviceRefused:
                interrupted += 1
        board.plug()
        with SerialLink.open(board.port) as link:
            files = BoardFiles(link)
            found = files.hashes(item.path for item in new)
            for each in (TEXTS, STAMP):
                if found[each] is not None:
                    hashes = [
                        all(
                            found[item.path] == sha256(item.data)
                            for item in one
                            if item.path not in about
                        )
                        for one in (old, new)
                    ]
                    wanted = [next(i.data for i in one if i.path == each) for one in (old, new)]
                    assert hashes[[sha256(data) for data in wanted].index(found[each])]
        if not interrupted:
            break
    assert interrupted > 5
    with SerialLink.open(board.port) as link:
        files = BoardFiles(link)
        deploy(files, releases[1])
        asked = "import webpubsub.one as o; print(repr(o.f(7)))"
        assert link.evaluate(asked, doing="asking") == "a text of the other release in one: 7"


def test_a_changed_comment_changes_the_stamp_only(
    files: BoardFiles, sources: list[DeviceFile], tmp_path: Path
) -> None:
    deploy(files, prepare(files=sources))
    text = (tmp_path / "settings.py").read_text()
    (tmp_path / "settings.py").write_text("# why\n" + text)
    # The lines of its functions have moved: tracebacks need another map.
    assert deploy(files, prepare(files=sources)) == [STAMP, STAMP]


def test_plain_and_built_take_each_other_s_place(
    files: BoardFiles, sources: list[DeviceFile]
) -> None:
    deploy(files, prepare(files=sources))
    assert "build.txt" in files.names("/lib/firmware")
    deploy(files, prepare(files=sources, options=Options(plain=True)))
    assert files.names("/lib/firmware") == ["settings.mpy"]
    lines = prepare(files=sources, options=Options(lines=True))
    assert "/lib/firmware/settings.mpy" in deploy(files, lines)


def test_the_command_keeps_the_map(
    board: SimulatedBoard,
    monkeypatch: pytest.MonkeyPatch,
    sources: list[DeviceFile],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "builds"
    monkeypatch.setattr("hubtool.device_build.maps.folder", lambda: kept)
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    path = tmp_path / "map.json"
    words = ["deploy", "--port", board.port, "--no-reset"]
    assert main([*words, "--dry-run", "--map", str(path)]) == 0
    assert not kept.exists(), "nothing was written"
    stamp = read_map(path).stamp
    assert main(words) == 0
    assert [file.name for file in kept.iterdir()] == [f"{stamp}.json"]
    with SerialLink.open(board.port) as link:
        assert BoardFiles(link).read(STAMP) == stamp.encode()
    assert main([*words, "--map", str(tmp_path / "nowhere" / "map.json")]) == 1
    assert "cannot be written: No such file or directory: name another" in capsys.readouterr().err


def test_dry_run_writes_nothing(
    board: SimulatedBoard,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sources: list[DeviceFile],
) -> None:
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    assert main(["deploy", "--port", board.port, "--dry-run", "--no-reset"]) == 0
    output = capsys.readouterr().out
    assert "nothing is written" in output
    assert "write /lib/webpubsub/frames.mpy" in output
    with SerialLink.open(board.port) as link:
        assert BoardFiles(link).names("/lib/webpubsub") == []


def test_the_command_deploys_and_resets(
    board: SimulatedBoard,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sources: list[DeviceFile],
) -> None:
    monkeypatch.setattr("hubtool.board.deployment.device_files", lambda: sources)
    assert main(["deploy", "--port", board.port]) == 0
    board.wait_for("answer 42", 10)
    assert "/main.py:" in capsys.readouterr().out
    assert main(["deploy", "--port", board.port, "--json"]) == 0
    assert '"status": "unchanged"' in capsys.readouterr().out
