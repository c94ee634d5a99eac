"""Non-blocking sockets for MicroPython; everything that knows asyncio's insides is here.

Four calls: `read_now`, `readable`, `write_now`, `writable`. The first and third try at once and
say None when they would block; only then the caller waits. So a message that is already there
costs no turn of the loop, and TLS is drained before anybody waits on the raw socket (waiting on
a TLS object, which has no descriptor, makes asyncio poll it without a pause).

On CPython, stream_cpython.py stands in its place.
"""

import asyncio
import errno
import socket
from time import ticks_add, ticks_diff, ticks_ms  # noqa: F401 part of what a stream module offers

from micropython import const

from .errors import TransportError

sleep_ms = asyncio.sleep_ms
core = getattr(asyncio, "core", None)

# Seconds for one address: a silent one must leave time for the others.
ADDRESS_TIMEOUT = 8

# Without asyncio's queue: how often to look, in ms.
_POLL = const(5)
_POLLIN = const(1)  # of select

# The last address that worked, by (host, port): DNS blocks the whole loop, for up to 20 s. It
# stays when it fails, until another one works: names may be out of order for longer than it.
_good = {}

_WORDS = {
    errno.ECONNREFUSED: "nobody listens there",
    errno.ECONNRESET: "reset by the other side",
    errno.EHOSTUNREACH: "no route to it",
    errno.ETIMEDOUT: "no answer",
}


def words(error, tls=None):
    """What an error of a socket says for people, or one that TLS met."""
    # mbedTLS ends each reason with a line break.
    text = _WORDS.get(getattr(error, "errno", None)) or " ".join(str(error).split())
    if tls:
        from .tls import with_clock  # loaded already by whoever has a context

        text = with_clock(text)
    return text


def default_tls_context():
    """MicroPython has no CA store of its own."""
    raise ValueError("wss:// needs CA certificates: pass ssl=tls_context([der, ...])")


# Awaiting this yields once, without a generator: what asyncio wants after it was told what to
# wait for.
_ONCE = const((None,))


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
    except OSError:
        # All that it says is a number.
        raise TransportError("cannot resolve %s: no such name, or no name server" % host)
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
    for address in _addresses(host, port):
        stream = None
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
            stream = Stream(sock)
            sock.setblocking(False)
            try:
                sock.connect(address[1])
            except OSError as error:
                if error.errno != errno.EINPROGRESS:
                    raise
                await asyncio.wait_for(stream.connected(), ADDRESS_TIMEOUT)
            try:
                sock.setsockopt(6, 1, 1)  # TCP_NODELAY: a frame must not wait for an ACK
            except (OSError, AttributeError):
                pass  # a port without it
            if ssl:
                stream.secure(ssl, host)
            _good[(host, port)] = address
            return stream
        except BaseException as error:
            if stream:
                stream.close()  # its descriptor must not stay behind
            if not isinstance(error, (OSError, asyncio.TimeoutError)):
                raise
            failure = words(error) or "no answer"
    raise TransportError("cannot connect to %s port %d: %s" % (host, port, failure))


class Stream:
    """One connection, plain or TLS.

    read_now(view) reads into a memoryview: the number of bytes, 0 at the end of the stream, None
    when it would block. write_now(buffer, start, count) writes a part of a buffer: the number of
    bytes taken, None when it would block. After a None, or a count that is short, the next call
    must go on with the same bytes: TLS holds them already.
    """

    def __init__(self, sock):
        self._raw = sock
        # asyncio's queue of sockets; None on a port where its insides look different.
        self._io = getattr(core, "_io_queue", None)
        if not hasattr(self._io, "map") or not hasattr(self._io, "poller"):
            self._io = None
        self._entry = None  # in that queue: who waits to read, who to write, and the socket
        self.reading = False  # somebody waits in `readable`
        self._handshaking = False
        self.tls = False
        self._use(sock)

    def _use(self, sock):
        # Bound methods of the socket: no call of ours stands between.
        self._sock = sock
        self.read_now = sock.readinto
        self.write_now = sock.write

    def secure(self, ssl, host):
        """Begin TLS; its handshake goes on with the first write."""
        # Some builds finish the handshake here, others with the first write.
        self._use(ssl.wrap_socket(self._raw, server_hostname=host, do_handshake_on_connect=False))
        self.tls = self._handshaking = True

    async def write_first(self, data):
        """Write the first bytes, all of them; the TLS handshake is over then."""
        done = 0
        while done < len(data):
            count = self.write_now(data, done, len(data) - done)
            done += count or 0
            if not count:
                await self.writable()
        self._handshaking = False

    async def connected(self):
        """Wait until the connection is there. Raises OSError when it was refused."""
        await self.writable()
        # A refused connection shows itself only in use, and MicroPython has no getsockopt.
        try:
            self._raw.recv(0)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise

    def readable(self):
        """Awaitable: until there may be something to read, or `close` was called."""
        io = self._io
        if io is None:
            return sleep_ms(_POLL)
        raw = self._raw
        entry = self._entry
        if entry is None or id(raw) in io.map:  # the first time, or somebody waits to write
            io.queue_read(raw)
            self._entry = io.map[id(raw)]
        else:
            # What queue_read does, with its entry, kept: a new one is half of what a wait takes
            # of the heap.
            entry[0] = task = core.cur_task
            entry[1] = None
            io.map[id(raw)] = entry
            io.poller.register(raw, _POLLIN)
            task.data = io
        return _ONCE

    def writable(self):
        """Awaitable: until a write may go on, or `close` was called."""
        # In a TLS handshake a write waits for the peer: the socket is writable all the time.
        if self._io is None or self._handshaking:
            return self.readable()
        self._io.queue_write(self._raw)
        return _ONCE

    def close(self):
        """Close at once, fail all use from now on, and wake whoever waits; never raises."""
        if self._sock is None:
            return
        # The descriptor may soon be somebody else's.
        self.read_now = self.write_now = _refuse
        waiting = self._io and self._io.map.get(id(self._raw))
        if waiting:
            tasks = waiting[:2]
            self._io._dequeue(self._raw)
            for task in tasks:
                if task is not None:
                    core._task_queue.push(task)
        for each in (self._sock, self._raw):
            try:
                each.close()
            except OSError:
                pass
        self._sock = None


def _refuse(*_):
    raise TransportError("closed")
