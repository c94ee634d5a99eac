"""The SNTP server, asked with packets as RFC 4330 has them."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from simboard.timeserver import TimeServer

UNIX = 2_208_988_800


def ask(server: TimeServer, request: bytes = b"\x23" + bytes(39) + b"cookie!!") -> bytes:
    host, _, port = server.address.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(request, (host, int(port)))
        return client.recv(1024)


def test_time_is_ours_plus_the_offset() -> None:
    with TimeServer(offset=1000.5) as server:
        answer = ask(server)
        server.offset = 0
        later = ask(server)
    assert len(answer) == 48
    assert answer[0] == 0x24
    assert answer[1] == 1
    assert answer[24:32] == b"cookie!!"
    for packet, offset in ((answer, 1000.5), (later, 0)):
        seconds, fraction = struct.unpack(">II", packet[40:48])
        assert abs(seconds - UNIX + fraction / 2**32 - offset - time.time()) < 5
    assert server.requests == 2


def test_faults() -> None:
    with TimeServer(kiss_of_death=True) as server:
        answer = ask(server)
        assert (answer[1], answer[12:16]) == (0, b"RATE")
        server.kiss_of_death, server.silent = False, True
        host, _, port = server.address.partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            for request in (b"\x23" + bytes(47), b"short", b"\x24" + bytes(47)):
                client.sendto(request, (host, int(port)))
            with pytest.raises(TimeoutError):
                client.recv(1024)
        server.silent = False
        assert ask(server)[1] == 1
        assert server.requests == 3
    server.close()
