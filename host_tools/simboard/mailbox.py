"""How other threads get something done in the thread of a board."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .errors import SimulatorError

Result = TypeVar("Result")


class Mailbox:
    """Calls that wait for the board's thread, and a descriptor that wakes it.

    Attributes:
        descriptor: readable when there are calls to `serve`.
    """

    def __init__(self) -> None:
        self.descriptor, self._waker = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._waker, False)
        self._calls: queue.SimpleQueue[Callable[[bool], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = True

    def call(self, action: Callable[[], Result], timeout: float = 30) -> Result:
        """Run `action` in the board's thread and return what it returns, or raise.

        Raises:
            SimulatorError: the board is off for good.
        """
        future: Future[Result] = Future()

        def run(alive: bool) -> None:
            try:
                if not alive:
                    raise SimulatorError("the board is closed")
                future.set_result(action())
            except Exception as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)

        with self._lock:
            if not self._open:
                raise SimulatorError("the board is closed")
            self._calls.put(run)
            try:
                os.write(self._waker, b".")
            except BlockingIOError:  # full: it will wake
                pass
        return future.result(timeout)

    def serve(self, alive: bool = True) -> None:
        """Run what waits; in the board's thread."""
        try:
            os.read(self.descriptor, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            call(alive)

    def close(self) -> None:
        """Refuse what waits and what comes; in the board's thread."""
        with self._lock:
            self._open = False
        self.serve(alive=False)
        os.close(self.descriptor)
        os.close(self._waker)
