"""A board's raw REPL over a serial port: mpremote's SerialTransport, with errors one can act on.

What is added to SerialTransport: a way into the raw REPL that copes with boards that have just
been reset or run a program that catches Ctrl-C, a diagnosis when there is none, one kind of
error for everything that a pulled cable can cause, and silence on standard output.
"""

from __future__ import annotations

import ast
import errno
import os
import struct
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import serial
from mpremote import transport_serial
from mpremote.transport import TransportError, TransportExecError

from ..console import warn
from ..errors import DeviceRefused, HubtoolError, NoDevice
from ..interrupts import held_off
from .board_errors import explanation
from .on_board_code import call_of, source_of
from .recent_ports import note, open_port

# mpremote prints what it could not understand. contextlib.redirect_stdout would swallow the
# output of every thread, and two boards may be written to at the same time.
transport_serial.print = lambda *_args: None

_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
_REBOOT = b"soft reboot\r\n"
# One read on a pseudo-terminal blocks for this long, seconds; it bounds every mpremote call.
_READ_TIMEOUT = 5.0
# A board that was reset by opening the port needs up to about 3 s to reach its prompt; one that
# looks a name up hears no Ctrl-C for up to 20 s, and is reset instead.
PROMPT_DEADLINE = 18.0
_RESET_AFTER = 8.0
# Its program is stopped already then.
_RETURN_DEADLINE = 5.0
_INTERRUPT_PAUSE = 0.1
# The slowest single thing asked of a board is a few hundred milliseconds of flash erasing.
ANSWER_TIMEOUT = 20.0
# boot.py may bring an interface up.
_REBOOT_DEADLINE = 20.0
# Seconds between two lines that say what is being waited for.
TELL_EVERY = 4.0
# A pulled cable shows up as any of these: EIO from the driver, a short read that struct cannot
# unpack, an answer cut in the middle that is no literal.
_CONNECTION_ERRORS = (OSError, TransportError, struct.error, ValueError, SyntaxError)


class BoardError(DeviceRefused):
    """Code that was sent to the board raised an exception there.

    Attributes:
        traceback: what the board printed.
    """

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback


class _ConnectionLost(DeviceRefused):
    """The port has gone, or the board has stopped answering."""


class _Patience:
    """Says now and then what is being waited for."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._next = time.monotonic() + TELL_EVERY

    def tell(self, what: str, end: float) -> None:
        """Say it, if it is time to.

        Args:
            what: what is waited for.
            end: until when, by the monotonic clock.
        """
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_EVERY
            warn(f"{self._port}: {what}: waiting on, for up to {max(end - now, 1):.0f} s")


class SerialLink:
    """A board in its raw REPL.

    Use as a context manager. Leaving it returns to the friendly REPL and closes the port.

    Attributes:
        port: the name of the port, as it was given.
    """

    def __init__(self, port: str, transport: Any, answer_timeout: float) -> None:
        self.port = port
        self._transport = transport
        self._answer_timeout = answer_timeout

    @classmethod
    def open(
        cls,
        port: str,
        *,
        deadline: float | None = None,
        answer_timeout: float | None = None,
    ) -> SerialLink:
        """Open a port and enter the raw REPL, restarting the interpreter if that works.

        Args:
            port: a device name, a path, or a URL that pyserial knows.
            deadline: seconds to wait for a prompt; a line says so when it takes long. None is
                PROMPT_DEADLINE.
            answer_timeout: seconds without a character after which the board counts as lost.
                None is ANSWER_TIMEOUT.

        Raises:
            NoDevice: there is no such port.
            DeviceRefused: the port is taken, or what is there is no MicroPython prompt.
        """
        deadline = PROMPT_DEADLINE if deadline is None else deadline
        answer_timeout = ANSWER_TIMEOUT if answer_timeout is None else answer_timeout
        for again in (True, False):
            try:
                return cls._open_once(port, deadline, answer_timeout)
            except _ConnectionLost as error:
                # Native USB goes over a reset, and comes back. A network has no such ports.
                if not again or "://" in port:
                    raise
                lost = error
        raise lost

    @classmethod
    def _open_once(cls, port: str, deadline: float, answer_timeout: float) -> SerialLink:
        link = cls(port, open_port(port, lambda: _open_transport(port)), answer_timeout)
        try:
            link._enter(deadline)
        except BaseException as error:
            # The board's program may have been stopped for nothing.
            with held_off():
                started = link._let_go(error)
                link.close()
                if started and isinstance(error, KeyboardInterrupt):
                    error.args = (f"{port}: the board was reset, and its program starts again",)
            raise
        return link

    def _let_go(self, error: BaseException) -> bool:
        """Have the program run again of a board that was not, or not wholly, taken over.

        Returns:
            Whether the board was reset for it.
        """
        if not isinstance(error, HubtoolError) and self.return_to_prompt() and self.try_reset():
            return True
        try:
            # What does not answer now may do so later: out of the raw REPL, into main.py.
            self._transport.serial.write(b"\r\x02\x04")
        except _CONNECTION_ERRORS:
            pass  # it is gone
        return False

    @property
    def answer_timeout(self) -> float:
        """Seconds without a character after which the board counts as lost."""
        return self._answer_timeout

    @answer_timeout.setter
    def answer_timeout(self, seconds: float) -> None:
        """Wait so many seconds from now on."""
        self._answer_timeout = seconds
        self._transport.serial.timeout = min(_READ_TIMEOUT, seconds)

    def _enter(self, deadline: float) -> None:
        port = self._transport.serial
        progress = _Patience(self.port)
        try:
            # On a pseudo-terminal a read blocks for this long, whatever time read_until() gets.
            port.timeout = _INTERRUPT_PAUSE
            heard = self.interrupt(time.monotonic() + deadline, progress)
            if heard is not None:
                raise DeviceRefused(f"{self.port}: {diagnose(heard)}")
            if not self._soft_reset(progress):
                # Some boards hang up here, or their boot.py does not end: do without a clean
                # heap rather than give up.
                heard = self.interrupt(time.monotonic() + deadline, progress)
                if heard is not None:
                    raise DeviceRefused(f"{self.port}: {diagnose(heard)}")
            self.answer_timeout = self._answer_timeout
        except _CONNECTION_ERRORS as error:
            raise self._connection_lost("entering the raw REPL", error) from None
        self._transport.in_raw_repl = True

    def interrupt(self, deadline: float, progress: _Patience | None = None) -> bytes | None:
        """Send Ctrl-C and Ctrl-A until the raw REPL answers; what was heard when it did not."""
        transport = self._transport
        heard: bytes = b""
        started, pressed = time.monotonic(), False
        while True:
            # Twice: the first may only end a sleep inside a program that carries on.
            transport.serial.write(b"\r\x03\x03")
            time.sleep(_INTERRUPT_PAUSE)
            heard += bytes(transport.serial.read(transport.serial.in_waiting))
            transport.serial.write(b"\r\x01")
            answer = transport.read_until(1, _BANNER, timeout=1.0, timeout_overall=2.0)
            if answer.endswith(_BANNER):
                # A slow board answers earlier rounds too: drop those answers, then ask once
                # more, because exec_raw_no_follow() expects the prompt still to come.
                time.sleep(_INTERRUPT_PAUSE)
                transport.serial.read(transport.serial.in_waiting)
                transport.serial.write(b"\r\x01")
                transport.read_until(1, _BANNER[:-1], timeout=2.0, timeout_overall=4.0)
                return None
            heard += bytes(answer)
            if time.monotonic() > deadline:
                return heard
            if progress:
                progress.tell("no prompt yet", deadline)
            if not pressed and time.monotonic() > started + _RESET_AFTER:
                pressed = True
                press_reset(transport.serial)

    def _soft_reset(self, progress: _Patience) -> bool:
        transport = self._transport
        transport.read_until(1, b">", timeout=2.0)
        transport.serial.write(b"\x04")
        return self._await(_REBOOT, progress) and self._await(_BANNER[:-1], progress)

    def _await(self, wanted: bytes, progress: _Patience) -> bool:
        """Wait for what a restarting interpreter says."""
        data, end = b"", time.monotonic() + _REBOOT_DEADLINE
        while time.monotonic() < end:
            data += self._transport.read_until(1, wanted, timeout_overall=TELL_EVERY / 2)
            if data.endswith(wanted):
                return True
            progress.tell("boot.py has not come to its end yet", end)
        return False

    def run(self, code: str, *, doing: str = "talking to the board") -> str:
        """Run code on the board and return what it prints.

        Args:
            code: MicroPython source. It is not echoed, and never shown in an error.
            doing: what this is for, for the error text.

        Raises:
            BoardError: the code raised an exception on the board.
            DeviceRefused: the board is gone, or has stopped answering.
        """
        try:
            output, failure = self._transport.exec_raw(code, timeout=self._answer_timeout)
        except TransportExecError as error:
            failure = error.error_output.encode()
            output = b""
        except _CONNECTION_ERRORS as error:
            raise self._connection_lost(doing, error) from None
        if failure:
            text = failure.decode(errors="replace").strip()
            last = text.splitlines()[-1]
            meant = explanation(last) or f"the board says {last}"
            raise BoardError(f"{self.port}: {doing}: {meant}", text)
        return str(output.decode(errors="replace"))

    def evaluate(self, code: str, *, doing: str = "asking the board") -> Any:
        """Run code that prints one repr, and return the value.

        Raises:
            DeviceRefused: as `run`, or the answer is no Python literal.
        """
        answer = self.run(code, doing=doing).strip()
        try:
            return ast.literal_eval(answer)
        except (ValueError, SyntaxError):
            raise DeviceRefused(
                f"{self.port}: {doing}: the answer was garbled: try another cable or USB port"
            ) from None

    def load(self, name: str, *, doing: str = "preparing the board") -> None:
        """Run `on_board/NAME.py` on the board: its functions can be called from then on.

        Raises:
            DeviceRefused: as `run`.
        """
        self.run(source_of(name), doing=doing)

    def call(self, function: str, *arguments: Any, doing: str = "asking the board") -> Any:
        """Call a function that `load` has defined, and return what it returns.

        Args:
            function: its name.
            arguments: None, bools, numbers, str, bytes; lists, tuples and dicts of these.
            doing: what this is for, for the error text.

        Raises:
            DeviceRefused: as `evaluate`.
        """
        return self.evaluate(call_of(function, *arguments), doing=doing)

    def return_to_prompt(self) -> bool:
        """Back to a fresh prompt of the raw REPL after an exchange was broken off.

        Nothing is raised: who calls this is ending anyway.

        Returns:
            Whether the board is there, at its prompt.
        """
        port = self._transport.serial
        try:
            port.timeout = _INTERRUPT_PAUSE
            heard = self.interrupt(time.monotonic() + _RETURN_DEADLINE)
            self.answer_timeout = self._answer_timeout
        except _CONNECTION_ERRORS:
            return False
        if heard is None:
            self._transport.in_raw_repl = True
        return heard is None

    def reset(self) -> None:
        """Reset the board, as its button would: main.py starts."""
        try:
            self._transport.exec_raw_no_follow(source_of("reset"))
            self._transport.in_raw_repl = False
        except _CONNECTION_ERRORS as error:
            raise self._connection_lost("resetting the board", error) from None

    def try_reset(self) -> bool:
        """Reset the board, unless it is gone; whether it was there."""
        try:
            self.reset()
        except DeviceRefused:
            return False
        return True

    def close(self) -> None:
        """Back to the friendly REPL, if the board still listens; close the port."""
        transport = self._transport
        note(self.port)
        try:
            if transport.in_raw_repl:
                transport.exit_raw_repl()
        except _CONNECTION_ERRORS:
            pass  # the port is closed next, and the first error is on its way to the user
        try:
            transport.close()
        except _CONNECTION_ERRORS:
            # mpremote clears RTS before it closes, which fails when the port has gone.
            try:
                transport.serial.close()
            except OSError:
                pass  # gone for good: nothing is left to close

    def __enter__(self) -> SerialLink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connection_lost(self, doing: str, error: Exception) -> _ConnectionLost:
        # The text of the error could quote what was being sent: name its kind only.
        return _ConnectionLost(
            f"{self.port}: lost the board while {doing} ({type(error).__name__}): "
            "check the cable, then run the same command again"
        )


def press_reset(port: Any) -> bool:
    """Reset a board through the usual circuit, without pressing a button.

    RTS alone pulls EN down, DTR alone GPIO0, both together nothing. So DTR is released first,
    and both are set again in the order that never leaves RTS alone.

    Args:
        port: an open pyserial port.

    Returns:
        Whether it has such lines; they may lead nowhere all the same.
    """
    try:
        port.dtr = False
        port.rts = True
        time.sleep(_INTERRUPT_PAUSE)
        port.rts = False
        # EN rises slowly, and the chip reads GPIO0 when it is up.
        time.sleep(_INTERRUPT_PAUSE)
        # Native USB ports stay silent while DTR is released.
        port.dtr = True
        port.rts = True
    except OSError:
        return False  # a pseudo-terminal
    return not str(port.port).startswith("socket://")


def _open_transport(port: str) -> Any:
    try:
        return transport_serial.SerialTransport(port, timeout=_READ_TIMEOUT)
    except (TransportError, ValueError):
        raise open_failure(port) from None
    except Exception as error:
        # pyserial lets termios.error through, which is neither OSError nor on every platform.
        if type(error).__name__ != "error":
            raise
        raise DeviceRefused(f"{port}: this is not a serial port") from None


def open_failure(port: str) -> HubtoolError:
    """Why a port cannot be opened, found by trying once more; an error to raise."""
    listing = "`hubtool ports` lists what there is"
    try:
        serial.serial_for_url(port, exclusive=True).close()
    except OSError as error:
        code = error.errno or getattr(error.__context__, "errno", None)
        text = str(error)
    except ValueError:
        return NoDevice(f"{port}: no such kind of port: use rfc2217://HOST:PORT, or {listing}")
    else:
        return DeviceRefused(f"{port}: could not be opened at first: try again")
    if "://" in port:
        return _network_failure(port, text)
    if code == errno.ENOENT or "FileNotFound" in text or "could not find" in text:
        return NoDevice(f"{port}: no such port: {listing}")
    if code == errno.EACCES and os.name == "posix":
        return DeviceRefused(
            f"{port}: permission denied: add yourself to the group that owns it "
            "(`sudo usermod -aG dialout $USER`, then log in again)"
        )
    if code in (errno.EAGAIN, errno.EBUSY) or "lock" in text or "PermissionError" in text:
        return DeviceRefused(
            f"{port}: in use by another program: close the monitor, IDE or terminal that holds it"
        )
    return NoDevice(f"{port}: cannot be opened: is it a serial port? {listing}")


def _network_failure(port: str, text: str) -> HubtoolError:
    try:
        has_port = urlsplit(port).port is not None
    except ValueError:
        has_port = False
    if not has_port:
        return NoDevice(f"{port}: not a complete address: write rfc2217://HOST:PORT")
    if "does not seem to support" in text or "does not accept" in text:
        return DeviceRefused(
            f"{port}: no answer in RFC 2217: another program may be connected there, or the "
            "server speaks something else (socket://HOST:PORT is a port without lines)"
        )
    return NoDevice(
        f"{port}: cannot be reached: is the server of this port running, and the address right?"
    )


def diagnose(heard: bytes) -> str:
    """Say why a port that was heard saying this has no raw REPL, and what to do.

    The texts are those of the ESP32's ROM and of ESP-IDF's boot loader.
    """
    if not heard.strip():
        return (
            "nothing answers: is it the right port (boards with two USB sockets have two)? "
            "Press reset, or use another cable: some only charge"
        )
    if b"waiting for download" in heard or b"DOWNLOAD(" in heard:
        return "the board waits for new firmware (download mode): press reset without holding BOOT"
    if b"invalid header: 0xffffffff" in heard or b"No bootable app" in heard:
        return "the board holds no firmware: write MicroPython with `hubtool flash`"
    if heard.count(b"rst:0x") > 1 or heard.count(b"Guru Meditation") > 0:
        return "the board restarts over and over: write the firmware again with `hubtool flash`"
    if b"MicroPython" in heard or b">>>" in heard or b"Traceback" in heard:
        return "MicroPython is there, but its program does not let go: press reset and try again"
    return "something answers, but not MicroPython: write it with `hubtool flash`"
