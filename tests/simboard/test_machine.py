"""The fake `machine`, `time`, `esp32`, `os` and `sys`, through the REPL of a board."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import serial
from simboard import SimulatedBoard
from simboard.timeserver import TimeServer

Run = Callable[[SimulatedBoard, str], str]

CAUSE = "import machine; print([n for n in dir(machine) if n.endswith('_RESET') and " + (
    "getattr(machine, n) == machine.reset_cause()])"
)


def leave(board: SimulatedBoard, line: str) -> None:
    """Type a line that ends this life of the board, and wait for the next one's prompt."""
    with serial.Serial(board.port, timeout=5) as port:
        port.write(line.encode() + b"\r")
        board.wait_for(re.compile(r"rst:0x|MPY: soft reboot"))
        board.wait_for(">>> ")


@pytest.mark.parametrize(
    ("line", "name", "cause"),
    [
        ("import machine; machine.reset()", "reset", "HARD_RESET"),
        ("import machine; machine.soft_reset()", "soft_reset", "SOFT_RESET"),
        ("import machine; machine.deepsleep(50)", "deepsleep", "DEEPSLEEP_RESET"),
        ("import machine; machine.WDT(timeout=200)", "watchdog", "WDT_RESET"),
        ("import sys; sys.exit()", "soft_reset", "SOFT_RESET"),
    ],
)
def test_restarts_and_their_causes(
    board: SimulatedBoard, run: Run, line: str, name: str, cause: str
) -> None:
    assert run(board, CAUSE) == "['PWRON_RESET']\n"
    leave(board, line)
    assert board.restarts == [name]
    assert run(board, CAUSE) == f"['{cause}']\n"


def test_reset_cannot_be_caught(board: SimulatedBoard, run: Run) -> None:
    with serial.Serial(board.port, timeout=5) as port:
        port.write(b"\x05import machine\rtry:\r    machine.reset()\rfinally:\r")
        port.write(b"    print('no', 'finally')\r\x04")
        board.wait_for("rst:0xc")
        board.wait_for(">>> ")
    assert "no finally" not in board.console


def test_watchdog_that_is_fed_does_not_bite(board: SimulatedBoard, run: Run) -> None:
    program = (
        "import machine, time\nw = machine.WDT(timeout=1500)\n"
        "for _ in range(20):\n time.sleep_ms(100)\n w.feed()\nprint('alive')"
    )
    assert run(board, program) == "alive\n"
    assert board.restarts == []
    board.wait_for("rst:0x8 (TG1WDT_SYS_RESET)")


def test_watchdog_goes_on_over_a_soft_reset(board: SimulatedBoard) -> None:
    leave(board, "import machine; w = machine.WDT(timeout=1500); machine.soft_reset()")
    board.wait_for("rst:0x8 (TG1WDT_SYS_RESET)")
    assert board.restarts == ["soft_reset", "watchdog"]


def test_clock_is_unset_and_counts_from_2000(board: SimulatedBoard, run: Run) -> None:
    program = """
import time, machine
print(time.gmtime(0), time.mktime((2000, 1, 2, 0, 0, 0, 0, 0)), time.gmtime()[:3])
print(type(time.time()), 0 <= time.time() < 60, time.localtime(86400))
machine.RTC().datetime((2026, 7, 6, 0, 12, 30, 0, 0))
print(time.gmtime()[:5], machine.RTC().datetime()[:6])
"""
    assert run(board, program) == (
        "(2000, 1, 1, 0, 0, 0, 5, 1) 86400 (2000, 1, 1)\n"
        "<class 'int'> True (2000, 1, 2, 0, 0, 0, 6, 2)\n"
        "(2026, 7, 6, 12, 30) (2026, 7, 6, 0, 12, 30)\n"
    )
    year = "import time; print(time.gmtime()[0])"
    for line in ("import machine; machine.reset()", "\x04"):
        leave(board, line)
        assert run(board, year) == "2026\n"
    board.power_cut()
    board.wait_for(">>> ")
    assert run(board, year) == "2000\n"


def test_board_takes_the_time_from_a_time_server(board: SimulatedBoard, run: Run) -> None:
    """What `ntptime` does, with the module's own arithmetic for a 2000 epoch."""
    with TimeServer() as server:
        host, _, port = server.address.partition(":")
        program = f"""
import socket, time, machine
request = bytearray(48)
request[0] = 0x1B
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(request, socket.getaddrinfo({host!r}, {port})[0][-1])
answer = s.recv(48)
now = time.gmtime(int.from_bytes(answer[40:44], 'big') - 3155673600)
machine.RTC().datetime(now[:3] + (now[6],) + now[3:6] + (0,))
print(time.time())
"""
        seconds = int(run(board, program))
    start = datetime(2000, 1, 1, tzinfo=UTC)
    assert abs(seconds - (datetime.now(UTC) - start).total_seconds()) < 10


def test_asyncio_keeps_time(board: SimulatedBoard, run: Run) -> None:
    program = """
import asyncio, time
async def main():
    start = time.ticks_ms()
    await asyncio.sleep_ms(100)
    try:
        await asyncio.wait_for_ms(asyncio.Event().wait(), 100)
    except asyncio.TimeoutError:
        print(time.ticks_diff(time.ticks_ms(), start) >= 199)
asyncio.run(main())
"""
    assert run(board, program) == "True\n"


def test_rtc_memory_and_nvs(board: SimulatedBoard, run: Run) -> None:
    run(
        board,
        "import machine, esp32\nmachine.RTC().memory(b'\\x00slept')\n"
        "n = esp32.NVS('app'); n.set_i32('count', -7)\n"
        "n.set_blob('key', b'\\xff\\x00'); n.commit()\n"
        "n.set_i32('lost', 1)",
    )
    program = """
import machine, esp32
n = esp32.NVS('app'); buffer = bytearray(8)
print(machine.RTC().memory(), n.get_i32('count'), n.get_blob('key', buffer), buffer[:2])
for key in ('lost', 'key'):
    try:
        n.get_i32(key)
    except OSError as error:
        print(error.errno)
"""
    leave(board, "import machine; machine.deepsleep(10)")
    missing = "-4354\n-4354\n"
    assert run(board, program) == "b'\\x00slept' -7 2 bytearray(b'\\xff\\x00')\n" + missing
    board.power_cut()
    board.wait_for(">>> ")
    assert run(board, program) == "b'' -7 2 bytearray(b'\\xff\\x00')\n" + missing


def test_identity(board: SimulatedBoard, run: Run) -> None:
    program = """
import os, sys, machine, network
print(sys.platform, os.uname().sysname, sys.implementation.name, sys.implementation._mpy & 255)
print(len(machine.unique_id()), machine.unique_id() == network.WLAN().config('mac'))
print(machine.Pin(2, machine.Pin.OUT, value=1).value(), machine.Pin(2)(), machine.freq())
"""
    assert run(board, program) == ("esp32 esp32 micropython 6\n6 True\n1 1 160000000\n")
    mine = run(board, "print(__import__('machine').unique_id())")
    with SimulatedBoard(name="another") as other:
        assert run(other, "print(__import__('machine').unique_id())") != mine
