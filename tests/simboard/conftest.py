"""Fixtures: a board, mpremote's serial transport on it, and a program to run on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from mpremote.transport_serial import SerialTransport
from simboard import SimulatedBoard

Connect = Callable[[SimulatedBoard], SerialTransport]


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    """A fresh board at its prompt."""
    with SimulatedBoard("simulated", name="test") as fresh:
        fresh.wait_for(">>> ")
        yield fresh


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens boards' ports with mpremote's transport, and closes them again."""
    opened: list[SerialTransport] = []

    def open_port(board: SimulatedBoard) -> SerialTransport:
        transport = SerialTransport(board.port, 115200, timeout=10)
        opened.append(transport)
        return transport

    yield open_port
    for transport in opened:
        with contextlib.suppress(OSError):
            transport.close()


@pytest.fixture
def run(connect: Connect) -> Callable[[SimulatedBoard, str], str]:
    """Runs a program in a board's raw REPL, without a reset, and returns what it printed."""

    def run_program(board: SimulatedBoard, program: str) -> str:
        transport = connect(board)
        try:
            transport.enter_raw_repl(soft_reset=False)
            output = transport.exec(program)
            transport.exit_raw_repl()
            transport.read_until(1, b">>> ")
        finally:
            transport.close()
        board.wait_for(">>> ")
        return str(output.decode()).replace("\r\n", "\n")

    return run_program
