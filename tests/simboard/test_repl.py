"""mpremote's own serial transport on a board: the REPLs, resets and interrupts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial
import simboard.interpreter
from mpremote.transport_serial import SerialTransport, TransportExecError
from simboard import SimulatedBoard

Connect = Callable[[SimulatedBoard], SerialTransport]

BUSY = b"""
import asyncio
async def main():
    n = 0
    while True:
        print("tick", n)
        n += 1
        await asyncio.sleep(0.05)
asyncio.run(main())
"""


def install(transport: SerialTransport, name: str, content: bytes) -> None:
    transport.enter_raw_repl(soft_reset=False)
    transport.fs_writefile(name, content)
    transport.exit_raw_repl()


@pytest.mark.parametrize("soft_reset", [True, False])
def test_raw_repl_from_the_prompt(
    board: SimulatedBoard, connect: Connect, soft_reset: bool
) -> None:
    transport = connect(board)
    for number in range(3):
        transport.enter_raw_repl(soft_reset=soft_reset)
        assert transport.eval(f"{number} + 40") == number + 40
        transport.exit_raw_repl()
    assert board.restarts == ["soft_reset"] * (3 if soft_reset else 0)


@pytest.mark.parametrize("soft_reset", [True, False])
def test_raw_repl_from_a_busy_main(
    board: SimulatedBoard, connect: Connect, soft_reset: bool
) -> None:
    transport = connect(board)
    install(transport, "/main.py", BUSY)
    board.reset()
    for _ in range(3):
        board.wait_for("tick 3")
        transport.enter_raw_repl(soft_reset=soft_reset)
        assert transport.eval("'n' in globals()") is False
        transport.exec("import machine")
        transport.exec_raw_no_follow("machine.reset()")
        transport.read_until(1, b"rst:0xc", timeout=10)


def test_soft_reset_runs_boot_py_only_and_then_both(
    board: SimulatedBoard, connect: Connect
) -> None:
    transport = connect(board)
    install(transport, "/boot.py", b"print('this is boot', __name__)\nbooted = 1\n")
    install(transport, "/main.py", b"print('this is main', booted)\n")
    transport.enter_raw_repl(soft_reset=True)
    board.wait_for("this is boot __main__")
    assert transport.eval("booted") == 1
    assert "this is main" not in board.console
    transport.exit_raw_repl()
    transport.serial.write(b"\x04")
    board.wait_for("MPY: soft reboot")
    board.wait_for("this is boot")
    board.wait_for("this is main 1")
    board.wait_for(">>> ")


def test_lines_end_as_on_a_board(board: SimulatedBoard, connect: Connect) -> None:
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=False)
    assert transport.exec("print('a');print('b\\r\\nc')") == b"a\r\nb\r\nc\r\n"


def test_ctrl_c_stops_running_code_and_only_that(board: SimulatedBoard) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        for _ in range(5):
            port.write(b"\x03\x03")
        port.write(b"while True: pass\r\r")
        time.sleep(0.3)
        port.write(b"\x03")
        board.wait_for("KeyboardInterrupt")
        port.write(b"import time\rtime.sleep(60)\r")
        board.wait_for("sleep(60)")
        time.sleep(0.1)
        port.write(b"\x03\x03\x03")
        board.wait_for("KeyboardInterrupt")
        port.write(b"print('still', 'here')\r")
        board.wait_for("still here\n")
    assert board.restarts == []


def test_ctrl_c_where_only_the_output_shows_what_the_board_does(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, which has no /proc."""
    monkeypatch.setattr(simboard.interpreter, "PROC", Path("/nowhere"))
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x03")
        board.wait_for(">>> ")
        for line in (b"while True: pass\r\r", b"import time; time.sleep(60)\r"):
            port.write(line)
            time.sleep(0.5)
            port.write(b"\x03")
            board.wait_for("KeyboardInterrupt")
            board.wait_for(">>> ")
    assert board.restarts == []


def test_exceptions_reach_the_host(board: SimulatedBoard, connect: Connect) -> None:
    transport = connect(board)
    transport.enter_raw_repl()
    with pytest.raises(TransportExecError, match="ZeroDivisionError"):
        transport.exec("1/0")


def test_sys_exit_is_a_soft_reset(board: SimulatedBoard, connect: Connect) -> None:
    transport = connect(board)
    install(transport, "/main.py", b"import sys\nprint('leaving')\nsys.exit()\n")
    started = time.monotonic()
    transport.serial.write(b"\x04")
    for _ in range(3):
        board.wait_for("leaving")
        board.wait_for("MPY: soft reboot")
    assert time.monotonic() - started > 1
    transport.enter_raw_repl(soft_reset=False)
    transport.fs_rmfile("/main.py")
