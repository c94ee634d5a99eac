"""A board as a thing on a desk: cables, listeners, heap, other boards, and how it goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from simboard import SimulatedBoard, SimulatorError

from tests.simboard.interrupts import interrupt_writing, probe

Connect = Callable[[SimulatedBoard], SerialTransport]
Run = Callable[[SimulatedBoard, str], str]


def descriptors() -> set[str]:
    """The open descriptors of this process, by number and target."""
    folder = Path("/proc/self/fd")
    found = set()
    for entry in folder.iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except OSError:  # the descriptor of the listing itself
            continue
    return found


def children() -> list[int]:
    """Processes that we started and that still exist."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def wait_until(condition: Callable[[], bool], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows processes and descriptors")
def test_close_leaves_nothing_behind() -> None:
    SimulatedBoard().close()  # the first one leaves compiled modules, for all that follow
    before = descriptors(), set(children()), threading.active_count()
    board = SimulatedBoard()
    board.wait_for(">>> ")
    board.reset()
    board.wait_for(">>> ")
    board.unplug()
    board.plug()
    assert set(children()) - before[1]
    board.close()
    board.close()
    assert (descriptors(), set(children()), threading.active_count()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows processes")
@pytest.mark.parametrize("hangup", ["SIG_DFL", "SIG_IGN"])
def test_no_orphan_when_the_supervisor_is_killed(hangup: str) -> None:
    """The board's code is a loop that never looks at anything: only the kernel can end it.

    hangup: what becomes of SIGHUP in the supervisor; `nohup` ignores it.
    """
    program = f"""
import serial, signal, sys
from simboard import SimulatedBoard
signal.signal(signal.SIGHUP, signal.{hangup})
board = SimulatedBoard()
board.wait_for(">>> ")
with serial.Serial(board.port) as port:
    port.write(b"while True: pass\\r\\r")
    board.wait_for("pass")
    print(board._supervisor._child.pid, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        supervisor.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid))


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_two_boards_at_once(run: Run) -> None:
    with SimulatedBoard(name="one") as one, SimulatedBoard(name="two") as two:
        assert one.port != two.port
        for board in (one, two):
            board.wait_for(">>> ")
        run(one, "f = open('/who', 'w'); f.write('one'); f.close()")
        run(two, "f = open('/who', 'w'); f.write('two'); f.close()")
        one.reset()
        one.wait_for(">>> ")
        assert run(one, "print(open('/who').read())") == "one\n"
        assert run(two, "print(open('/who').read())") == "two\n"
        assert two.restarts == []


def test_heap_is_the_boards(board: SimulatedBoard, run: Run) -> None:
    size = board.board.heap.sim_heap
    free = int(run(board, "import gc; gc.collect(); print(gc.mem_free())"))
    assert 0.95 * size < free < size
    program = "try:\n b = bytearray({0})\n print('fits')\nexcept MemoryError:\n print('too big')"
    assert run(board, program.format(size // 2)) == "fits\n"
    assert run(board, "b = None\n" + program.format(size)) == "too big\n"
    hoard = """
kept = []
try:
    while True:
        kept.append(bytes(1000))
except MemoryError:
    n = len(kept); kept = None; print(n)
"""
    assert 0.9 * size < 1000 * int(run(board, hoard)) < size


def test_nobody_listening_does_not_stop_the_board(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"for i in range(20000): print('line', i)\r\r")
    board.wait_for("line 19999\n", 30)
    with serial.Serial(board.port, timeout=5) as port:
        port.reset_input_buffer()
        port.write(b"print('fresh')\r")
        assert port.read_until(b"fresh\r\n").endswith(b"fresh\r\n")


def test_listener_that_does_not_read_does_not_stop_the_board(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"for i in range(60000): print('line', i)\r\r")
        board.wait_for("line 59999\n", 30)
        assert b"line 10\r\n" in port.read(1000)


def test_console_is_bounded(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"for i in range(5000): print('x' * 100)\r\r\r")
        port.write(b"print('the', 'end')\r")
        board.wait_for("the end\n", 30)
    assert len(board.console) == 256 * 1024


def test_interrupts_leave_the_file_system_whole(board: SimulatedBoard, connect: Connect) -> None:
    """Ctrl-C at any moment, then the soft reset with which each tool begins.

    MicroPython for unix without threads, as PyPI has it, raises KeyboardInterrupt in the signal
    handler: that unwinds littlefs, too, and leaves its state in RAM as it was in the middle of a
    write, as a power cut does with the flash. The model of the chip raises as a board does.
    """
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=True)
    for number in range(20):
        interrupt_writing(transport, 0.003 * number)
        transport.enter_raw_repl(soft_reset=True)
        probe(transport, number)


def test_interpreter_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    """The MICROPYTHON variable names any unix binary; here, PyPI's command."""
    program = tmp_path / "micropython"
    program.symlink_to(Path(sys.executable).with_name("micropython"))
    monkeypatch.setenv("MICROPYTHON", str(program))
    with SimulatedBoard() as board:
        board.wait_for(">>> ")
        assert str(program) in " ".join(_command_line(board))
        assert run(board, "print(6 * 7)") == "42\n"


def _command_line(board: SimulatedBoard) -> list[str]:
    return Path(f"/proc/{board.pid}/cmdline").read_text().split("\0")


def test_interrupt_and_output_in_flood(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"while True: print('flood')\r\r")
        board.wait_for("flood\nflood\n")
        port.write(b"\x03")
        board.wait_for("KeyboardInterrupt")
        board.wait_for(">>> ")
    assert board.restarts == []


def test_unplugging_in_mid_write_is_an_error_for_the_writer(
    board: SimulatedBoard, connect: Connect
) -> None:
    transport = connect(board)
    transport.enter_raw_repl()
    transport.fs_writefile("/before", b"before")
    pulled = []

    def pull(written: int, total: int) -> None:
        if written > total // 3 and not pulled:
            board.unplug()
            pulled.append(written)

    with pytest.raises((OSError, TransportError)):
        transport.fs_writefile("/during", b"d" * 20000, chunk_size=512, progress_callback=pull)
    with pytest.raises(SimulatorError, match="unplugged"):
        board.port  # noqa: B018
    board.plug()
    board.wait_for(">>> ")
    assert board.restarts == ["soft_reset", "power_cut"]
    again = connect(board)
    again.enter_raw_repl()
    assert bytes(again.fs_readfile("/before")) == b"before"


def test_reader_of_an_unplugged_board_gets_an_error(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=10) as port:
        timer = threading.Timer(0.2, board.unplug)
        timer.start()
        with pytest.raises(OSError):  # noqa: PT011 - pyserial's text is its own
            port.read(10)
        timer.join(10)


def test_board_with_its_own_supply_runs_on(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"import time\r")
        port.write(b"for i in range(200): print('n', i); time.sleep_ms(10)\r\r")
        board.wait_for("n 5\n")
        board.unplug(keep_power=True)
    board.wait_for("n 20\n")
    board.plug()
    with serial.Serial(board.port, timeout=5) as port:
        assert b"n " in port.read(10)
    assert board.restarts == []


@pytest.mark.skipif(sys.platform != "linux", reason="kills the interpreter by its process id")
def test_crash_of_the_interpreter_is_a_reboot(board: SimulatedBoard) -> None:
    assert board.pid
    os.kill(board.pid, signal.SIGSEGV)
    board.wait_for("MicroPython was ended by SIGSEGV")
    board.wait_for(">>> ")
    assert board.restarts == ["crash"]


def test_wait_for_says_what_came_instead(board: SimulatedBoard) -> None:
    with pytest.raises(TimeoutError, match="did not write 'never'"):
        board.wait_for("never", 0.05)


def test_what_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"unknown board 'moon': use one of .*simulated"):
        SimulatedBoard("moon")
    monkeypatch.setenv("MICROPYTHON", str(tmp_path / "absent"))
    with pytest.raises(SimulatorError, match="is not a program that can be run"):
        SimulatedBoard()
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'wrong architecture'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("MICROPYTHON", str(broken))
    with pytest.raises(SimulatorError, match="did not start: wrong architecture"):
        SimulatedBoard()
    monkeypatch.delenv("MICROPYTHON")
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SimulatorError, match="need Linux or macOS"):
        SimulatedBoard()
