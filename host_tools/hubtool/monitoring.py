"""A board's console that outlives resets and pulled cables."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import serial

from .serial_link import open_failure

BAUD = 115200
END_KEY = "\x1d"  # Ctrl-]
_READ_TIMEOUT = 0.2
_RETRY = 0.5


class Monitor:
    """Reads from a port for ever, and opens it again when it was lost.

    Args:
        port: of the board.
        write: gets the bytes that the board sends.
        notice: gets a line when the connection is lost or back.
    """

    def __init__(
        self, port: str, write: Callable[[bytes], object], notice: Callable[[str], object]
    ) -> None:
        self.port = port
        self._write = write
        self._notice = notice
        self._serial: Any = None
        self._stopped = threading.Event()

    def open(self) -> None:
        """Open the port.

        Raises:
            HubtoolError: it cannot be opened; the text says why.
        """
        try:
            self._serial = self._open()
        except (OSError, ValueError):
            raise open_failure(self.port) from None

    def _open(self) -> Any:
        return serial.serial_for_url(self.port, BAUD, timeout=_READ_TIMEOUT, exclusive=True)

    def read_for_ever(self) -> None:
        """Pass on what the board says until `stop`, then close the port."""
        try:
            while not self._stopped.is_set():
                try:
                    data = self._serial.read(1)
                    if data:
                        self._write(data + self._serial.read(self._serial.in_waiting))
                except OSError:
                    self._wait_for_port()
        finally:
            # Here and not in stop(): pyserial does not like a port closed while it reads.
            self._close()

    def _wait_for_port(self) -> None:
        self._notice("connection lost: waiting for the port to come back")
        self._close()
        while not self._stopped.wait(_RETRY):
            try:
                self._serial = self._open()
            except (OSError, ValueError):
                continue
            self._notice("connected again")
            return

    def send(self, data: bytes) -> None:
        """Send to the board; dropped while the port is lost."""
        try:
            self._serial.write(data)
        except OSError:
            pass  # the reader notices, and says so

    def stop(self) -> None:
        """Have `read_for_ever` come to its end, within the time of one read."""
        self._stopped.set()

    def _close(self) -> None:
        try:
            # In this order a board with the usual reset circuit is left running.
            self._serial.rts = False
            self._serial.dtr = False
        except OSError:
            pass  # pseudo-terminals have no such lines
        try:
            self._serial.close()
        except OSError:
            pass


def run_monitor(port: str) -> None:
    """Connect this terminal with a board, until Ctrl-].

    Without a terminal on standard input nothing is sent, and Ctrl-C ends it.

    Raises:
        HubtoolError: the port cannot be opened.
    """

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def notice(text: str) -> None:
        write(f"\r\n--- {text} ---\r\n".encode())

    monitor = Monitor(port, write, notice)
    monitor.open()
    reader = threading.Thread(target=monitor.read_for_ever, name="monitor", daemon=True)
    keys = sys.stdin.isatty()
    notice(f"{port}; {'Ctrl-] ends, Ctrl-C goes to the board' if keys else 'Ctrl-C ends'}")
    reader.start()
    try:
        if keys:
            _send_keys(monitor)
        else:
            while reader.is_alive():
                time.sleep(_READ_TIMEOUT)
    finally:
        monitor.stop()
        reader.join(5 * _RETRY)


def _send_keys(monitor: Monitor) -> None:
    # Imported here: the module looks for termios or msvcrt, whichever the system has.
    from serial.tools.miniterm import Console

    console: Any = Console()
    console.setup()
    try:
        while True:
            key = console.getkey()
            if key == END_KEY:
                return
            monitor.send(key.replace("\n", "\r").encode())
    except KeyboardInterrupt:
        # Only Windows raises here; elsewhere Ctrl-C is a key like all others.
        monitor.send(b"\x03")
    finally:
        console.cleanup()
