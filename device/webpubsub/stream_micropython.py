"""Non-blocking sockets for MicroPython; everything that knows asyncio's insides is here.

Four calls: `read_now`, `readable`, `write_now`, `writable`. The first and third try at once and
say None when they would block; only then the caller waits. So a message that is already there
costs no turn of the loop, and TLS is drained before anybody waits on the raw socket (waiting on
a TLS object, which has no descriptor, makes asyncio poll it without a pause).
"""

import asyncio
import errno
import socket
from time import ticks_add, ticks_diff, ticks_ms  # noqa: F401 part of what a stream module offers

from micropython import const

from .errors import TransportError

sleep_ms = asyncio.sleep_ms

# Not every port has every name in its errno module.
_WOULD_BLOCK = (getattr(errno, "EAGAIN", 11), getattr(errno, "EWOULDBLOCK", 11), 11)
_IN_PROGRESS = (getattr(errno, "EINPROGRESS", 115), 115, 119)

# Seconds for one address: a silent one must leave time for the others.
ADDRESS_TIMEOUT = 8

# Without asyncio's queue: how often to look, in ms.
_POLL = const(5)

# The last address that worked, by (host, port): DNS blocks the whole loop, for up to 20 s. It
# stays when it fails, until another one works: names may be out of order for longer than it.
_good = {}


def default_tls_context():
    """MicroPython has no CA store of its own."""
    raise ValueError("wss:// needs CA certificates: pass ssl=tls_context([der, ...])")


def _io():
    # asyncio's queue of sockets; None on a port where its insides look different.
    queue = getattr(getattr(asyncio, "core", None), "_io_queue", None)
    if hasattr(queue, "queue_write") and hasattr(queue, "_dequeue") and hasattr(queue, "map"):
        return queue
    return None


# Awaiting this yields once, without a generator: what asyncio wants after it was told what to
# wait for.
_ONCE = (None,)


def _nothing():
    return
    yield


# An awaitable that is over, also for wait_for and create_task: a finished generator.
DONE = _nothing()
for _ in DONE:
    pass


def _addresses(host, port):
    last = _good.get((host, port))
    if last:
        yield last
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        raise TransportError("cannot resolve %s: %s" % (host, error))
    for info in found:
        address = info[0], info[-1]
        if address != last:
            yield address


async def open_stream(host, port, ssl=None):
    """Connect to the first address of `host` that answers, and return a Stream.

    ssl: an SSL context, or None for plain TCP. The TLS handshake goes on with the first write.

    Raises:
        TransportError: no address, or none of them took the connection.
    """
    failure = None
    for family, address in _addresses(host, port):
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                sock.connect(address)
            except OSError as error:
                if error.errno not in _IN_PROGRESS:
                    raise
                await asyncio.wait_for(_settled(sock), ADDRESS_TIMEOUT)
                _probe(sock)
            try:
                sock.setsockopt(6, 1, 1)  # TCP_NODELAY: a frame must not wait for an ACK
            except (OSError, AttributeError):
                pass  # a port without it
            stream = Stream(sock, ssl, host)
            _good[(host, port)] = (family, address)
            return stream
        except (OSError, asyncio.TimeoutError) as error:
            failure = str(error) or "no answer"
            if sock:
                sock.close()
        except BaseException:  # cancelled by a deadline: the descriptor must not stay behind
            sock.close()
            raise
    raise TransportError("cannot connect to %s port %d: %s" % (host, port, failure))


async def _settled(sock):
    # A coroutine, for wait_for: until the connection is there, or refused.
    await _wait(_io(), sock, True)


def _probe(sock):
    # A refused connection shows itself only in use, and MicroPython has no getsockopt.
    try:
        sock.recv(0)
    except OSError as error:
        if error.errno not in _WOULD_BLOCK:
            raise


def _wait(io, sock, to_write):
    if io is None:
        return asyncio.sleep_ms(_POLL)
    if to_write:
        io.queue_write(sock)
    else:
        io.queue_read(sock)
    return _ONCE


async def _until_writable(sock):
    await _wait(_io(), sock, True)


class Stream:
    """One connection, plain or TLS.

    read_now(view) reads into a memoryview: the number of bytes, 0 at the end of the stream, None
    when it would block. write_now(buffer, start, count) writes a part of a buffer: the number of
    bytes taken, None when it would block. After a None, or a count that is short, the next call
    must go on with the same bytes: TLS holds them already.
    """

    def __init__(self, sock, ssl, host):
        self._raw = sock
        self._io = _io()
        self._error = None
        self.reading = False  # somebody waits in `readable`
        self.secure = self._handshaking = ssl is not None
        if ssl is None:
            self._sock = sock
        else:
            # Some builds finish the handshake here, others with the first write.
            self._sock = ssl.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)

        # Bound methods of the socket: no call of ours stands between.
        self.read_now = self._sock.readinto
        self.write_now = self._sock.write

    def readable(self):
        """Awaitable: until there may be something to read, or `abort` was called."""
        if self._io is None:
            return _wait(None, None, False)
        self._io.queue_read(self._raw)
        return _ONCE

    def writable(self):
        """Awaitable: until a write may go on, or `abort` was called."""
        # In a TLS handshake a write waits for the peer: the socket is writable all the time.
        return _wait(self._io, self._raw, not self._handshaking)

    def established(self):
        """Say that the peer has answered: a TLS handshake is over."""
        self._handshaking = False

    def _refuse(self, *_):
        raise self._error

    def abort(self, error):
        """Fail all use from now on with `error`, and wake whoever waits."""
        if self._error is None:
            self._error = error
            # The descriptor may soon be somebody else's.
            self.read_now = self.write_now = self._refuse
            waiting = self._io and self._io.map.get(id(self._raw))
            if waiting:
                tasks = waiting[0], waiting[1]
                self._io._dequeue(self._raw)
                for task in tasks:
                    if task is not None:
                        asyncio.core._task_queue.push(task)

    def close(self):
        """Close at once; never raises."""
        self.abort(TransportError("closed"))
        if self._sock is not None:
            for each in (self._sock, self._raw):
                try:
                    each.close()
                except OSError:
                    pass
            self._sock = None
