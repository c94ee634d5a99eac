"""Input on its way to a board: Ctrl-C becomes an interrupt while code runs, else a byte."""

from __future__ import annotations

import fcntl
import termios
import time

from .interpreter import Interpreter

CTRL_C = 0x03
# Seconds that a Ctrl-C waits for the interpreter to read and compile what was typed before it: of
# its own computing, for on a busy computer it may get none for long; else of the clock.
PATIENCE = 0.5
# A second SIGINT before the first one is served ends MicroPython for unix.
INTERRUPT_SPACING = 0.25
LIMIT = 64 * 1024


class Keyboard:
    """A queue of input bytes in front of one interpreter at a time."""

    def __init__(self) -> None:
        self._queue = bytearray()
        self._held_since: float | None = None
        self._held_computing: float | None = None
        self._interrupted = 0.0
        self.wants_to_write = False

    @property
    def free(self) -> int:
        """How many bytes `put` takes now."""
        return max(0, LIMIT - len(self._queue))

    def put(self, data: bytes) -> None:
        """Queue what came in over the serial line."""
        self._queue += data

    def clear(self) -> None:
        """Drop what the interpreter has not read."""
        self._queue.clear()
        self._held_since = None

    def take_interrupt(self) -> bool:
        """Whether a Ctrl-C is waiting for a board that is about to run boot.py; takes it."""
        self._held_since = None
        position = self._queue.find(CTRL_C)
        if position >= 0:
            del self._queue[position]
        return position >= 0

    def output_seen(self) -> None:
        """The board wrote something, so it has served the last interrupt."""
        self._interrupted = 0.0

    def pump(self, child: Interpreter, starting: bool) -> float | None:
        """Hand over what can be handed over now.

        Args:
            child: who gets it.
            starting: boot.py and main.py are being run: no prompt is reading.

        Returns:
            Seconds after which to come again without being woken; None when nothing is held.
        """
        self.wants_to_write = False
        while self._queue:
            position = self._queue.find(CTRL_C)
            # What precedes a Ctrl-C must not delay it: running code may never read it.
            if position >= 0 and self._interrupt(child):
                del self._queue[position]
                continue
            if position == 0:
                if self._hold(child, starting):
                    return 0.003
                position = 1
            sent = _send(child, self._queue[: position if position > 0 else len(self._queue)])
            if not sent:
                self.wants_to_write = True
                return 0.02 if position >= 0 else None
            del self._queue[:sent]
            self._held_since = None
        return None

    def _interrupt(self, child: Interpreter) -> bool:
        if time.monotonic() - self._interrupted < INTERRUPT_SPACING:
            return child.catches_interrupts()
        if not child.interrupt():
            return False
        self._interrupted = time.monotonic()
        return True

    def _hold(self, child: Interpreter, starting: bool) -> bool:
        """Whether code to be interrupted may be about to run.

        It is being started, or input is unread, or what was read is being compiled: only then
        the interpreter computes and does not catch SIGINT.
        """
        now, computing = time.monotonic(), child.computing_seconds()
        if self._held_since is None:
            self._held_since, self._held_computing = now, computing
        if computing is not None:
            if self._held_computing is None:
                self._held_computing = computing
            return computing - self._held_computing < PATIENCE
        waiting = starting or not _all_read(child)
        return waiting and now - self._held_since < PATIENCE


def _send(child: Interpreter, data: bytes | bytearray) -> int:
    try:
        return child.line.send(data)
    except BlockingIOError:
        return 0
    except OSError:  # it has ended; its successor does not get this input
        return len(data)


def _all_read(child: Interpreter) -> bool:
    try:
        unread = fcntl.ioctl(child.line, termios.TIOCOUTQ, bytes(4))
    except OSError:  # not on this system
        return True
    return not any(unread)
