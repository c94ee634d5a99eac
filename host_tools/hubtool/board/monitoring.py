"""A board's console that outlives resets and pulled cables."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import serial

from ..output import OutputLost, write_bytes
from .recent_ports import note, open_port
from .serial_link import open_failure, press_reset
from .tracebacks import ByteTranslator, Translator

BAUD = 115200
END_KEY = "\x1d"  # Ctrl-]
# A key that MicroPython's prompt has no use for.
RESET_KEY = "\x12"  # Ctrl-R
_QUIET = 5.0
_ANSWER = 2.0
_PROMPT_PAUSE = 0.3
_READ_TIMEOUT = 0.2
_RETRY = 0.5


class Monitor:
    """Reads from a port for ever, and opens it again when it was lost.

    Args:
        port: of the board.
        write: gets the bytes that the board sends; none of them when it pauses.
        notice: gets a line when the connection is lost or back.

    Attributes:
        failure: why what the board says can no longer be shown; None as long as it can.
    """

    def __init__(
        self, port: str, write: Callable[[bytes], object], notice: Callable[[str], object]
    ) -> None:
        self.port = port
        self._write = write
        self._notice = notice
        self._serial: Any = None
        self._stopped = threading.Event()
        self.failure: OutputLost | None = None
        self._heard = threading.Event()

    def open(self) -> None:
        """Open the port.

        Raises:
            HubtoolError: it cannot be opened; the text says why.
        """
        self._serial = open_port(self.port, self._open_or_say_why)

    def _open_or_say_why(self) -> Any:
        try:
            return self._open()
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
                        data += self._serial.read(self._serial.in_waiting)
                except OSError:
                    self._wait_for_port()
                    continue
                if data:
                    self._heard.set()
                self._write(data)
        except OutputLost as error:
            # There is nobody to read on for. Whoever waits for a key is woken.
            self.failure = error
            if hasattr(signal, "pthread_kill") and (ident := threading.main_thread().ident):
                signal.pthread_kill(ident, signal.SIGINT)
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
        except (OSError, TypeError):
            # pyserial raises the second one when the reader closes the port in mid-write. The
            # reader says what happened.
            pass

    def reset(self) -> None:
        """Start the board anew, so that its first lines are seen.

        By the lines of the serial port; where that brings no sign of life, because the port has
        none or they lead nowhere, by Ctrl-C and Ctrl-D: its program ends and starts again.
        """
        self._heard.clear()
        if press_reset(self._serial) and self._heard.wait(_ANSWER):
            return
        # Ctrl-B leaves a raw REPL, where Ctrl-D would not run main.py.
        self.send(b"\r\x03\x03")
        time.sleep(_PROMPT_PAUSE)
        self.send(b"\x02\x04")

    def wait_heard(self, seconds: float) -> bool:
        """Whether the board says anything within so many seconds."""
        return self._heard.wait(seconds)

    def stop(self) -> None:
        """Have `read_for_ever` come to its end, within the time of one read."""
        self._stopped.set()

    def _close(self) -> None:
        note(self.port)
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


def run_monitor(
    port: str,
    *,
    reset: bool = False,
    quiet: float = _QUIET,
    explain: bool = True,
) -> None:
    """Connect this terminal with a board, until Ctrl-].

    Without a terminal on standard input nothing is sent, and Ctrl-C ends it.

    Args:
        port: of the board.
        reset: whether to start the board anew first.
        quiet: seconds of silence after which the user learns how to end it.
        explain: whether to show tracebacks in the names and lines of the source.

    Raises:
        HubtoolError: the port cannot be opened, or standard output not be written.
    """

    def notice(text: str) -> None:
        write_bytes(f"\r\n--- {text} ---\r\n".encode())

    translated = ByteTranslator(Translator(notice=notice)) if explain else None

    def show(data: bytes) -> None:
        if translated:
            data = translated.feed(data) if data else translated.flush()
        if data:
            write_bytes(data)

    monitor = Monitor(port, show, notice)
    monitor.open()
    reader = threading.Thread(target=monitor.read_for_ever, name="monitor", daemon=True)
    keys = sys.stdin.isatty()
    usage = "Ctrl-] ends, Ctrl-R resets the board, Ctrl-C stops its program"
    notice(f"{port}; {usage if keys else 'Ctrl-C ends'}")
    remedy = "press Ctrl-R" if keys else "run hubtool monitor --reset"

    def say_how() -> None:
        if monitor.wait_heard(0):
            return
        with contextlib.suppress(OutputLost):  # the next thing that the board says meets it, too
            notice(
                "nothing yet: a board that is well says little, and of a fault that lasts "
                f"less and less. To see it start, {remedy}"
            )

    hint = threading.Timer(quiet, say_how)
    hint.daemon = True
    try:
        # In here: it may find at once that nobody reads, and interrupt us.
        reader.start()
        hint.start()
        if reset:
            monitor.reset()
        if keys:
            _send_keys(monitor)
        else:
            while reader.is_alive():
                time.sleep(_READ_TIMEOUT)
    except KeyboardInterrupt:
        if monitor.failure is None:
            raise
    finally:
        hint.cancel()
        monitor.stop()
        reader.join(5 * _RETRY)
    if monitor.failure is not None:
        raise monitor.failure


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
            if key == RESET_KEY:
                monitor.reset()
                continue
            monitor.send(key.replace("\n", "\r").encode())
    except KeyboardInterrupt:
        if monitor.failure is not None:
            return
        # Only Windows raises here; elsewhere Ctrl-C is a key like all others.
        monitor.send(b"\x03")
    finally:
        console.cleanup()
