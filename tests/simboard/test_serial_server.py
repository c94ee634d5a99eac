"""The serial port of a board on the network outlives whatever a client does."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import pytest
from simboard.board import SimulatedBoard
from simboard.serial_server import SerialServer

PATIENCE = 30.0
# RFC 2217, SET-CONTROL: DTR on and off, RTS on and off.
DTR, NO_DTR, RTS, NO_RTS = 8, 9, 11, 12


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    """A board at its prompt."""
    with SimulatedBoard() as board:
        board.wait_for(">>>", PATIENCE)
        yield board


@pytest.fixture
def server(board: SimulatedBoard) -> Iterator[SerialServer]:
    """Its port on the network."""
    with SerialServer(board) as server:
        yield server


def connect(server: SerialServer) -> socket.socket:
    host, _, port = server.url.removeprefix("rfc2217://").partition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def press(client: socket.socket, *controls: int) -> None:
    for control in controls:
        client.sendall(bytes([0xFF, 0xFA, 44, 5, control, 0xFF, 0xF0]))
        time.sleep(0.15 if control == NO_RTS else 0.01)


def hear(client: socket.socket, wanted: bytes) -> bytes:
    """Read until this was said, or the connection ends."""
    client.settimeout(PATIENCE)
    heard = b""
    while wanted not in heard:
        data = client.recv(4096)
        if not data:
            break
        heard += data
    return heard


def into_download(client: socket.socket) -> None:
    press(client, NO_DTR, RTS, DTR, NO_RTS)


def reset(client: socket.socket) -> None:
    press(client, NO_DTR, RTS, NO_RTS)


@pytest.mark.parametrize("sent", [b"", b"\xc0\x00\x03\x10\x00\xff", b"\xc0" * 300, bytes(9000)])
def test_a_flash_that_breaks_off_is_survived(
    sent: bytes, board: SimulatedBoard, server: SerialServer
) -> None:
    before = board.flash.read_bytes()
    for _ in range(3):
        with connect(server) as client:
            into_download(client)
            assert b"waiting for download" in hear(client, b"waiting for download")
            client.sendall(sent)
            # Without a goodbye, as when esptool is killed.
    with connect(server) as client:
        reset(client)
        assert b">>>" in hear(client, b">>>"), "the board runs again"
    assert board.flash.read_bytes() == before


def test_without_the_boot_loader_the_rest_works(
    board: SimulatedBoard,
    server: SerialServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "esp32_mock_bootloader":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "esp32_mock_bootloader", None)
    for _ in range(2):
        with connect(server) as client:
            into_download(client)
            assert b"waiting for download" not in hear(client, b"waiting for download")
    error = capfd.readouterr().err
    assert "simboard: network port: the ROM bootloader is not installed: " in error
    assert "-m pip install esp32-mock-bootloader" in error
    assert "Traceback" not in error
    with connect(server) as client:
        reset(client)
        assert b">>>" in hear(client, b">>>")


def test_a_board_that_is_unplugged_is_no_end(board: SimulatedBoard, server: SerialServer) -> None:
    board.unplug(keep_power=True)
    with connect(server) as client:
        assert hear(client, b"never") == b""
    board.plug()
    with connect(server) as client:
        reset(client)
        assert b">>>" in hear(client, b">>>")
