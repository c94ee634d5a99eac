"""Fixtures: a board, and mpremote's serial transport on it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator

import pytest
from mpremote.transport_serial import SerialTransport
from simboard import SimulatedBoard


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    """A fresh board at its prompt."""
    with SimulatedBoard("simulated", name="test") as fresh:
        fresh.wait_for(">>> ")
        yield fresh


Connect = Callable[[SimulatedBoard], SerialTransport]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens boards' ports with mpremote's transport, and closes them again."""
    opened = []

    def open_port(board: SimulatedBoard) -> SerialTransport:
        transport = SerialTransport(board.port, 115200, timeout=10)
        opened.append(transport)
        return transport

    yield open_port
    for transport in opened:
        with contextlib.suppress(OSError), contextlib.redirect_stdout(io.StringIO()):
            transport.close()
