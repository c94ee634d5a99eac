"""A simulated board, as tests and programs use it."""

from __future__ import annotations

import re
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from micropython_webpubsub.boards import Board, BoardError, load_board

from .causes import POWER_CUT, RESET_BUTTON
from .chip import places
from .chip.link import Memory, RadioLink
from .console import Console
from .errors import SimulatorError
from .flash import Fuse, prepare_flash
from .interpreter import find_interpreter
from .nvs import Nvs
from .peripherals import Peripherals
from .radio import Radio
from .supervisor import Supervisor


class SimulatedBoard:
    """A board that exists only as a process: real MicroPython behind a serial port.

    It powers up when it is made and runs in a thread and a child process of its own, so blocking
    serial code works beside it. Use it as a context manager, or call `close`.

    Attributes:
        board: the board file's content.
        flash: path of the flash file; what survives every reset.
        radio: the access points that the board finds, and its station's link, to be scripted.
    """

    def __init__(
        self,
        board: str | Path | Board = "simulated",
        *,
        flash: str | Path | None = None,
        name: str = "board",
        radio: Path | None = None,
        chip: str = "",
        timeout: float = 30,
        wait: bool = True,
    ) -> None:
        """Power a board up.

        Args:
            board: id of a board, path of a board file, or its content.
            flash: flash file, made when absent; None is a file that vanishes with the board.
            name: decides the board's unique id and MAC address.
            radio: JSON file that describes the access points; see `Radio.load`.
            chip: run on the model of the chip: a version of MicroPython, `oldest` or `newest`;
                empty leaves it to the board file.
            timeout: seconds to wait for boot.py to begin.
            wait: False returns at once, for boards whose flash may not let them come that far.

        Raises:
            SimulatorError: unknown board, no MicroPython for this platform, no model of the chip
                of this version, wrong flash file.
        """
        try:
            self.board = board if isinstance(board, Board) else load_board(board)
        except BoardError as error:
            raise SimulatorError(str(error)) from None
        self._folder = tempfile.TemporaryDirectory(prefix="simboard-")
        try:
            own = Path(self._folder.name)
            self.flash = Path(flash).absolute() if flash else own / "flash.bin"
            prepare_flash(self.flash, self.board)
            self._fuse = Fuse(own / "fuse")
            self.radio = Radio()
            if radio:
                self.radio.load(radio)
            self._console = Console()
            region = next((p for p in self.board.partitions if p.name == "nvs"), None)
            nvs = Nvs(self.flash, region.offset if region else 0, region.size if region else 0)
            program = find_interpreter(chip or self._wanted_model())
            self._link = RadioLink(own / "link") if program.chip else None
            self._supervisor = Supervisor(
                self.board,
                self.flash,
                self._fuse.path,
                self._console,
                Peripherals(name, self.radio, nvs),
                program,
                self._link,
            )
        except BaseException:
            self._folder.cleanup()
            raise
        self._thread = threading.Thread(
            target=self._supervisor.run, name=f"simboard {name}", daemon=True
        )
        self._thread.start()
        self._closed = False
        if not wait:
            return
        started = self._supervisor.booted.wait(timeout)
        if failure := self._supervisor.failure:
            self.close()
            raise failure
        if not started:
            self.close()
            raise SimulatorError(f"the board did not start within {timeout:g} s")

    def _wanted_model(self) -> str:
        """The model of the chip, if the board file asks for it and it is built; else empty."""
        wanted = self.board.heap.model == "esp32" and places.find(places.NEWEST) is not None
        return places.NEWEST if wanted else ""

    @property
    def memory(self) -> Memory | None:
        """The IDF heap of a board on the model of the chip, else None."""
        return self._link.memory if self._link else None

    @property
    def port(self) -> str:
        """Path of the serial port. It stays over resets; a pulled cable may come back elsewhere.

        Raises:
            SimulatorError: the cable is pulled.
        """
        port = self._supervisor.port
        if port is None:
            raise SimulatorError("the board is unplugged: call plug()")
        return port.path

    @property
    def console(self) -> str:
        """What the board wrote so far: the last 256 Ki characters, lines ending in newline."""
        return self._console.text

    @property
    def restarts(self) -> list[str]:
        """The cause of each start after the first.

        One of soft_reset, reset (`machine.reset()`), reset_button, watchdog, deepsleep,
        power_cut, crash (the interpreter itself died).
        """
        return list(self._supervisor.restarts)

    @property
    def pid(self) -> int | None:
        """Process id of the interpreter; None while none runs."""
        return self._supervisor.pid

    @property
    def failure(self) -> Exception | None:
        """Why the board stopped for good, if it did."""
        return self._supervisor.failure

    def wait_for(self, wanted: str | re.Pattern[str], timeout: float = 10) -> str:
        """Wait until the board has written `wanted`; the next call looks behind it.

        Args:
            wanted: a literal text, or a compiled regular expression.
            timeout: seconds.

        Returns:
            What matched.

        Raises:
            TimeoutError: it did not come; the text shows the end of what did.
        """
        return self._console.wait_for(wanted, timeout)

    def reset(self) -> None:
        """Press the reset button (EN)."""
        self._supervisor.mailbox.call(lambda: self._supervisor.restart(RESET_BUTTON))

    def hold(self) -> None:
        """Press the reset button and keep it pressed, until `reset`."""
        self._supervisor.mailbox.call(self._supervisor.hold)

    def power_cut(self) -> None:
        """Take the power away for a moment: RAM, clock and RTC memory are lost."""
        self._supervisor.mailbox.call(lambda: self._supervisor.restart(POWER_CUT))

    def cut_power_at_write(self, count: int, *, torn: bool = False) -> None:
        """Cut the power at the `count`-th flash write from now, once.

        Args:
            count: 1 is the next write.
            torn: whether the first half of that write arrives, or nothing of it.
        """
        self._fuse.arm(count, torn)

    def unplug(self, *, keep_power: bool = False) -> None:
        """Pull the USB cable: a program that has the port open gets an error, as on hardware.

        Args:
            keep_power: the power goes with the cable, as on a development board, unless the
                board has a supply of its own.
        """

        def pull() -> None:
            self._supervisor.unplug()
            if not keep_power:
                self._supervisor.power_off()

        self._supervisor.mailbox.call(pull)

    def plug(self) -> None:
        """Put the USB cable in again; `port` may have changed. An unpowered board starts."""

        def put_in() -> None:
            self._supervisor.plug()
            self._supervisor.power_up()

        self._supervisor.mailbox.call(put_in)

    def close(self) -> None:
        """Power off for good: ends the process, closes every descriptor. May be repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            self._supervisor.mailbox.call(self._supervisor.stop)
        except SimulatorError:  # it has stopped by itself
            pass
        finally:
            self._thread.join(30)
            if self._link:
                self._link.close()
            self._folder.cleanup()

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
