"""The model of the chip whose link is cut from outside: nothing passes, nobody notices."""

from __future__ import annotations

import threading
import time

import pytest
from simboard.chip.link import RadioLink

from tests.simboard.chip_bench import Chip, server, silent
from tests.support import chip_model

pytestmark = pytest.mark.skipif(not chip_model.NAMES, reason=chip_model.WHY_NOT)
WRITTEN = 1_556  # bytes of the IDF heap for each written segment, seen on a chip


@pytest.fixture(params=list(chip_model.VERSIONS) or ["newest"])
def chip(request, tmp_path):
    """Each version that is built."""
    return Chip(chip_model.VERSIONS[request.param], tmp_path)


DEAF = """
s = connected()
s.setblocking(False)
before = free()
print("ready")
sys.stdin.readline()
sent = 0
while n := s.write(b"x" * 10):
    sent += n
    if sent == 10:
        print(before - free())
print(before - free(), sent)
"""


def lines(process, count):
    return [process.stdout.readline().strip() for _ in range(count)]


def test_segments_that_are_not_acknowledged(chip, tmp_path):
    link = RadioLink(tmp_path / "link")
    got = bytearray()
    arrived = threading.Event()

    def collect(peer):
        while data := peer.recv(4096):
            got.extend(data)
            if len(got) >= 160:
                arrived.set()

    with server(collect) as port:
        process = chip.start(
            DEAF + "sys.stdin.readline()\nuntil(lambda: free() == before)\nprint(0)\n",
            PORT=port,
            CHIP_LINK=link.path,
        )
        try:
            assert lines(process, 1) == ["ready"]
            link.cut = True
            process.stdin.write("\n")
            process.stdin.flush()
            one, most = lines(process, 2)
            assert int(one) == WRITTEN
            assert [int(word) for word in most.split()] == [16 * WRITTEN, 160]
            time.sleep(0.3)
            assert not got
            link.cut = False
            process.stdin.write("\n")
            process.stdin.flush()
            assert lines(process, 1) == ["0"]
            assert arrived.wait(5)
        finally:
            process.kill()
            process.communicate()
            link.close()
    assert bytes(got) == b"x" * 160


@pytest.mark.parametrize("linger", [300, 100_000])
def test_an_aborted_connection_keeps_its_segments_for_a_while(chip, tmp_path, linger):
    link = RadioLink(tmp_path / "link")
    with server(silent) as port:
        process = chip.start(
            DEAF + "s.close()\ntime.sleep_ms(800)\nprint(before - free())\n",
            PORT=port,
            CHIP_LINK=link.path,
            CHIP_LINGER=linger,
        )
        try:
            assert lines(process, 1) == ["ready"]
            link.cut = True
            process.stdin.write("\n")
            process.stdin.flush()
            held = int(lines(process, 3)[-1])
        finally:
            process.kill()
            process.communicate()
            link.close()
    assert (held >= 15 * WRITTEN) == (linger > 800)


def test_nothing_arrives_over_a_link_that_is_cut(chip, tmp_path):
    link = RadioLink(tmp_path / "link", delay=0.2)
    go = threading.Event()

    def send(peer):
        go.wait(10)
        peer.sendall(b"x")
        silent(peer)

    with server(send) as port:
        process = chip.start(
            """
s = connected()
print("ready")
s.settimeout(0.7)
try:
    print(len(s.recv(1)))
except OSError:
    print(0)
s.settimeout(10)
print(len(s.recv(1)))
""",
            PORT=port,
            CHIP_LINK=link.path,
        )
        try:
            assert lines(process, 1) == ["ready"]
            link.cut = True
            go.set()
            assert lines(process, 1) == ["0"]
            link.cut = False
            assert lines(process, 1) == ["1"]
            assert link.memory.free > 0
            assert link.memory.minimum <= link.memory.free
        finally:
            process.kill()
            process.communicate()
            link.close()
