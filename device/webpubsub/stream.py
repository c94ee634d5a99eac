"""Non-blocking connections for MicroPython; everything that knows asyncio's insides is here.

Four calls: `read_now`, `readable`, `write_now`, `writable`. The first and third try at once and
say None when they would block; only then the caller waits. So a message that is already there
costs no turn of the loop, and TLS is drained before anybody waits on the raw socket (waiting on
a TLS object, which has no descriptor, makes asyncio poll it without a pause).

How a connection comes about is in `sockets`, which is let go afterwards. On CPython,
stream_cpython.py stands in the place of both.
"""

import asyncio
import socket  # noqa: F401 for `sockets`
from time import ticks_add, ticks_diff, ticks_ms  # noqa: F401 part of what a stream module offers

from micropython import const

from .errors import TransportError

sleep_ms = asyncio.sleep_ms
core = getattr(asyncio, "core", None)

# Without asyncio's queue: how often to look, in ms.
_POLL = const(5)
_POLLIN = const(1)  # of select

# The last address from which an answer came, by (host, port), and whether it may be used before
# names are asked: DNS blocks the event loop, for up to 20 s. It stays when it fails, until another
# one answers: names may be out of order for longer than it. Here, since `sockets` does not stay.
good_addresses = {}

# Awaiting this yields once, without a generator: what asyncio wants once it knows what to
# wait for.
_ONCE = const((None,))


def _nothing():
    return
    yield


# An awaitable that is over, also for wait_for and create_task: a finished generator.
DONE = _nothing()
for _ in DONE:
    pass


def hand_over():
    """Let whoever waits for the running task, which is about to end, go on before all others.

    Otherwise a deadline of `wait_for` that passes in this moment throws the result away.
    """
    task = asyncio.current_task()
    waiting = getattr(task, "state", None)
    while core and hasattr(waiting, "pop") and waiting.peek():
        # Ticks wrap, but keys are compared by their difference, modulo that.
        core._task_queue.push(waiting.pop(), task.ph_key - 1)  # noqa: SLF001


def cancel(task):
    """Cancel a task, unless it is the running one or waits for it: MicroPython cannot do that."""
    other = task
    while hasattr(other, "coro"):
        if other is asyncio.current_task():
            return
        other = other.data
    task.cancel()


def ends_task(error, tasks):
    """Whether an exception is to end the running task, which is one of `tasks`.

    So does whatever is no Exception, but for a CancelledError that came out of a wait for
    something else that was cancelled, in code of the user's: that is an error like any other.

    CPython's tasks know how often they were asked to end. MicroPython's do not, so whoever
    cancels one of `tasks` takes it out of there before; nobody else may cancel it, or await it
    (MicroPython hands a cancellation on to the task that is awaited).

    error: that exception.
    """
    if isinstance(error, asyncio.CancelledError):
        return asyncio.current_task() not in tasks
    return not isinstance(error, Exception)


class Stream:
    """One connection, plain or TLS.

    read_now(view) reads into a memoryview: the number of bytes, 0 at the end of the stream, None
    when it would block. write_now(buffer, start, count) writes a part of a buffer: the number of
    bytes taken, None when it would block. After a None, or a count that is short, the next call
    must go on with the same bytes: TLS holds them already. tls: whether TLS is on top.
    """

    # No properties in this class: with a single one, MicroPython looks through the class at each
    # assignment to any attribute.

    def __init__(self, sock):
        self.raw = sock
        # asyncio's queue of sockets; None on a port where its insides look different.
        self._io = getattr(core, "_io_queue", None)
        if not hasattr(self._io, "map") or not hasattr(self._io, "poller"):
            self._io = None
        self._entry = None  # in that queue: who waits to read, who to write, and the socket
        self.reading = False  # somebody waits in `readable`
        # In a TLS handshake a write waits for the peer: the socket is writable all the time.
        self.handshaking = False
        self.use(sock)

    def use(self, sock):
        """Read and write through `sock`: the raw socket, or TLS on top of it."""
        # Bound methods of the socket: no call of ours stands between.
        self._sock = sock
        self.tls = sock is not self.raw
        self.read_now = sock.readinto
        self.write_now = sock.write

    def readable(self):
        """Awaitable: until there may be something to read, or `close` was called."""
        io = self._io
        if io is None:
            return sleep_ms(_POLL)
        raw = self.raw
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
        if self._io is None or self.handshaking:
            return self.readable()
        self._io.queue_write(self.raw)
        return _ONCE

    def close(self):
        """Close at once, fail all use from now on, and wake whoever waits; never raises."""
        if self._sock is None:
            return
        # The descriptor may soon be somebody else's.
        self.read_now = self.write_now = _refuse
        waiting = self._io and self._io.map.get(id(self.raw))
        if waiting:
            tasks = waiting[:2]
            self._io._dequeue(self.raw)  # noqa: SLF001
            for task in tasks:
                if task is not None:
                    core._task_queue.push(task)  # noqa: SLF001
        for each in (self._sock, self.raw):
            try:
                each.close()
            except OSError:
                pass
        self._sock = None


def _refuse(*_):
    raise TransportError("closed")
