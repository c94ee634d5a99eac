"""The serial port that others open: the slave side of a pseudo-terminal, like a USB bridge.

Without a listener the board is not blocked: what it writes is lost, as on a real line.
"""

from __future__ import annotations

import errno
import os
import pty
import select
import tty

BACKLOG_LIMIT = 256 * 1024


class SerialPort:
    """One plugged-in cable. Closing it is pulling the cable: the other end gets an error."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.path = os.ttyname(slave)
        # From now on the absence of listeners shows as a hang-up, which it does not before the
        # first one has come and gone.
        tty.setraw(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self._poll = select.poll()
        self._poll.register(self.master, select.POLLIN)
        self._listening = False
        self._backlog = bytearray()
        self.dropped = 0

    @property
    def backlog(self) -> int:
        """Bytes that the listener has not taken yet."""
        return len(self._backlog)

    def listening(self) -> bool:
        """Whether a program has the port open."""
        events = self._poll.poll(0)
        listening = not (events and events[0][1] & (select.POLLHUP | select.POLLERR))
        if listening and not self._listening:
            # The kernel forgets the settings of a terminal when its last user closes it. A
            # listener that keeps the defaults would see \r\r\n and echo the board's output to it.
            tty.setraw(self.master)
        if not listening:
            self._backlog.clear()
        self._listening = listening
        return listening

    def read(self) -> bytes:
        """What the listener sent; empty when there is nothing."""
        try:
            return os.read(self.master, 65536)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):
                return b""
            raise

    def write(self, data: bytes) -> None:
        """Send to the listener, or lose it when there is none or it does not read."""
        if not self.listening():
            return
        free = max(0, BACKLOG_LIMIT - len(self._backlog))
        self.dropped += max(0, len(data) - free)
        self._backlog += data[:free]
        self.flush()

    def flush(self) -> None:
        """Hand over as much of the backlog as fits."""
        while self._backlog:
            try:
                written = os.write(self.master, self._backlog[:4096])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._backlog.clear()
                return
            del self._backlog[:written]

    def close(self) -> None:
        """Pull the cable."""
        os.close(self.master)
