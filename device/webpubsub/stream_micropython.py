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
_ADDRESS_TIMEOUT = const(8)

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


# Generators and not coroutines: a socket is waited for by enqueueing it and yielding once.
def _until_readable(io, sock):
    if io is None:
        yield from asyncio.sleep_ms(_POLL)
    else:
        yield io.queue_read(sock)


def _until_writable(io, sock):
    if io is None:
        yield from asyncio.sleep_ms(_POLL)
    else:
        yield io.queue_write(sock)


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
                await asyncio.wait_for(_until_writable(_io(), sock), _ADDRESS_TIMEOUT)
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


def _probe(sock):
    # A refused connection shows itself only in use, and MicroPython has no getsockopt.
    try:
        sock.recv(0)
    except OSError as error:
        if error.errno not in _WOULD_BLOCK:
            raise


class Stream:
    """One connection, plain or TLS."""

    def __init__(self, sock, ssl, host):
        self._raw = sock
        self._io = _io()
        self._error = None
        self._plain = ssl is None
        self._handshaking = not self._plain
        self._dry = False
        if ssl is None:
            self._sock = sock
        else:
            # Some builds finish the handshake here, others with the first write.
            self._sock = ssl.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)

    def read_now(self, view):
        """Read into `view`: the number of bytes, 0 at the end of the stream, None for later."""
        if self._error:
            raise self._error
        if self._dry:
            self._dry = False
            return None
        try:
            count = self._sock.readinto(view)
        except OSError as error:
            if error.errno in _WOULD_BLOCK:
                return None
            raise
        # TCP had no more than that: waiting is cheaper than asking again. TLS may have more.
        if count and self._plain and count < len(view):
            self._dry = True
        return count

    def write_now(self, buffer, start, end):
        """Write a part of `buffer`: the number of bytes taken, 0 for later.

        After a 0, the next call must offer the same bytes again: TLS holds them already.
        """
        if self._error:
            raise self._error
        try:
            count = self._sock.write(buffer, start, end - start)
        except OSError as error:
            if error.errno in _WOULD_BLOCK:
                return 0
            raise
        if count:
            self._handshaking = False
        return count or 0

    def readable(self):
        """Awaitable: until there may be something to read, or `abort` was called."""
        return _until_readable(self._io, self._raw)

    def writable(self):
        """Awaitable: until a write may go on, or `abort` was called."""
        if self._handshaking:
            # In a TLS handshake a write waits for the peer: the socket is writable all the time.
            return _until_readable(self._io, self._raw)
        return _until_writable(self._io, self._raw)

    def abort(self, error):
        """Fail all use from now on with `error`, and wake whoever waits."""
        if self._error is None:
            self._error = error
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
