"""Simulated boards on the model of the chip."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime

import pytest
import trustme
from simboard import SimulatedBoard, SimulatorError
from simboard.chip import places

from tests.simboard.chip_bench import server, tls_server
from tests.simboard.interrupts import interrupt_writing, probe
from tests.support import chip_model

needs_chip = pytest.mark.skipif(not chip_model.NAMES, reason=chip_model.WHY_NOT)
MEASURE = """
import gc, esp32
def free(): return sum(region[1] for region in esp32.idf_heap_info(esp32.HEAP_DATA))
def largest(): return max(region[2] for region in esp32.idf_heap_info(esp32.HEAP_DATA))
def heap(): return gc.mem_alloc() + gc.mem_free() - largest()
"""
JOIN = """
import network, time
station = network.WLAN(network.STA_IF)
station.active(True)
station.connect("simulated", "simulated")
while not station.isconnected(): time.sleep_ms(20)
"""


@pytest.fixture(params=list(chip_model.VERSIONS) or ["newest"])
def board(request):
    """A board at its prompt, on each version that is built."""
    with SimulatedBoard(chip=request.param) as fresh:
        fresh.wait_for(">>> ")
        yield fresh


@pytest.fixture
def ask(board, connect):
    """`ask(program)`: run it on the board; the numbers that it prints."""
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=False)

    def run(program: str) -> list[int]:
        return [int(word) for word in transport.exec(program).split()]

    run.transport = transport
    return run


@needs_chip
def test_interrupts_leave_the_file_system_whole(board, connect):
    """Ctrl-C at any moment of a program that writes files: littlefs is never unwound."""
    transport = connect(board)
    transport.enter_raw_repl(soft_reset=False)
    for number in range(20):
        interrupt_writing(transport, 0.003 * number)
        probe(transport, number)


@needs_chip
def test_the_fake_modules_do_not_count(board, ask):
    alloc, heap, free = ask(MEASURE + "gc.collect()\nprint(gc.mem_alloc(), heap(), free())")
    # 3,440 after boot were seen on a chip; a few lines of ours are among these.
    assert alloc < 4_500
    assert heap == pytest.approx(56_000, abs=64)
    assert free == 142_276
    assert board.memory.free == 142_276


@needs_chip
def test_the_heap_grows_as_without_fakes(board, ask):
    assert ask(MEASURE + "pieces = [bytearray(1000) for _ in range(80)]\nprint(heap())") == [
        pytest.approx(112_000, abs=128)
    ]
    assert board.memory.python == pytest.approx(57_364, abs=64)


@needs_chip
def test_names_begin_with_a_small_pool(ask):
    # After boot the first name of a program costs a pool of 20, and not one of 160.
    (cost,) = ask(
        """
import gc
gc.collect()
before = gc.mem_alloc()
a_name_that_no_image_has = 1
gc.collect()
print(gc.mem_alloc() - before)
"""
    )
    assert cost < 500


@needs_chip
def test_wifi_takes_its_share(board, ask):
    before, joined = ask(MEASURE + "print(free())\n" + JOIN + "print(free())")
    assert before - joined == 42_000
    ask.transport.exit_raw_repl()
    # A soft reset leaves the radio on, a hard one does not.
    ask.transport.enter_raw_repl(soft_reset=True)
    assert ask(MEASURE + "print(free())") == [joined]
    board.reset()
    board.wait_for(">>> ")
    deadline = time.monotonic() + 5
    while board.memory.free != 142_276 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert board.memory.free in (0, 142_276)  # nothing is reported before anybody asks


@needs_chip
@pytest.mark.parametrize("how", ["silent", "removed"])
def test_a_link_that_is_lost_lets_nothing_pass(board, ask, how):
    def send(peer):
        while peer.recv(1):
            peer.sendall(b"x")

    with server(send) as port:
        assert ask(
            JOIN
            + f"""
import socket
s = socket.socket()
s.connect(("127.0.0.1", {port}))
s.settimeout(0.5)
s.write(b"a")
print(len(s.recv(1)))
"""
        ) == [1]
        if how == "silent":
            board.radio.silent = True
        else:
            board.radio.remove("simulated")
        time.sleep(0.2)
        # The kernel of this computer would have delivered it.
        assert ask(
            "s.write(b'b')\ntry:\n  print(len(s.recv(1)))\nexcept OSError:\n  print(0)\n"
            "print(int(station.isconnected()))"
        ) == [0, how == "silent"]
        board.radio.silent = False
        board.radio.add("simulated", "simulated")
        assert ask("s.settimeout(5)\nprint(len(s.recv(1)))") == [1]


@needs_chip
def test_certificates_are_judged_by_the_clock_of_the_board(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(trustme, "DEFAULT_EXPIRY", datetime(2040, 1, 1))
    with tls_server(tmp_path, trustme.KeyType.ECDSA) as port:
        program = f"""
import socket, ssl
from machine import RTC
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(cadata=bytes({list((tmp_path / "ca.der").read_bytes())}))
def connects(year):
    RTC().datetime((year, 1, 2, 0, 3, 4, 5, 0))
    s = socket.socket()
    s.connect(("127.0.0.1", {port}))
    try:
        context.wrap_socket(s, server_hostname="localhost").close()
        return 1
    except ValueError as error:
        assert "expired" in str(error), error
        return 0
print(connects(2039), connects(2041))
"""
        assert ask(program) == [1, 0]


@needs_chip
def test_the_command(tmp_path):
    program = [sys.executable, "-m", "simboard.main", "--chip", "oldest"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().startswith("Serial port: ")
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0


@needs_chip
def test_a_board_file_asks_for_it():
    from micropython_webpubsub.boards import load_board

    plain = load_board("simulated")
    chip = plain.model_copy(update={"heap": plain.heap.model_copy(update={"model": "esp32"})})
    with SimulatedBoard(plain) as board:
        assert board.memory is None
    with SimulatedBoard(chip) as board:
        assert board.memory is not None


def test_a_version_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("SIMBOARD_CHIP", str(tmp_path))
    monkeypatch.delenv("MICROPYTHON", raising=False)
    with pytest.raises(SimulatorError, match=r"no model of the chip '1\.2'.*make chip"):
        SimulatedBoard(chip="1.2")
    assert places.versions() == {}


def test_micropython_wins(monkeypatch):
    if not chip_model.NAMES:
        pytest.skip(chip_model.WHY_NOT)
    oldest = places.program(chip_model.VERSIONS["oldest"])
    monkeypatch.setenv("MICROPYTHON", str(oldest))
    with SimulatedBoard(chip="newest") as board:
        assert board.memory is None
        board.wait_for(">>> ")
