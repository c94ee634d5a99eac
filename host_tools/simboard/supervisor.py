"""Runs a board: starts and ends its interpreter, serves its serial line and control channel."""

from __future__ import annotations

import json
import select
import signal
import threading
import time
from enum import Enum
from pathlib import Path
from typing import Any

from micropython_webpubsub.boards import Board

from .causes import (
    CRASH,
    DEEP_SLEEP,
    MACHINE_RESET,
    POWER_CUT,
    POWER_ON,
    SOFT_RESET,
    WATCHDOG,
    Cause,
)
from .chip.link import RadioLink
from .console import Console
from .errors import SimulatorError
from .interpreter import Interpreter, Program
from .keyboard import Keyboard
from .mailbox import Mailbox
from .modules import compiled_modules, heap_for
from .output import FRIENDLY_BANNER, OutputFilter
from .peripherals import Peripherals, encode_answer
from .serial_port import SerialPort

# Seconds between looks whether a program has opened the port: the kernel reports no such event.
_LISTENER_INTERVAL = 0.05
# Seconds between updates of the link of a model of the chip by the state of the radio.
_RADIO_INTERVAL = 0.05
# The usable bytes of the first area of Python's heap on an ESP32.
CHIP_HEAP = 56_000
# A main.py that ends with sys.exit() reboots a board for ever, but not a thousand times a second.
_EXIT_DELAY = 0.5
_STARTS_BEFORE_GIVING_UP = 3
_ASKED_FOR = {"reset": MACHINE_RESET, "power_cut": POWER_CUT, "bootloader": MACHINE_RESET}


class Phase(Enum):
    """How far a started interpreter has come."""

    LOADING = 1  # fake modules, flash; no input yet
    STARTING = 2  # boot.py and main.py
    ENTERING_RAW = 3  # on the way into the raw REPL; no input yet
    REPL = 4  # at a prompt, or running what was typed


class Supervisor:
    """Everything about a board that happens in its own thread.

    Attributes:
        mailbox: how other threads call the methods.
        port: the serial port; None while it is unplugged.
        restarts: names of the causes of all starts but the first.
        failure: why `run` ended, when not by `stop`.
        booted: set when boot.py begins, or will not.
    """

    def __init__(
        self,
        board: Board,
        flash: Path,
        fuse: Path,
        console: Console,
        peripherals: Peripherals,
        program: Program,
        link: RadioLink | None,
    ) -> None:
        self._program, self._link = program, link
        self._heap = heap_for(program, CHIP_HEAP if program.chip else board.heap.sim_heap)
        self._board, self._flash, self._fuse = board, flash, fuse
        self._console, self._peripherals = console, peripherals
        self._keyboard, self._output = Keyboard(), OutputFilter()
        self._child: Interpreter | None = None
        self._phase = Phase.LOADING
        self._messages = b""
        self._start_at: tuple[float, Cause] | None = None
        self._failed_starts = 0
        self.mailbox = Mailbox()
        self._stopping = False
        self.port: SerialPort | None = SerialPort()
        self.restarts: list[str] = []
        self.failure: Exception | None = None
        self.booted = threading.Event()

    @property
    def pid(self) -> int | None:
        """Process id of the interpreter; None while none runs."""
        child = self._child
        return child.pid if child else None

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping = True

    def run(self) -> None:
        """Power the board up and run it until `stop`."""
        try:
            self._start(POWER_ON)
            while not self._stopping:
                self._turn()
        except Exception as error:  # noqa: BLE001 - for other threads to read
            self.failure = error
        finally:
            self._end_child()
            self.unplug()
            self._console.close()
            self.booted.set()
            self.mailbox.close()

    def restart(self, cause: Cause, delay: float = 0) -> None:
        """End the interpreter at once, and start another one `delay` seconds later."""
        if self._child:
            self._pass_on(self._child)
        self.restarts.append(cause.name)
        self._end_child()
        if cause.power_lost:
            self._peripherals.lose_power()
        if cause is not SOFT_RESET:
            self._keyboard.clear()
        self._start_at = (time.monotonic() + delay, cause)

    def hold(self) -> None:
        """Hold the chip in reset until `restart`."""
        if self._child:
            self._pass_on(self._child)
        self._start_at = None
        self._end_child()
        self._keyboard.clear()

    def power_off(self) -> None:
        """Take the power away until `power_up`."""
        self._start_at = None
        self._end_child()
        self._peripherals.lose_power()
        self._keyboard.clear()

    def power_up(self) -> None:
        """Give the power back; nothing happens when it is there."""
        if not self._child and not self._start_at:
            self.restarts.append(POWER_CUT.name)
            self._start(POWER_ON)

    def unplug(self) -> None:
        """Pull the cable: a program that has the port open gets an error."""
        if self.port:
            self.port.close()
            self.port = None

    def plug(self) -> None:
        """Put the cable in again."""
        if not self.port:
            self.port = SerialPort()

    def _start(self, cause: Cause) -> None:
        self._start_at = None
        self.booted.clear()
        if cause is not SOFT_RESET:
            self._peripherals.reset()
        self._peripherals.nvs.reload()
        self._peripherals.reset_cause = cause.reset_cause
        self._output.restart(raw=self._output.raw and cause is SOFT_RESET)
        self._phase = Phase.LOADING
        self._messages = b""
        if cause.rom:
            self._emit(f"\r\n{cause.rom},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n".encode())
        variables = {}
        if self._link:
            self._link.started()
            self._link.cut = not self._peripherals.radio.forwards_frames()
            variables["CHIP_LINK"] = str(self._link.path)
            # A soft reset leaves the radio on.
            variables["CHIP_WIFI"] = "1" if self._peripherals.radio.set_active(0, None) else "0"
        self._child = Interpreter(self._program, compiled_modules(), self._heap, variables)

    def _end_child(self) -> None:
        if self._child:
            self._child.close()
            self._child = None

    def _turn(self) -> None:
        """Wait for something to happen, and handle it."""
        timeout = self._handle_deadlines()
        child, port = self._child, self.port
        poll = select.poll()
        poll.register(self.mailbox.descriptor, select.POLLIN)
        if child:
            line_events = select.POLLIN | (select.POLLOUT if self._keyboard.wants_to_write else 0)
            poll.register(child.line, line_events)
            poll.register(child.control, select.POLLIN)
        if port and port.listening():
            events = select.POLLIN if self._keyboard.free else 0
            poll.register(port.master, events | (select.POLLOUT if port.backlog else 0))
        elif port:
            timeout = min(timeout, _LISTENER_INTERVAL)
            self._keyboard.put(port.read())  # what a listener sent before it closed
        ready = dict(poll.poll(timeout * 1000))
        if port and port.master in ready:
            port.flush()
            self._keyboard.put(port.read())
        if child and child.control.fileno() in ready:
            self._read_control(child)
        if child and child is self._child and child.line.fileno() in ready:
            self._read_line(child)
        if self.mailbox.descriptor in ready:
            self.mailbox.serve()

    def _handle_deadlines(self) -> float:
        """Do what is due; how many seconds the board may now sleep."""
        waits = [60.0]
        if self._start_at:
            at, cause = self._start_at
            waits.append(at - time.monotonic())
            if waits[-1] <= 0:
                self._start(cause)
        bites_in = self._peripherals.watchdog_bites_in() if self._child else None
        if bites_in is not None and bites_in <= 0 and self._child:
            self._read_control(self._child)  # a feed may be on its way
            bites_in = self._peripherals.watchdog_bites_in()
            if self._child and bites_in is not None and bites_in <= 0:
                self.restart(WATCHDOG)
                return 0
        if bites_in is not None:
            waits.append(bites_in)
        if self._link:
            # The radio is changed from other threads, which do not wake this one.
            self._link.cut = not self._peripherals.radio.forwards_frames()
            waits.append(_RADIO_INTERVAL)
        if self._child and self._phase in (Phase.STARTING, Phase.REPL):
            again = self._keyboard.pump(self._child, self._phase is Phase.STARTING)
            if again is not None:
                waits.append(again)
        return max(0.0, min(waits))

    def _emit(self, data: bytes) -> None:
        if not data:
            return
        # To the port first: a test that waits for this text on the console may open the port
        # next, and must not read the same text again.
        if self.port:
            self.port.write(data)
        self._console.write(data)

    # The serial line

    def _read_line(self, child: Interpreter) -> None:
        """Pass on what the board has written; notice when it has ended."""
        ended = self._pass_on(child)
        if self._phase is Phase.ENTERING_RAW and not self._output.hiding:
            self._phase = Phase.REPL
        if ended:
            self._ended(child)

    def _pass_on(self, child: Interpreter) -> bool:
        """Pass on everything that the board has written; True when there will be no more."""
        while True:
            try:
                data = child.line.recv(65536)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            if not data:
                return True
            self._keyboard.output_seen()
            child.note_output(data)
            self._emit(self._output.feed(data))
            if self._phase is Phase.LOADING and FRIENDLY_BANNER in data:
                raise SimulatorError(f"the board's first code failed: {self._last_line()}")

    def _ended(self, child: Interpreter) -> None:
        """The interpreter ended by itself: Ctrl-D or sys.exit() at a prompt, or a crash."""
        if self._phase is Phase.LOADING:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS_BEFORE_GIVING_UP:
                raise SimulatorError(f"MicroPython does not start: {self._last_line()}")
        status = child.exit_status()
        self._end_child()
        if status < 0:
            name = signal.Signals(-status).name
            self._emit(f"\r\nsimboard: MicroPython was ended by {name}\r\n".encode())
            self.restart(CRASH)
        else:
            self._soft_reset()

    def _last_line(self) -> str:
        lines = self._console.text.partition("MicroPython ")[0].strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _soft_reset(self, delay: float = 0) -> None:
        if self._child:
            self._pass_on(self._child)
        self._emit(b"MPY: soft reboot\r\n")
        self.restart(SOFT_RESET, delay)

    # The control channel

    def _read_control(self, child: Interpreter) -> None:
        while child is self._child:
            try:
                data = child.control.recv(65536)
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            *lines, self._messages = (self._messages + data).split(b"\n")
            for line in lines:
                if child is self._child:
                    self._handle(child, line)

    def _handle(self, child: Interpreter, line: bytes) -> None:
        """One message from the board; what an interrupted one left behind is passed over."""
        try:
            number, name, *arguments = json.loads(line)
        except ValueError:
            return
        if number == 0:
            self._handle_order(name, arguments)
            return
        try:
            answer = encode_answer(number, self._answer(child, name, arguments))
        except OSError as error:
            answer = encode_answer(number, None, error)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            answer = encode_answer(number, None, OSError(f"simboard: {name}: {error}"))
        try:
            child.control.send(answer)
        except (BrokenPipeError, ConnectionResetError):  # it has ended; its line tells
            pass

    def _handle_order(self, name: str, arguments: list[Any]) -> None:
        if name == "feed":
            self._peripherals.feed()
        elif name == "exit":
            self._soft_reset(_EXIT_DELAY)
        elif name == "deepsleep":
            # Without a time it sleeps until it is reset.
            seconds = arguments[0] / 1000 if arguments and arguments[0] else 10**9
            self.restart(DEEP_SLEEP, seconds)
        elif name in _ASKED_FOR:
            if name == "power_cut":
                self._fuse.write_bytes(bytes(6))
            self.restart(_ASKED_FOR[name])

    def _answer(self, child: Interpreter, name: str, arguments: list[Any]) -> Any:
        if name == "hello":
            return {
                "raw": self._output.raw,
                "clock": self._peripherals.clock_offset,
                "flash": str(self._flash),
                "fuse": str(self._fuse),
                "offset": self._board.filesystem.offset,
                "size": self._board.filesystem.size,
            }
        if name == "boot":
            self._failed_starts = 0
            self._phase = Phase.STARTING
            self.booted.set()
            return self._keyboard.take_interrupt()
        if name == "repl":
            self._pass_on(child)  # what boot.py wrote goes first
            self._phase = Phase.REPL
            if self._output.raw:
                self._phase = Phase.ENTERING_RAW
                self._output.hide_until_raw_repl()
                child.line.send(b"\x01")
            return None
        return self._peripherals.answer(name, arguments)
