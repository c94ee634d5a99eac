"""Ports that come and go, as native USB does at each reset; and boards named by their number."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hubtool.board import ports, recent_ports
from hubtool.board.monitoring import Monitor
from hubtool.board.serial_link import SerialLink
from hubtool.errors import ExitCode, NoDevice
from hubtool.main import main
from simboard.board import SimulatedBoard

AWAY = 1.2


class NativeUsb:
    """A board whose port goes away when it is told to, and comes back under the same name."""

    def __init__(self, board: SimulatedBoard, folder: Path) -> None:
        self.board = board
        # A pseudo-terminal that comes back may have another number.
        self.port = str(folder / "ttyACM0")
        os.symlink(board.port, self.port)

    def vanish(self, seconds: float = AWAY) -> threading.Thread:
        """Go away at once, and come back after a time."""
        os.unlink(self.port)
        self.board.unplug(keep_power=True)

        def come_back() -> None:
            time.sleep(seconds)
            self.board.plug()
            os.symlink(self.board.port, self.port)

        thread = threading.Thread(target=come_back)
        thread.start()
        return thread

    @contextmanager
    def vanishing_at_resets(self) -> Iterator[None]:
        """Go away for a while at each reset."""
        stop = threading.Event()

        def watch() -> None:
            seen = len(self.board.restarts)
            while not stop.wait(0.01):
                if "reset" in self.board.restarts[seen:]:
                    self.vanish().join()
                seen = len(self.board.restarts)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def usb(board: SimulatedBoard, tmp_path: Path) -> NativeUsb:
    return NativeUsb(board, tmp_path)


def test_the_documented_loop_on_native_usb(
    usb: NativeUsb, settings_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with usb.vanishing_at_resets():
        for _ in range(3):
            assert main(["configure", "--port", usb.port, str(settings_path)]) == 0
            time.sleep(0.1)  # the next one finds no port
    assert "gone for the moment: waiting up to 10 s" in capsys.readouterr().err


def test_a_port_that_is_lost_on_the_way_to_the_prompt_is_waited_for(
    usb: NativeUsb, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SerialLink.interrupt
    away: list[threading.Thread] = []

    def lose(self: SerialLink, *rest: object) -> object:
        if not away:
            away.append(usb.vanish())
        return real(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SerialLink, "interrupt", lose)
    with SerialLink.open(usb.port) as link:
        assert link.run("print(7)").strip() == "7"
    away[0].join()


def test_the_monitor_waits_for_it_too(usb: NativeUsb) -> None:
    with SerialLink.open(usb.port):
        pass
    thread = usb.vanish()
    monitor = Monitor(usb.port, lambda _data: None, lambda _text: None)
    monitor.open()
    monitor.stop()
    monitor.read_for_ever()
    thread.join()


def test_a_port_that_was_never_there_is_not_waited_for() -> None:
    started = time.monotonic()
    with pytest.raises(NoDevice):
        SerialLink.open("/dev/ttyACM77")
    assert time.monotonic() - started < 1


def test_a_port_that_stays_away_is_given_up(
    usb: NativeUsb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recent_ports, "PATIENCE", 0.5)
    with SerialLink.open(usb.port):
        pass
    thread = usb.vanish(2.0)
    with pytest.raises(NoDevice, match="no such port"):
        SerialLink.open(usb.port)
    assert capsys.readouterr().err.count("gone for the moment") == 1
    thread.join()
    # Nothing is waited for that was there long ago.
    monkeypatch.setattr(recent_ports, "RECENT", 0.0)
    os.unlink(usb.port)
    with pytest.raises(NoDevice, match="no such port"):
        SerialLink.open(usb.port)
    assert capsys.readouterr().err == ""


def test_where_nothing_can_be_kept_nothing_is_waited_for(
    usb: NativeUsb, state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_folder.write_text("a file, not a folder")
    with SerialLink.open(usb.port) as link:
        assert link.run("print(1)").strip() == "1"


def test_silence_while_looking_for_the_prompt_is_broken(
    pseudo_terminal: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hubtool.board.serial_link.TELL_EVERY", 0.5)
    with pytest.raises(Exception, match="nothing answers"):
        SerialLink.open(pseudo_terminal, deadline=6.0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all("no prompt yet: waiting on, for up to" in line for line in lines)


class Found:
    def __init__(self, device: str, number: str | None) -> None:
        self.device, self.serial_number = device, number
        self.vid, self.pid, self.description = 0x303A, 0x1001, "USB JTAG/serial debug unit"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("serial:0001", "/dev/does-not-exist-1: no such port"),
        ("id:0001", "/dev/does-not-exist-1: no such port"),
        ("mac:02:00:00:00:00:01", "/dev/does-not-exist-2: no such port"),
        ("mac:020000000001", "/dev/does-not-exist-2: no such port"),
        ("mac:02-00-00-00-00-99", "mac:02-00-00-00-00-99: no board with this number on USB"),
        ("serial:twice", "several boards have this number: name a port (/dev/a, /dev/b)"),
        ("serial:", "write the number behind the colon, such as serial:0001"),
    ],
)
def test_a_board_by_its_number(
    named: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Found("/dev/does-not-exist-1", "0001"),
        Found("/dev/does-not-exist-2", "02:00:00:00:00:01"),
        Found("/dev/a", "twice"),
        Found("/dev/b", "twice"),
        Found("/dev/c", None),
    ]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: found)
    assert main(["deploy", "--port", named]) in (ExitCode.USER, ExitCode.NO_DEVICE)
    assert said in capsys.readouterr().err


def test_the_only_board_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = [0]

    def comports() -> list[Found]:
        looks[0] += 1
        return [] if looks[0] < 4 else [Found("/dev/does-not-exist-3", "0003")]

    monkeypatch.setattr(ports.list_ports, "comports", comports)
    assert main(["deploy"]) == ExitCode.NO_DEVICE
    assert (looks[0], "no board found" in capsys.readouterr().err) == (1, True)
    recent_ports.note("/dev/does-not-exist-3")
    monkeypatch.setattr(recent_ports, "PATIENCE", 1.0)
    assert main(["deploy"]) == ExitCode.NO_DEVICE
    assert "the board: gone for the moment" in capsys.readouterr().err


def test_json_tells_which_board_it_was(
    board: SimulatedBoard, settings_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = settings_path.read_text().replace('query = { id = "CP-7" }', "")
    settings_path.write_text(text)
    words = ["configure", "--json", "--port", board.port, "--id", "CP-9", str(settings_path)]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["port"] == board.port
    assert document["device"] == "CP-9"
    assert len(document["unique_id"]) == 12
    assert document["micropython"].startswith("1.")
    assert list(document)[-1] == "steps"
    # Which board refused is of interest, too.
    assert main(["deploy", "--json", "--port", board.port, "--board", "esp32_generic"]) in (0, 4)
    document = json.loads(capsys.readouterr().out)
    assert (document["port"], len(document["unique_id"])) == (board.port, 12)
