"""The same calls over CPython's asyncio: for tests, tools and gateways, never flashed.

Stands in the place of stream.py, sockets.py and strerror.py.
"""

import asyncio
import ssl as _ssl
import time

from .errors import TransportError
from .tls import with_clock

_HIGH_WATER = 256 * 1024


def ticks_ms():
    """Milliseconds of a clock that never jumps."""
    return int(time.monotonic() * 1000)


def ticks_diff(end, start):
    """Milliseconds from `start` to `end`."""
    return end - start


def ticks_add(start, delta):
    """`start` plus `delta` milliseconds."""
    return start + delta


class _Done:
    # An awaitable that is over, also for wait_for and create_task.
    def __await__(self):
        return iter(())


DONE = _Done()


def sleep_ms(milliseconds):
    """Awaitable: a pause.

    milliseconds: int."""
    return asyncio.sleep(milliseconds / 1000)


def cancel(task):
    """Cancel a task, unless it is the running one; see stream.py.

    task: an asyncio.Task."""
    if task is not asyncio.current_task():
        task.cancel()


def hand_over():
    """CPython's wait_for loses no result; see stream.py."""


def ends_task(error, tasks):
    """Whether an exception is to end the running task; see stream.py.

    error, tasks: as there."""
    if isinstance(error, asyncio.CancelledError):
        return asyncio.current_task().cancelling() > 0
    return not isinstance(error, Exception)


def is_shortage(error):
    """Whether an error says that memory is out.

    error: an exception."""
    return isinstance(error, MemoryError)


def error_text(error, tls=None, connecting=False):
    """What an error of a socket says for people, or one that TLS met.

    error: an exception. tls, connecting: of no use here, see strerror.py."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return with_clock(text) if tls else text


def default_tls_context():
    """CPython has a CA store: verify with it."""
    return _ssl.create_default_context()


async def open_stream(host, port, ssl=None):
    """Connect to `host` and return a Stream; see sockets.py.

    host, port, ssl, and TransportError: as there."""
    loop = asyncio.get_running_loop()
    try:
        _, stream = await loop.create_connection(
            Stream, host, port, ssl=ssl, server_hostname=host if ssl else None
        )
    except _ssl.SSLError as error:
        raise TransportError("TLS with %s failed: %s" % (host, with_clock(str(error)))) from error
    except OSError as error:
        raise TransportError("cannot connect to %s port %d: %s" % (host, port, error)) from error
    return stream


class Stream(asyncio.Protocol):
    """One connection, plain or TLS."""

    handshaking = False  # asyncio's TLS handshake is over before there is a stream

    def __init__(self):
        self._transport = None
        self._received = bytearray()
        self._error = None
        self.reading = False  # somebody waits in `readable`
        self._eof = False
        self._closed = False
        self._paused = False  # we: reading
        self._full = False  # the transport: writing
        self._reader = None
        self._writers = []

    # asyncio.Protocol
    def connection_made(self, transport):
        self._transport = transport
        self.tls = transport.get_extra_info("ssl_object") is not None

    def data_received(self, data):
        self._received += data
        if len(self._received) > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self):
        self._eof = True
        self._wake_reader()

    def connection_lost(self, exc):
        self._eof = True
        if exc is not None and self._error is None:
            self._error = OSError("connection lost: %s" % exc)
        self._wake_all()

    def pause_writing(self):
        self._full = True

    def resume_writing(self):
        self._full = False
        self._wake_all()

    # the four calls
    def read_now(self, view):
        """Read into `view`: the number of bytes, 0 at the end of the stream, None for later."""
        if self._received:
            count = min(len(view), len(self._received))
            view[:count] = self._received[:count]
            del self._received[:count]
            if self._paused and len(self._received) < _HIGH_WATER // 2:
                self._paused = False
                self._transport.resume_reading()
            return count
        if self._error:
            raise self._error
        return 0 if self._eof else None

    async def readable(self):
        """Until there may be something to read, or `close` was called."""
        if not (self._received or self._eof or self._error):
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def write_now(self, buffer, start, count):
        """Write a part of `buffer`: the number of bytes taken, None for later.

        buffer: bytes-like. start, count: of that part. Raises OSError when the connection
        is gone.
        """
        if self._error:
            raise self._error
        if self._eof and self._transport.is_closing():
            raise OSError("connection lost")
        if self._full:
            return None
        self._transport.write(bytes(memoryview(buffer)[start : start + count]))
        return count

    async def writable(self):
        """Until a write may go on, or `close` was called."""
        if self._full and not self._error:
            waiter = asyncio.get_running_loop().create_future()
            self._writers.append(waiter)
            await waiter

    def close(self):
        """Close at once, fail all use from now on, and wake whoever waits; never raises."""
        if self._closed:
            return  # a TLS transport does not bear it twice
        if self._error is None:
            self._error = TransportError("closed")
        self._received.clear()
        self._wake_all()
        self._closed = True
        # What is queued for an unresponsive peer is not worth waiting for, an orderly FIN is.
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _wake_reader(self):
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_all(self):
        self._wake_reader()
        waiters, self._writers = self._writers, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
