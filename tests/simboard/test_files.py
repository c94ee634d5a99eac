"""The flash: files over the serial port, resets, lost power, and the file system seen outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from littlefs import LittleFS
from mpremote.transport_serial import SerialTransport
from simboard import SimulatedBoard, SimulatorError

Connect = Callable[[SimulatedBoard], SerialTransport]
Run = Callable[[SimulatedBoard, str], str]

REPLACE = """
import os
with open('/value.new', 'wb') as file:
    file.write(b'{letter}' * 3000)
os.rename('/value.new', '/value')
print('replaced')
"""


def host_view(flash: Path, offset: int = 0x200000, size: int = 0x200000) -> LittleFS:
    """The board's partition, mounted by littlefs-python with MicroPython's parameters."""
    fs = LittleFS(
        block_size=4096,
        block_count=size // 4096,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        mount=False,
    )
    fs.context.buffer[:] = flash.read_bytes()[offset : offset + size]
    fs.mount()
    return fs


def test_files_over_the_serial_port(board: SimulatedBoard, connect: Connect) -> None:
    content = bytes(range(256)) * 20
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=True)
    transport.fs_mkdir("/lib")
    transport.fs_writefile("/lib/data.bin", content, chunk_size=1024)
    assert bytes(transport.fs_readfile("/lib/data.bin", chunk_size=1024)) == content
    assert transport.fs_hashfile("/lib/data.bin", "sha256") == hashlib.sha256(content).digest()
    assert [entry.name for entry in transport.fs_listdir("/")] == ["boot.py", "lib"]
    assert transport.fs_stat("/lib/data.bin").st_size == len(content)
    with pytest.raises(FileNotFoundError):
        transport.fs_readfile("/absent")


def test_files_survive_resets_and_lost_power(board: SimulatedBoard, run: Run) -> None:
    run(board, "with open('/kept.txt', 'w') as f: f.write('kept')")
    port = board.port
    for stop in (board.reset, board.power_cut):
        stop()
        board.wait_for(">>> ")
        assert run(board, "print(open('/kept.txt').read())") == "kept\n"
    assert board.port == port
    assert board.restarts == ["reset_button", "power_cut"]


def test_flash_file_outlives_the_board(tmp_path: Path, run: Run) -> None:
    flash = tmp_path / "flash.bin"
    with SimulatedBoard(flash=flash) as board:
        board.wait_for("Performing initial setup")
        board.wait_for(">>> ")
        run(board, "with open('/a.txt', 'w') as f: f.write('from the board')")
    assert flash.stat().st_size == 4 * 1024 * 1024
    with host_view(flash).open("/a.txt", "r") as file:
        assert file.read() == "from the board"
    with SimulatedBoard(flash=flash) as board:
        board.wait_for(">>> ")
        assert "Performing initial setup" not in board.console
        assert run(board, "print(open('/a.txt').read())") == "from the board\n"


def test_code_comes_from_the_flash_only(board: SimulatedBoard, run: Run) -> None:
    program = f"""
import os, sys, vfs
print(sys.path, os.listdir('/'), os.listdir('/lib') if 'lib' in os.listdir('/') else 'no lib')
print(hasattr(os, 'system'), hasattr(vfs, 'VfsPosix'), hasattr(os, 'VfsPosix'))
import uos
print(hasattr(uos, 'getenv'))
try:
    open({__file__!r})
except OSError as error:
    print('host file:', error.errno)
"""
    assert run(board, program) == (
        "['', '.frozen', '/lib'] ['boot.py'] no lib\nFalse False False\nFalse\nhost file: 2\n"
    )


@pytest.mark.parametrize("torn", [False, True])
def test_power_cut_at_any_write_leaves_old_or_new(
    board: SimulatedBoard, connect: Connect, torn: bool
) -> None:
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=False)
    transport.exec(REPLACE.format(letter="a"))
    current, letters = b"a", iter("bcdefghijklmnopqrstuvwxyz")
    seen = set()
    for count in range(1, 60, 5):
        letter = next(letters)
        board.cut_power_at_write(count, torn=torn)
        cuts = board.restarts.count("power_cut")
        transport.exec_raw_no_follow(REPLACE.format(letter=letter))
        output = b""
        while not output.endswith(b"\x04\x04>") and board.restarts.count("power_cut") == cuts:
            output += transport.serial.read(max(1, transport.serial.in_waiting))
        done = b"replaced" in output
        if not done:
            board.wait_for(">>> ")
        transport.exit_raw_repl()
        transport.enter_raw_repl(soft_reset=False)
        assert board.restarts.count("power_cut") == cuts + (not done)
        found = bytes(transport.eval("open('/value', 'rb').read()"))
        assert found in (current * 3000, letter.encode() * 3000)
        if done:
            assert found == letter.encode() * 3000
        seen.add((done, found[:1] == letter.encode()))
        current = found[:1]
    assert (False, False) in seen
    assert (True, True) in seen


def test_flash_file_of_the_wrong_size(tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    flash.write_bytes(b"precious")
    with pytest.raises(SimulatorError, match="has 8 bytes, but the flash of 'simulated' has 4194"):
        SimulatedBoard(flash=flash)
    assert flash.read_bytes() == b"precious"
    with pytest.raises(SimulatorError, match="No such file or directory"):
        SimulatedBoard(flash=tmp_path / "absent" / "flash.bin")


def test_damaged_file_system_is_said_and_not_formatted(tmp_path: Path) -> None:
    flash = tmp_path / "flash.bin"
    flash.write_bytes(b"\xff" * 0x200000 + b"\x55" * 0x200000)
    with SimulatedBoard(flash=flash, timeout=30, wait=False) as board:
        board.wait_for("filesystem appears to be corrupted")
    assert flash.read_bytes()[0x200000:] == b"\x55" * 0x200000
