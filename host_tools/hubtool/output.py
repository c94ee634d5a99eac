"""Standard output and standard error that may end before the command does.

A reader may have left (`hubtool deploy | head -1`), the disk behind a log may be full. Where the
output is what was asked for, the command fails. A job on a board goes on: it is not broken off
half way for want of somebody who listens.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from .errors import HubtoolError

_GONE = (errno.EPIPE, errno.EBADF, errno.EINVAL)


class OutputLost(HubtoolError):
    """What was to be said can no longer be said.

    Attributes:
        reader_left: whether because nobody reads it, not for a fault of what it goes to.
    """

    def __init__(self, message: str, *, reader_left: bool) -> None:
        super().__init__(message)
        self.reader_left = reader_left


class GuardedStream:
    """A text stream that notes its first failure; what comes later is thrown away.

    Attributes:
        failure: why it failed; None as long as it has not.
        carry_on: whether the command goes on then.
    """

    def __init__(self, stream: TextIO | None, name: str, *, carry_on: bool) -> None:
        """Stand before a stream.

        Args:
            stream: None where the descriptor was closed before we were started.
            name: for errors.
            carry_on: as the attribute.
        """
        self.carry_on = carry_on
        self.failure: OSError | None = None
        self._name = name
        if stream is None:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
            # Never closed: what is written late goes there, too.
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or throw away."""
        if self.failure is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self.fail(error)
        elif not self.carry_on:
            raise self.lost()
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as they are, and pass them on."""
        if self.failure is None:
            try:
                self._stream.buffer.write(data)
                self._stream.buffer.flush()
            except OSError as error:
                self.fail(error)
        elif not self.carry_on:
            raise self.lost()

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        """Take note of a failure of the stream, or of its buffer.

        Raises:
            OutputLost: the output is what was asked for.
        """
        self.failure = self.failure or error
        # What is in the buffer would fail again, when the interpreter flushes it at its end.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        if not self.carry_on:
            raise self.lost()

    @property
    def reader_left(self) -> bool:
        """Whether it failed because nobody reads it, not for a fault of what it goes to."""
        return self.failure is not None and self.failure.errno in _GONE

    def lost(self) -> OutputLost:
        """An error to raise or to tell."""
        if self.reader_left:
            text = f"{self._name} was closed before everything was said"
            return OutputLost(text, reader_left=True)
        reason = self.failure.strerror if self.failure else ""
        text = f"{self._name} cannot be written: {reason}: send it somewhere else"
        return OutputLost(text, reader_left=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def write_bytes(data: bytes) -> None:
    """Write bytes to standard output, guarded or not.

    Raises:
        OutputLost: they cannot be written.
    """
    stream: Any = sys.stdout
    if not isinstance(stream, GuardedStream):
        stream = GuardedStream(stream, "standard output", carry_on=False)
    stream.write_bytes(data)


@contextlib.contextmanager
def guarded() -> Iterator[GuardedStream]:
    """Guard the process's streams; gives standard output."""
    before = sys.stdin, sys.stdout, sys.stderr
    output = GuardedStream(sys.stdout, "standard output", carry_on=False)
    errors = GuardedStream(sys.stderr, "standard error", carry_on=True)
    sys.stdout, sys.stderr = output, errors
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    try:
        yield output
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
