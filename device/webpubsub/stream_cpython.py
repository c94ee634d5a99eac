"""The same calls over CPython's asyncio: for tests, tools and gateways, never flashed.

Stands in the place of stream.py, sockets.py and strerror.py.
"""

import asyncio
import itertools
import socket
import ssl as _ssl
import struct
import time
from collections.abc import Coroutine

from .errors import TransportError
from .tls import with_clock

_HIGH_WATER = 256 * 1024

# Seconds for one address, as in sockets.py; and until the next one is tried beside it, the
# Connection Attempt Delay of RFC 8305, section 5.
ADDRESS_TIMEOUT = 8
_ATTEMPT_DELAY = 0.25
# Seconds in which a peer may end TLS. One that reads no more would keep the socket for 30.
_TLS_END = 1
_RESET = struct.pack("ii", 1, 0)  # struct linger: end with a reset, at once

# What getaddrinfo gave when there was an answer, by (host, port): for when it gives nothing.
good_addresses = {}


def ticks_ms():
    """Milliseconds of a clock that never jumps."""
    return int(time.monotonic() * 1000)


def ticks_diff(end, start):
    """Milliseconds from `start` to `end`."""
    return end - start


def ticks_add(start, delta):
    """`start` plus `delta` milliseconds."""
    return start + delta


class _Done(Coroutine):
    # An awaitable that is over, as often as one likes, also for wait_for and create_task.
    def __await__(self):
        return iter(())

    def send(self, _):
        raise StopIteration

    def throw(self, *error):
        raise error[0]


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
    name = host, port
    try:
        # Does not block the loop, so it is always asked.
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter: a label that is empty or too long
        found = good_addresses.get(name)
        if not found:
            raise TransportError("cannot resolve %s: %s" % (host, error)) from error
    tls = {"server_hostname": host, "ssl_shutdown_timeout": _TLS_END} if ssl else {}
    try:
        sock = await _first_to_answer(found)
        _, stream = await loop.create_connection(Stream, sock=sock, ssl=ssl, **tls)
    except _ssl.SSLError as error:
        raise TransportError("TLS with %s failed: %s" % (host, with_clock(str(error)))) from error
    except OSError as error:
        raise TransportError("cannot connect to %s port %d: %s" % (host, port, error)) from error
    stream.address = name, found
    return stream


async def _first_to_answer(found):
    # A socket, connected to the address that answers first: both families side by side (RFC 8305).
    families = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    rounds = itertools.zip_longest(*families.values())
    waiting = [info for each in rounds for info in each if info]
    tasks = set()
    failure = winner = None
    try:
        while winner is None and (waiting or tasks):
            if waiting:
                tasks.add(asyncio.create_task(_connected(waiting.pop(0))))
            done, tasks = await asyncio.wait(
                tasks,
                timeout=_ATTEMPT_DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                if task.exception():
                    failure = failure or task.exception()
                elif winner is None:
                    winner = task.result()
                else:
                    task.result().close()
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close_late)
    if winner is None:
        raise failure
    return winner


def _close_late(task):
    # One that is cancelled closes its socket itself.
    if not task.cancelled() and not task.exception():
        task.result().close()


async def _connected(info):
    sock = socket.socket(*info[:3])
    try:
        sock.setblocking(False)
        connecting = asyncio.get_running_loop().sock_connect(sock, info[4])
        await asyncio.wait_for(connecting, ADDRESS_TIMEOUT)
    except BaseException as error:
        sock.close()
        if isinstance(error, asyncio.TimeoutError):
            raise OSError("no answer") from error
        raise
    return sock


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
        # What is queued for an unresponsive peer is not worth waiting for, an orderly FIN is. The
        # system is not to keep it either, for as long as the peer's window is closed.
        if self._full or self._transport.get_write_buffer_size():
            try:
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass  # the connection is gone
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
