"""A board's serial port over the network (RFC 2217), with the lines that reset a chip.

    with SimulatedBoard() as board, SerialServer(board) as server:
        subprocess.run(["hubtool", "deploy", "--port", server.url])

A pseudo-terminal has no DTR and RTS; here they drive the usual circuit of two transistors: RTS
alone pulls EN down, DTR alone GPIO0, both together nothing. A chip that leaves its reset with
GPIO0 down is in download mode: then the ROM boot loader answers in place of the board, over the
same flash file, so that `esptool --port rfc2217://...` finds both.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
import time
from types import TracebackType
from typing import Any

import serial
from serial.rfc2217 import PortManager

from .board import SimulatedBoard
from .bootloader import Bootloader
from .errors import SimulatorError

# Seconds that EN takes to rise; GPIO0 counts as down when it was so at any time of these. Two
# lines cannot change at once over a network: a round trip lies between.
_RISE = 0.08
_TURN = 0.02
_DOWNLOAD_WORDS = (
    b"\r\nrst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\n"
    b"waiting for download\r\n"
)


class SerialServer:
    """One board's port on a TCP port of 127.0.0.1, for one client at a time.

    Attributes:
        url: what `--port` takes: `rfc2217://127.0.0.1:PORT`.
    """

    def __init__(self, board: SimulatedBoard, *, port: int = 0) -> None:
        """Listen.

        Args:
            board: whose port it is. It must stay plugged in.
            port: TCP port, 0 for any.

        Raises:
            OSError: the port is taken.
        """
        self._board = board
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0.2)
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._chip = _Chip(board)
        self._thread = threading.Thread(target=self._serve, name="rfc2217", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the port. May be repeated."""
        self._stop.set()
        self._thread.join(10)
        self._listener.close()
        self._chip.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                # esptool leaves as soon as it has let EN go.
                with contextlib.suppress(SimulatorError):
                    self._chip.turn()
                continue
            # A client that vanishes is the end of its connection only, and so is what goes wrong
            # on its behalf: the port is there for the next one.
            try:
                with client, contextlib.suppress(OSError):
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._attend(client)
            except Exception as error:  # noqa: BLE001
                text = str(error) if isinstance(error, SimulatorError) else repr(error)
                print(f"simboard: network port: {text}", file=sys.stderr, flush=True)

    def _attend(self, client: socket.socket) -> None:
        with _Lines(self._board.port, self._chip) as opened:
            lines: Any = opened  # it need not have all members of Serial
            connection: Any = _Writer(client)
            manager = PortManager(lines, connection)
            while not self._stop.is_set():
                source = self._chip.line or lines.fileno()
                ready, _, _ = select.select([client, source], [], [], _TURN)
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        return
                    self._chip.send(b"".join(manager.filter(data)), lines)
                if source in ready:
                    client.sendall(b"".join(manager.escape(self._chip.receive(lines))))
                greeting = self._chip.turn()
                if greeting:
                    client.sendall(greeting)

    def __enter__(self) -> SerialServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Chip:
    """What DTR and RTS make of a chip: it runs, is held in reset, or waits for new firmware.

    Attributes:
        line: the socket of the ROM boot loader, in download mode.
    """

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board
        self._held = False
        self._rises_at: float | None = None
        self._boot_pin_down = False
        self._rom: Bootloader | None = None
        self.line: socket.socket | None = None

    def set_lines(self, dtr: bool, rts: bool) -> None:
        """Take on a new state of the two lines."""
        held = rts and not dtr
        self._boot_pin_down = (dtr and not rts) or (self._boot_pin_down and self._is_rising)
        if held and not self._held:
            self._rises_at = None
            self._leave_download()
            self._board.hold()
        elif self._held and not held:
            self._rises_at = time.monotonic() + _RISE
        self._held = held

    @property
    def _is_rising(self) -> bool:
        return self._rises_at is not None and not self._held

    def turn(self) -> bytes:
        """Start when EN has risen; what the ROM says then."""
        if self._rises_at is None or time.monotonic() < self._rises_at:
            return b""
        self._rises_at = None
        if not self._boot_pin_down:
            self._board.reset()
            return b""
        try:
            self._rom = Bootloader(self._board.flash, chip=self._board.board.chip)
        except SimulatorError:
            self._board.reset()  # a chip without a boot loader of its own can only run
            raise
        host, _, port = self._rom.url.removeprefix("socket://").partition(":")
        self.line = socket.create_connection((host, int(port)), 5)
        return _DOWNLOAD_WORDS

    def send(self, data: bytes, lines: _Lines) -> None:
        """Pass on what the client sends to the board or the bootloader."""
        if self.line is not None:
            self.line.sendall(data)
        elif data:
            lines.write(data)

    def receive(self, lines: _Lines) -> bytes:
        """Pass on what the board or the bootloader sends to the client."""
        if self.line is None:
            return lines.read()
        data = self.line.recv(4096)
        if not data:
            self._leave_download()  # it hung up: silent until the next reset
        return data

    def _leave_download(self) -> None:
        if self.line is not None and self._rom is not None:
            self.line.close()
            self._rom.close()
        self.line = self._rom = None

    def close(self) -> None:
        """A board that was left in download mode starts again."""
        if self.line is not None:
            self._leave_download()
            self._board.reset()


class _Lines:
    """The board's port as pyserial's PortManager wants it: a Serial with DTR and RTS.

    Speed and format are kept and change nothing: a pseudo-terminal has neither.
    """

    cts = dsr = cd = True
    ri = False
    break_condition = xonxoff = rtscts = False
    bytesize, parity, stopbits = serial.EIGHTBITS, serial.PARITY_NONE, serial.STOPBITS_ONE
    baudrate = 115200

    def __init__(self, port: str, chip: _Chip) -> None:
        self._serial: Any = serial.Serial(port, timeout=0, exclusive=True)
        self._chip = chip
        self._dtr = self._rts = False

    def fileno(self) -> int:
        """For select."""
        return int(self._serial.fileno())

    def read(self) -> bytes:
        """What has come, without waiting."""
        return os.read(self.fileno(), 4096)

    def write(self, data: bytes) -> None:
        """Send to the board."""
        self._serial.write(data)

    def reset_input_buffer(self) -> None:
        """Forget what has come."""
        self._serial.reset_input_buffer()

    def reset_output_buffer(self) -> None:
        """Nothing: all has gone."""

    @property
    def dtr(self) -> bool:
        """Data terminal ready."""
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = bool(value)
        self._chip.set_lines(self._dtr, self._rts)

    @property
    def rts(self) -> bool:
        """Request to send."""
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = bool(value)
        self._chip.set_lines(self._dtr, self._rts)

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._serial.close()


class _Writer:
    """The way back to the client, as PortManager wants it."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self._client.sendall(data)
